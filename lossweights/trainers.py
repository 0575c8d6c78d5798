"""The trainers of a sweep: built when they are needed, and the choice among them."""

from __future__ import annotations

from functools import cached_property

import tensorflow as tf

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
# What a worker takes of the memory: TensorFlow with a small model, and the data.
WORKER_BYTES = 1 << 30
DATA_COPIES = 2  # as loaded, and as tensors


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
        """What trains so many trials fastest, 0 for any: this process, or a worker a core.

        Operations as small as those of most models that are swept keep one core busy and hardly
        two; a worker a core trains half as fast again, if there are trials enough to pay for
        starting it.
        """
        why = ""
        if name == "auto":
            trainer, why = self._chosen
            name = trainer.name
        elif not trials:
            return Choice(name)
        capacity = self._make(name).capacity
        return Choice(name, self._workers(capacity, trials), why, capacity)

    def _workers(self, capacity: int, trials: int) -> int:
        """How many worker processes train so many trials faster than this process, or 0."""
        if tf.config.list_physical_devices("GPU"):
            return 0  # a process takes all of its memory
        needed = WORKER_BYTES + DATA_COPIES * self._data.nbytes
        workers = min(available_cores(), free_bytes() // needed)
        single = capacity == 1
        enough = TRIALS_A_WORKER * workers if single else STACKS_TO_TRAIN * capacity
        return workers if workers > 1 and trials * self._seeds >= enough else 0

    @cached_property
    def _chosen(self) -> tuple[Trainer, str]:
        trainer, reason = choose_trainer(self._problem, self._data)
        self._built.setdefault(trainer.name, trainer)
        return trainer, reason
