"""The trainers of a sweep: built when they are needed, and the choice among them."""

from __future__ import annotations

from functools import cached_property

from lossweights.abstract import Choice
from lossweights.data import Data
from lossweights.executors.processes import available_cores
from lossweights.problem import Problem
from lossweights.training import (
    TRAINERS,
    FitTrainer,
    ReplicatedTrainer,
    Trainer,
    choose_trainer,
)

TRIALS_A_WORKER = 16  # below, importing TensorFlow again costs more than a worker saves


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
            name = self._chosen[0]
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
        """What trains so many trials fastest: a stack by itself, or a worker a core.

        A stack keeps all cores busy. Training one member after another keeps one core busy and
        hardly two, if there are trials enough to pay for starting the workers.
        """
        why = ""
        if name == "auto":
            name, why = self._chosen
        cores = available_cores()
        pays = cores > 1 and trials >= TRIALS_A_WORKER * cores and self._make(name).capacity == 1
        return Choice(name, cores if pays else 0, why)

    @cached_property
    def _chosen(self) -> tuple[str, str]:
        trainer, why = choose_trainer(self._problem, self._data)
        self._built.setdefault(trainer.name, trainer)
        return trainer.name, why
