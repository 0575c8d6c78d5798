"""How the trials of a sweep are trained: chosen when it begins, and kept, so that it goes on so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lossweights.base.machine import available_cores

if TYPE_CHECKING:
    from lossweights.store import Store


@dataclass(frozen=True)
class Choice:
    """How trials are best trained.

    Attributes:
        trainer: Name of the trainer; not ``"auto"``, so that all workers do the same.
        workers: In how many worker processes; 0 for in this one.
        members: How many members each of them trains at once; ``None`` leaves it to the trainer.
        why: Why, as the end of a line; empty if there was nothing to choose.
    """

    trainer: str
    workers: int = 0
    members: int | None = None
    why: str = ""


class Choose(Protocol):
    """Finds out how trials are best trained."""

    def __call__(self, name: str, trials: int, workers: int | None, least: int = 0) -> Choice:
        """See `lossweights.sweep._trainers.Trainers.choose`."""


@dataclass(frozen=True)
class Asked:
    """What a choice depends on, beside the sweep and the machine.

    Attributes:
        trainer: Name of the trainer, or ``"auto"``.
        trials: How many trials the sweep has in all. Not how many are left: a resumed sweep goes
            on as one that never stopped.
        workers: How many processes are to train; ``None`` for the best number.
        least: The least number that is the best one.
    """

    trainer: str
    trials: int
    workers: int | None = None
    least: int = 0


def choice_of(store: Store, choose: Choose, asked: Asked) -> Choice:
    """How the trials of a sweep are trained.

    What was chosen before stands in the manifest, and holds as long as the same is asked for on as
    many cores: timed again, or with other memory free, it might be chosen otherwise.
    """
    question = {**asdict(asked), "cores": available_cores()}
    kept = store.manifest.get("choice")
    if isinstance(kept, Mapping) and kept.get("asked") == question:
        made = _read(kept.get("made"))
        if made is not None:
            return made
    choice = choose(asked.trainer, asked.trials, asked.workers, asked.least)
    content = {"asked": question, "made": asdict(choice)}
    store.change_manifest({**store.manifest, "choice": content})
    return choice


def told(choice: Choice) -> str:
    """The line that says how trials are trained, and why.

    >>> told(Choice("stacked", members=16, why="its layers can be stacked"))
    'trainer: stacked, 16 members at once, since its layers can be stacked'
    >>> told(Choice("stacked", workers=2, members=8, why="I say so"))
    'trainer: stacked, 8 members at once in each of 2 worker processes, since I say so'
    >>> told(Choice("serial", workers=1, members=1, why="I say so"))
    'trainer: serial, in 1 worker process, since I say so'
    """
    several = choice.members is not None and choice.members > 1
    how = f", {choice.members} members at once" if several else ""
    if choice.workers == 1:
        how = f"{how or ','} in 1 worker process"
    elif choice.workers:
        how = f"{how or ','} in {'each of ' if several else ''}{choice.workers} worker processes"
    return f"trainer: {choice.trainer}{how}, since {choice.why}"


def _read(made: Any) -> Choice | None:
    """A choice from a manifest, where a person may have edited it; ``None`` if it is none."""
    try:
        choice = Choice(**made)
    except TypeError:
        return None
    numbers = (choice.workers, choice.members or 0)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
    words = isinstance(choice.trainer, str) and isinstance(choice.why, str)
    return choice if whole and words else None
