"""Trainers: they train a batch of weight sets and stream reports."""

from lossweights.training.contract import Member, ReportFunction, Trainer
from lossweights.training.fit import FitTrainer

__all__ = ["FitTrainer", "Member", "ReportFunction", "Trainer"]
