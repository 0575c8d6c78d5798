"""Trainers: they train a batch of weight sets and stream reports.

The contract is light; a trainer brings TensorFlow with it, and is imported when first named.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lossweights.training._contract import Member, ReportFunction, Trainer

if TYPE_CHECKING:
    from lossweights.training._auto import choose_trainer
    from lossweights.training._candidates import TRAINERS, Candidates
    from lossweights.training._fit import FitTrainer
    from lossweights.training._replicas import ReplicatedTrainer
    from lossweights.training._serial import SerialTrainer
    from lossweights.training._stacked import StackedTrainer

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
    "TRAINERS": "_candidates",
    "Candidates": "_candidates",
    "FitTrainer": "_fit",
    "ReplicatedTrainer": "_replicas",
    "SerialTrainer": "_serial",
    "StackedTrainer": "_stacked",
    "choose_trainer": "_auto",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
