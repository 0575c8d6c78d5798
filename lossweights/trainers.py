"""The trainers of a sweep: built when they are needed, and the choice among them."""

from __future__ import annotations

from functools import cached_property

from lossweights.abstract import Choice
from lossweights.cores import available_cores
from lossweights.data import Data
from lossweights.problem import Problem
from lossweights.training import (
    TRAINERS,
    FitTrainer,
    ReplicatedTrainer,
    Trainer,
    choose_trainer,
)
from lossweights.training.sizes import free_bytes

# Below these, importing TensorFlow again costs more than a worker saves.
TRIALS_A_WORKER = 16
STACKS_TO_TRAIN = 4
WORKER_BYTES = 1 << 30  # of memory, for TensorFlow with a small model


class Trainers:
    """The trainers of a problem, each built when it is first needed.

    Args:
        problem: What is to be trained.
        data: The data.
        seeds: From how many seeds each member is trained.
    """

    def __init__(self, problem: Problem, data: Data, seeds: int = 1) -> None:
        self._problem, self._data, self._seeds = problem, data, seeds
        self._built: dict[str, Trainer] = {}

    def make(self, name: str) -> Trainer:
        """The trainer of that name, for so many seeds."""
        trainer = self._make(name)
        return trainer if self._seeds == 1 else ReplicatedTrainer(trainer, self._seeds)

    def _make(self, name: str) -> Trainer:
        if name == "auto":
            name = self._chosen[0].name
        if name not in self._built:
            self._built[name] = TRAINERS[name](self._problem, self._data)
        return self._built[name]

    @property
    def fit(self) -> FitTrainer:
        """The reference trainer, which trains the winner too."""
        trainer = self._make("fit")
        assert isinstance(trainer, FitTrainer)
        return trainer

    def choose(self, name: str, trials: int) -> Choice:
        """What trains so many trials fastest: this process, or a worker a core.

        Operations as small as those of most models that are swept keep one core busy and hardly
        two; a worker a core trains half as fast again, if there are trials enough to pay for
        starting it.
        """
        reason = ""
        if name == "auto":
            trainer, reason = self._chosen
            name = trainer.name
        capacity = self._make(name).capacity
        workers = self._workers(capacity, trials)
        how = f" in {workers} worker processes" if workers else _at_once(capacity)
        return Choice(name, workers, reason and f"{name}{how}, since {reason}")

    def _workers(self, capacity: int, trials: int) -> int:
        """How many worker processes train so many trials faster than this process, or 0."""
        workers = min(available_cores(), free_bytes() // WORKER_BYTES)
        single = capacity == 1
        enough = TRIALS_A_WORKER * workers if single else STACKS_TO_TRAIN * capacity
        return workers if workers > 1 and trials * self._seeds >= enough else 0

    @cached_property
    def _chosen(self) -> tuple[Trainer, str]:
        trainer, reason = choose_trainer(self._problem, self._data)
        self._built.setdefault(trainer.name, trainer)
        return trainer, reason


def _at_once(capacity: int) -> str:
    return f", {capacity} members at once" if capacity > 1 else ""
