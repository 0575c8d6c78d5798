"""What is known of the winner of a sweep, kept in the sweep folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lossweights.base.errors import StoreError
from lossweights.base.files import write_atomic
from lossweights.base.strict_json import dump_json, parse_json


@dataclass(frozen=True)
class WinnerRecord:
    """What is known of the winner: the picked trial, trained once more and saved.

    Attributes:
        test: Its metrics on test data, empty if there are none.
        val: Its metrics on validation data, empty in sweeps of earlier versions.
        remark: What whoever uses it must know, such as that it has not the numbers of its trial.
    """

    test: Mapping[str, float] = field(default_factory=dict)
    val: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""


def write_winner(folder: Path, trial: int | None, record: WinnerRecord) -> None:
    """Keep what is known of the winner: a trial, or a baseline that is none."""
    test, val = ({k: v for k, v in metrics.items() if math.isfinite(v)}
                 for metrics in (record.test, record.val))  # fmt: skip
    known = {"trial": trial, "metrics": test, "val": val, "remark": record.remark}
    write_atomic(folder / "test.json", dump_json(known))


def read_winner(folder: Path) -> WinnerRecord:
    """What is known of the winner; nothing before there is one."""
    path = folder / "test.json"
    if not path.exists():
        return WinnerRecord()
    try:
        value = parse_json(path.read_bytes())
        test, val = (
            {str(k): float(v) for k, v in metrics.items()}
            for metrics in (value["metrics"], value.get("val", {}))
        )
        return WinnerRecord(test, val, str(value.get("remark", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise StoreError(f"Expected what the winner measured in {path}. Found: {error}.") from error
