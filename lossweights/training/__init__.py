"""Trainers: they train a batch of weight sets and stream reports.

The contract is light; a trainer brings TensorFlow with it, and is imported when first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossweights.training.contract import Member, ReportFunction, Trainer

if TYPE_CHECKING:
    from lossweights.training.fit import FitTrainer

__all__ = ["FitTrainer", "Member", "ReportFunction", "Trainer"]


def __getattr__(name: str) -> Any:
    if name == "FitTrainer":
        from lossweights.training.fit import FitTrainer

        return FitTrainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
