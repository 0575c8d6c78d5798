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
    """What is known of the winner: the picked trial, saved as a model.

    Attributes:
        val: Its metrics on validation data, empty in sweeps of earlier versions.
        remark: What whoever uses it must know, such as that it has not the numbers of its trial.
        pick: The pick that it is.
        trial: The number of its trial, or ``None`` for a baseline that is none.
        model: ``file`` and ``sha256`` of what was saved of it; empty if nothing was.
    """

    val: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""
    pick: str = ""
    trial: int | None = None
    model: Mapping[str, str] = field(default_factory=dict)

    def model_of(self, pick: str, trial: int | None) -> Mapping[str, str]:
        """The saved model, if it is that of a pick, which may be a trial; else nothing."""
        is_it = pick == self.pick if self.trial is None else trial == self.trial
        return self.model if is_it else {}


def write_winner(folder: Path, record: WinnerRecord) -> None:
    """Keep what is known of the winner."""
    val = {name: value for name, value in record.val.items() if math.isfinite(value)}
    known = {
        "pick": record.pick,
        "trial": record.trial,
        "val": val,
        "remark": record.remark,
        "model": dict(record.model),
    }
    write_atomic(folder / FILE, dump_json(known))


def read_winner(folder: Path) -> WinnerRecord:
    """What is known of the winner; nothing before there is one."""
    path = next((folder / name for name in (FILE, BEFORE) if (folder / name).exists()), None)
    if path is None:
        return WinnerRecord()
    try:
        value = parse_json(path.read_bytes())
        val = {str(name): float(number) for name, number in value.get("val", {}).items()}
        trial, model = value.get("trial"), value.get("model", {})
        return WinnerRecord(
            val,
            str(value.get("remark", "")),
            str(value.get("pick", "")),
            None if trial is None else int(trial),
            {str(key): str(text) for key, text in model.items()},
        )
    except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise StoreError(f"Expected what the winner measured in {path}. Found: {error}.") from error
