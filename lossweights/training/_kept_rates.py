"""What was measured of this machine, kept so that the same sweep chooses alike the next time."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Mapping
from typing import Any

import platformdirs

from lossweights.base.errors import StoreError
from lossweights.base.files import write_atomic
from lossweights.base.machine import THREADS, available_cores, processor
from lossweights.base.strict_json import digest, dump_json, parse_json
from lossweights.training._rates import Rates

log = logging.getLogger("lossweights")

MAX_BYTES = 1 << 16


class KeptRates:
    """The rates of one subject on this machine, in a file of the user's cache folder.

    Args:
        subject: All that decides what is measured, but for the machine, as plain JSON values.
    """

    def __init__(self, subject: Mapping[str, Any]) -> None:
        key = digest({**subject, "machine": _machine()})[:32]
        folder = platformdirs.user_cache_path("lossweights", appauthor=False)
        self.path = folder / "rates" / f"{key}.json"

    def load(self) -> Rates | None:
        """The rates that were kept; ``None`` if there are none that can be read."""
        try:
            with self.path.open("rb") as file:
                return Rates.from_json(parse_json(file.read(MAX_BYTES + 1), max_bytes=MAX_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read, it is measured again: %s", self.path, error)
            return None

    def keep(self, rates: Rates) -> Rates:
        """Keep rates, unless another process was faster to; those that count from now on.

        Where the folder cannot be written, the log says so, and the next sweep measures again.
        """
        kept = self.load()
        if kept is not None:
            return kept
        try:
            write_atomic(self.path, dump_json(rates.to_json()))
        except StoreError as error:
            log.info("the rates are not kept, the next sweep measures again: %s", error)
        return rates


def _machine() -> dict[str, Any]:
    """What tells machines apart that train at different rates, without a GPU."""
    return {
        "processor": processor(),
        "cores": available_cores(),
        "threads": os.environ.get(THREADS, ""),
        "system": f"{platform.system()} {platform.machine()}",
    }
