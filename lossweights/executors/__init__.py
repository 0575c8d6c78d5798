"""Executors: where trainers run. The driver hands them batches and hears what happens."""

from lossweights.executors._contract import (
    Batch,
    Ended,
    Event,
    Executor,
    Listener,
    Lost,
    Reported,
    Started,
    WorkerState,
)
from lossweights.executors._inline import InlineExecutor
from lossweights.executors._processes import ProcessExecutor

__all__ = [
    "Batch",
    "Ended",
    "Event",
    "Executor",
    "InlineExecutor",
    "Listener",
    "Lost",
    "ProcessExecutor",
    "Reported",
    "Started",
    "WorkerState",
]
