"""Executors: where trainers run. The driver hands them batches and hears what happens.

`Executor` is the contract, with `Batch`, `WorkerState` and what a `Listener` hears: the `Event`
`Started`, `Reported`, `Waiting`, `Ended` or `Lost`; `lossweights.testing.ExecutorContract` is the
test.
`InlineExecutor` trains in this process, `ProcessExecutor` in workers of this machine, whose side of
the pipe is `serve`, with what they have `Loaded`, or `CannotLoad`; they are forked from a
`Forkserver`, whose side is `serve_forks`, where the system has what that takes. `RayExecutor`
trains on the nodes of a `RayCluster`, in as many `Slots` as `slots_of` makes of each `Node`;
`shipped_folder` goes along, `refuse_without_ray` says where there can be none. `ReportLimit` says
how many live reports pass.
`refuse_in_worker` keeps a worker, which imports its script, from running the sweep in there;
`shared_gpus` keeps this process from taking all memory of the graphics cards.
"""

from lossweights.executors._contract import (
    Batch,
    Ended,
    Event,
    Executor,
    Listener,
    Lost,
    Reported,
    Started,
    Waiting,
    WorkerState,
)
from lossweights.executors._environment import refuse_in_worker, shared_gpus
from lossweights.executors._forking import serve_forks
from lossweights.executors._forkserver import Forkserver
from lossweights.executors._inline import InlineExecutor
from lossweights.executors._limit import ReportLimit
from lossweights.executors._processes import ProcessExecutor
from lossweights.executors._ray import RayExecutor
from lossweights.executors._ray_cluster import RayCluster, refuse_without_ray
from lossweights.executors._ray_folder import shipped_folder
from lossweights.executors._ray_slots import Node, Slots, slots_of
from lossweights.executors._serve import Loaded, serve
from lossweights.executors._supervisor import CannotLoad

__all__ = [
    "Batch",
    "CannotLoad",
    "Ended",
    "Event",
    "Executor",
    "Forkserver",
    "InlineExecutor",
    "Listener",
    "Loaded",
    "Lost",
    "Node",
    "ProcessExecutor",
    "RayCluster",
    "RayExecutor",
    "ReportLimit",
    "Reported",
    "Slots",
    "Started",
    "Waiting",
    "WorkerState",
    "refuse_in_worker",
    "refuse_without_ray",
    "serve",
    "serve_forks",
    "shared_gpus",
    "shipped_folder",
    "slots_of",
]
