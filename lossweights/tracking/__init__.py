"""Tracking: a sweep's record in MLflow, kept by a thread that nobody waits for."""

from lossweights.tracking._ending import Ending
from lossweights.tracking._tracker import Tracker

__all__ = ["Ending", "Tracker"]
