"""What is known of the winner of a sweep, kept in the sweep folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lossweights.base.errors import StoreError
from lossweights.base.files import write_atomic
from lossweights.base.strict_json import dump_json, parse_json

FILE = "winner.json"
BEFORE = "test.json"  # of earlier versions, which measured the winner on test data as well


@dataclass(frozen=True)
class WinnerRecord:
    """What is known of the winner: the picked trial, trained once more and saved.

    Attributes:
        val: Its metrics on validation data, empty in sweeps of earlier versions.
        remark: What whoever uses it must know, such as that it has not the numbers of its trial.
    """

    val: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""


def write_winner(folder: Path, trial: int | None, record: WinnerRecord) -> None:
    """Keep what is known of the winner: a trial, or a baseline that is none."""
    val = {name: value for name, value in record.val.items() if math.isfinite(value)}
    known = {"trial": trial, "val": val, "remark": record.remark}
    write_atomic(folder / FILE, dump_json(known))


def read_winner(folder: Path) -> WinnerRecord:
    """What is known of the winner; nothing before there is one."""
    path = next((folder / name for name in (FILE, BEFORE) if (folder / name).exists()), None)
    if path is None:
        return WinnerRecord()
    try:
        value = parse_json(path.read_bytes())
        val = {str(name): float(number) for name, number in value.get("val", {}).items()}
        return WinnerRecord(val, str(value.get("remark", "")))
    except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise StoreError(f"Expected what the winner measured in {path}. Found: {error}.") from error
