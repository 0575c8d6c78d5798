"""Tracking: a sweep's record in MLflow, kept by a thread that nobody waits for."""

from lossweights.tracking.ending import Ending
from lossweights.tracking.tracker import Tracker

__all__ = ["Ending", "Tracker"]
