"""Trainers: they train a batch of weight sets and stream reports.

The contract is light; a trainer brings TensorFlow with it, and is imported when first named.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lossweights.training.contract import Member, ReportFunction, Trainer

if TYPE_CHECKING:
    from lossweights.training.auto import choose_trainer
    from lossweights.training.candidates import TRAINERS, Candidates
    from lossweights.training.fit import FitTrainer
    from lossweights.training.replicas import ReplicatedTrainer
    from lossweights.training.serial import SerialTrainer
    from lossweights.training.stacked import StackedTrainer

__all__ = [
    "TRAINERS",
    "Candidates",
    "FitTrainer",
    "Member",
    "ReplicatedTrainer",
    "ReportFunction",
    "SerialTrainer",
    "StackedTrainer",
    "Trainer",
    "choose_trainer",
]

_MODULES = {
    "TRAINERS": "candidates",
    "Candidates": "candidates",
    "FitTrainer": "fit",
    "ReplicatedTrainer": "replicas",
    "SerialTrainer": "serial",
    "StackedTrainer": "stacked",
    "choose_trainer": "auto",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
