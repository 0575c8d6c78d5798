"""Training: a problem, and the trainers that train a batch of weight sets and stream reports.

Light, and there at once: `Trainer`, the contract of every trainer, with `Member`, `Adaptive`, how a
member's weights move, `ReportFunction`, `Halts` (`NO_HALTS` is none) and `Standings`;
`TrainingSetup`, how the trials of a sweep are trained, and `SetupRequest`, what that depends on.
The others bring TensorFlow, and are imported when first named: `Trainers`, which builds the
trainers of a problem and chooses; `FitTrainer`, `SerialTrainer`, `StackedTrainer` and, for several
seeds, `ReplicatedTrainer`; `TRAINERS`, their names; `NotStackable`, why one of them would not train
rightly; `IMPORTS` are their modules. Other doors:

- `problem`: `Problem`, what stays the same from trial to trial, and its rehearsal;
- `optimizer`: a fresh optimizer, set as another one, and its description;
- `settings`: what Keras and TensorFlow are set to for the whole process;
- `threads`: as many of TensorFlow as a quota leaves cores;
- `early_stopping`: `EarlyStopping`, when a training ends before its last epoch;
- `aside`: a few training steps of a model that is put back as it was;
- `numbers`: the numbers of an optimizer that each member may have for itself;
- `factor`: whether an optimizer sees a common factor of all weights;
- `estimate`, `timing`: how long a sweep trains, from what a step takes;
- `order`: in which order an epoch visits the rows, for whoever wants to train the same.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lossweights.training._contract import (
    NO_HALTS,
    Adaptive,
    Halts,
    Member,
    ReportFunction,
    Standings,
    Trainer,
)
from lossweights.training._setup import SetupRequest, TrainingSetup

if TYPE_CHECKING:
    from lossweights.training._candidates import TRAINERS
    from lossweights.training._fit import FitTrainer
    from lossweights.training._replicas import ReplicatedTrainer
    from lossweights.training._serial import SerialTrainer
    from lossweights.training._stackable import NotStackable
    from lossweights.training._stacked import StackedTrainer
    from lossweights.training._trainers import Trainers

__all__ = [
    "IMPORTS",
    "NO_HALTS",
    "TRAINERS",
    "Adaptive",
    "FitTrainer",
    "Halts",
    "Member",
    "NotStackable",
    "ReplicatedTrainer",
    "ReportFunction",
    "SerialTrainer",
    "SetupRequest",
    "StackedTrainer",
    "Standings",
    "Trainer",
    "Trainers",
    "TrainingSetup",
]

_MODULES = {
    "TRAINERS": "_candidates",
    "FitTrainer": "_fit",
    "NotStackable": "_stackable",
    "ReplicatedTrainer": "_replicas",
    "SerialTrainer": "_serial",
    "StackedTrainer": "_stacked",
    "Trainers": "_trainers",
}
IMPORTS = tuple(f"{__name__}.{module}" for module in _MODULES.values())


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
