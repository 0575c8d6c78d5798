"""A worker as its supervisor holds it: a process of this machine, or of another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from lossweights.executors._kept import Parameters
from lossweights.training import Member


class Worker(Protocol):
    """A process that has been told what to load, and trains what it is sent."""

    @property
    def pid(self) -> int:
        """Its process id, where it is; 0 before there is one."""

    @property
    def node(self) -> str:
        """The machine that it is on; empty for this one."""

    def send(self, say: str, **content: Any) -> None:
        """Send a message; from any thread.

        Raises:
            OSError: It is gone.
        """

    def hear(self) -> Mapping[str, Any]:
        """Wait for its next message.

        Raises:
            EOFError, OSError: It is gone.
            WorkerError: It sent something else than a message.
        """

    def parameters(self, member: Member) -> Parameters | None:
        """What a member ended with, if it still has it and can tell; asked between batches.

        Raises:
            EOFError, OSError: It is gone, or does not answer.
            WorkerError: It sent something else.
        """

    def log_to(self, log: Path) -> None:
        """Have what it prints appended to a file, with what it has printed so far.

        Raises:
            OSError: It is gone.
        """

    def kill(self) -> None:
        """End it now; from a signal handler too."""

    def terminate(self) -> None:
        """End it, softly if it lets us."""

    def end(self) -> tuple[str, str]:
        """Let an idle one end, and wait for that; how it ended, and the last that it wrote."""


# Given its log, if that is known, and whether it compiles while there is no batch for it yet.
StartWorker = Callable[[Path | None, bool], Worker]
