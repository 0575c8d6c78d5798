"""What was measured of this machine, kept so that the same sweep chooses alike the next time."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from lossweights._files import canonical_json, dump_json, parse_json, write_atomic
from lossweights.cores import THREADS, available_cores
from lossweights.errors import StoreError
from lossweights.rates import Rates

log = logging.getLogger("lossweights")

MAX_BYTES = 1 << 16


def rates_key(subject: Mapping[str, Any]) -> str:
    """The name under which the rates of a subject are kept: another on another machine.

    Args:
        subject: All that decides how long a step takes, but for the machine, as plain JSON values.
    """
    return hashlib.sha256(canonical_json({**subject, "machine": _machine()})).hexdigest()[:32]


def load_rates(key: str) -> Rates | None:
    """The rates that were kept under a key; ``None`` if there are none that can be read."""
    path = _path(key)
    try:
        with path.open("rb") as file:
            return Rates.from_json(parse_json(file.read(MAX_BYTES + 1), max_bytes=MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("the rates in %s cannot be read, and are measured again: %s", path, error)
        return None


def save_rates(key: str, rates: Rates) -> None:
    """Keep rates in the user's cache folder; where that cannot be written, say so in the log."""
    try:
        write_atomic(_path(key), dump_json(rates.to_json()))
    except StoreError as error:
        log.info("the rates are not kept, the next sweep measures again: %s", error)


def _path(key: str) -> Path:
    return platformdirs.user_cache_path("lossweights", appauthor=False) / "rates" / f"{key}.json"


def _machine() -> dict[str, Any]:
    """What tells machines apart that train at different rates, without a GPU."""
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "threads": os.environ.get(THREADS, ""),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
