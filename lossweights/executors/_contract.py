"""The contract of an executor: batches in, events out.

An executor knows nothing of studies, spaces or MLflow, and the driver nothing of processes or
clusters. `lossweights.testing.ExecutorContract` is the test that every executor must pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from numpy.typing import NDArray

from lossweights.records import EpochReport, Failure, TrialResult
from lossweights.training import Member, Standings

REPORT_SECONDS = 0.1  # live reports of a batch are no denser than this; its results hold them all


@dataclass(frozen=True)
class Batch:
    """Members that are trained together.

    Attributes:
        key: Names the batch in events; never used twice in a sweep.
        members: What to train.
        seconds: Time limit, or ``None``.
        rungs: Epochs at which the members wait to be told who goes on. Their reports are always
            passed on.
    """

    key: int
    members: tuple[Member, ...]
    seconds: float | None = None
    rungs: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Started:
    """The training of a batch began, in the process of that id, on that node if on another one."""

    batch: int
    pid: int
    node: str = ""


@dataclass(frozen=True)
class Reported:
    """A member of a batch finished an epoch. Reports may be left out; rungs are not."""

    batch: int
    position: int
    report: EpochReport


@dataclass(frozen=True)
class Waiting:
    """All members of a batch have got to a rung, or have ended; it waits for `Executor.go_on`.

    Attributes:
        batch: The batch's key.
        epoch: The rung.
        standings: The metrics that each member has got to, by position; ``None`` if it has
            diverged. Those that were stopped before are left out.
    """

    batch: int
    epoch: int
    standings: Standings


@dataclass(frozen=True)
class Ended:
    """A batch was trained: one result a member, with all their reports.

    Attributes:
        batch: The batch's key.
        results: In the order of the members.
        dropped: How many live reports were left out.
    """

    batch: int
    results: tuple[TrialResult, ...]
    dropped: int = 0


@dataclass(frozen=True)
class Lost:
    """A batch that has no results, and never will: why, in a word, a sentence and in detail."""

    batch: int
    failure: Failure
    reason: str
    details: str = ""


Event: TypeAlias = Started | Reported | Waiting | Ended | Lost
Listener: TypeAlias = Callable[[Event], None]


@dataclass(frozen=True)
class WorkerState:
    """A worker as `lossweights status` shows it: its process id, its batch, and its node if any."""

    pid: int
    batch: int | None
    node: str = ""


class Executor(ABC):
    """Trains batches somewhere and tells what happens to them; a context manager.

    For each submitted batch exactly one `Ended` or `Lost` is told, unless the executor is closed
    before; `Started`, `Reported` and `Waiting` come before it. A batch that waits keeps its slot. A
    worker that dies is found within a second and replaced. Batches start in the order of
    submission.

    Methods are called from one thread, except for `workers`, which may be called from any, and
    `kill`, which may be called from a signal handler.
    """

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many batches it trains at the same time."""

    @property
    @abstractmethod
    def ahead(self) -> int:
        """How many more batches should be queued, so that no slot waits for the driver."""

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many members a batch trains best; known once it has started."""

    @property
    @abstractmethod
    def trainer(self) -> str:
        """Name of the trainer that it runs; known once it has started."""

    @abstractmethod
    def start(self) -> None:
        """Get ready to train.

        Raises:
            WorkerError: The workers cannot load what they are to train.
        """

    def log_to(self, folder: Path) -> None:  # noqa: B027  where workers print nothing
        """Keep what workers print in files of a folder, with what they have printed so far.

        Called once at most, after the start: a sweep has no folder before a worker could load it.
        """

    @abstractmethod
    def submit(self, batch: Batch) -> None:
        """Queue a batch; returns at once."""

    @abstractmethod
    def poll(self, timeout: float, listener: Listener) -> None:
        """Tell the listener what has happened, waiting for at most so many seconds.

        An executor that trains in this very thread does so in here, and takes as long as it takes.

        Raises:
            WorkerError: No worker can be started any more.
        """

    @abstractmethod
    def stop(self, batch: int, positions: Sequence[int]) -> None:
        """Ask members of a batch to stop after the epoch they are in; unknown ones are ignored."""

    @abstractmethod
    def go_on(self, batch: int, epoch: int, stopped: Collection[int]) -> None:
        """Let a batch that waits at a rung go on, but for members that stop there.

        What trains in the polling thread must hear it while it is told of `Waiting`; else all of
        the batch goes on. `stop` ends waiting too. Where nothing waits it is ignored.
        """

    @abstractmethod
    def withdraw(self) -> list[int]:
        """Give up the batches that have not started; their keys. Nothing is told of them."""

    def parameters(self, member: Member) -> list[NDArray[Any]] | None:
        """What a member that was trained here ended with, if it is still held anywhere.

        For the winner, which would have to be trained again; by default nothing is held. Asked
        while nothing is queued or trained, and answered at once.

        Returns:
            Arrays for ``model.set_weights``, or ``None``.
        """
        return None

    @abstractmethod
    def workers(self) -> list[WorkerState]:
        """The workers that live at this moment."""

    @abstractmethod
    def kill(self) -> None:
        """End every worker now, whatever it does."""

    @abstractmethod
    def close(self) -> None:
        """End every worker and wait for that; batches that have not ended are given up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
