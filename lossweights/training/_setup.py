"""How the trials of a sweep are trained: by which trainer, where, and how many at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SetupRequest:
    """What a setup depends on, beside the problem and the machine.

    Attributes:
        trainer: Name of the trainer, or ``"auto"``.
        trials: How many trials the sweep has in all. Not how many are left: a resumed sweep goes
            on as one that never stopped.
        workers: How many processes are to train; ``None`` for the best number.
        least: The least number that is the best one.
        memory: Bytes that all processes of the sweep may hold together, or ``None`` for what is
            free.
    """

    trainer: str
    trials: int
    workers: int | None = None
    least: int = 0
    memory: int | None = None


@dataclass(frozen=True)
class TrainingSetup:
    """How trials are trained.

    Attributes:
        trainer: Name of the trainer; not ``"auto"``, so that all workers do the same.
        workers: In how many worker processes; 0 for in this one.
        members: How many members each of them trains at once; ``None`` leaves it to the trainer.
        why: Why, as the end of a line; empty if there was nothing to choose.

    >>> print(TrainingSetup("stacked", members=16, why="its layers can be stacked"))
    trainer: stacked, 16 members at once, since its layers can be stacked
    >>> print(TrainingSetup("stacked", workers=2, members=8, why="I say so"))
    trainer: stacked, 8 members at once in each of 2 worker processes, since I say so
    >>> print(TrainingSetup("serial", workers=1, members=1, why="I say so"))
    trainer: serial, in 1 worker process, since I say so
    """

    trainer: str
    workers: int = 0
    members: int | None = None
    why: str = ""

    @classmethod
    def as_requested(cls, request: SetupRequest) -> TrainingSetup:
        """The trainer that was named, in as many workers as were asked for."""
        return cls(request.trainer, request.least if request.workers is None else request.workers)

    @classmethod
    def from_json(cls, value: Any) -> TrainingSetup | None:
        """A setup from a manifest, where a person may have edited it; ``None`` if it is none."""
        try:
            setup = cls(**value)
        except TypeError:
            return None
        numbers = (setup.workers, setup.members or 0)
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
        words = isinstance(setup.trainer, str) and isinstance(setup.why, str)
        return setup if whole and words else None

    def __str__(self) -> str:
        several = self.members is not None and self.members > 1
        how = f", {self.members} members at once" if several else ""
        if self.workers == 1:
            how = f"{how or ','} in 1 worker process"
        elif self.workers:
            how = f"{how or ','} in {'each of ' if several else ''}{self.workers} worker processes"
        return f"trainer: {self.trainer}{how}, since {self.why}"
