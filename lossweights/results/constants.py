"""What each objective is for the best constant prediction, kept in the sweep folder.

It takes the data to find out, so a report that is drawn later, without them, reads it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from lossweights.base.errors import StoreError
from lossweights.base.files import write_atomic
from lossweights.base.strict_json import dump_json, parse_json

# For each objective its ``value`` for the best constant prediction, for a ``perfect`` one, and
# ``along`` constants from low to high.
Constants: TypeAlias = Mapping[str, Mapping[str, Any]]


def write_constants(folder: Path, constants: Constants) -> None:
    """Keep what each objective is for the best constant prediction, which takes the data."""
    known = {name: dict(of) for name, of in constants.items()}
    write_atomic(folder / "constants.json", dump_json(known))


def read_constants(folder: Path) -> Constants:
    """What each objective is for the best constant prediction; empty for sweeps without it."""
    path = folder / "constants.json"
    if not path.exists():
        return {}
    try:
        return {
            str(name): {
                "value": float(known["value"]),
                "perfect": None if known["perfect"] is None else float(known["perfect"]),
                **({"along": [float(v) for v in known["along"]]} if "along" in known else {}),
            }
            for name, known in parse_json(path.read_bytes()).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise StoreError(f"Expected constants in {path}. Found: {error}.") from error
