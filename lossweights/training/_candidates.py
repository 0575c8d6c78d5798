"""The trainers of a problem, each built when it is first needed."""

from __future__ import annotations

from functools import cached_property

import keras

from lossweights.data import Data
from lossweights.training._contract import Trainer
from lossweights.training._fit import FitTrainer
from lossweights.training._placed import Placed
from lossweights.training._serial import SerialTrainer
from lossweights.training._stacked import StackedTrainer
from lossweights.training.problem import Problem

TRAINERS = ("fit", "serial", "stacked")


class Candidates:
    """The trainers of a problem, each built when it is first needed, and then kept.

    Args:
        problem: What is to be trained.
        data: The data; all graphs share one copy on the device.
    """

    def __init__(self, problem: Problem, data: Data) -> None:
        self.problem, self.data = problem, data
        self._built: dict[str, Trainer] = {}

    @cached_property
    def model(self) -> keras.Model:
        """A built model of the problem."""
        return self.problem.make_model(seed=0, x=self.data.train.head(1).x)

    @cached_property
    def _placed(self) -> Placed:
        return Placed.of(self.problem, self.data, self.model)

    def get(self, name: str, members: int | None = None) -> Trainer:
        """The trainer of that name.

        Args:
            name: One of `TRAINERS`.
            members: How many members a stack is to have; by default as many as the cache holds,
                or as it had before.

        Raises:
            NotStackable: Only `model.fit` trains the problem rightly.
        """
        if name not in self._built:
            self._built[name] = self._make(name, members)
        trainer = self._built[name]
        if isinstance(trainer, StackedTrainer) and members is not None:
            trainer.resize(members)
        return trainer

    def _make(self, name: str, members: int | None) -> Trainer:
        if name == "fit":
            return FitTrainer(self.problem, self.data)
        if name == "serial":
            return SerialTrainer(self.problem, self.data, placed=self._placed)
        return StackedTrainer(self.problem, self.data, size=members, placed=self._placed)

    @property
    def fit(self) -> FitTrainer:
        """The reference trainer."""
        trainer = self.get("fit")
        assert isinstance(trainer, FitTrainer)
        return trainer

    @property
    def serial(self) -> SerialTrainer:
        """The trainer of one member after another; raises as `get` does."""
        trainer = self.get("serial")
        assert isinstance(trainer, SerialTrainer)
        return trainer

    @property
    def stacked(self) -> StackedTrainer:
        """The trainer of many members at once; raises as `get` does."""
        trainer = self.get("stacked")
        assert isinstance(trainer, StackedTrainer)
        return trainer

    def keep(self, *names: str) -> None:
        """Forget all trainers but these, and with the last graph its copy of the data."""
        self._built = {name: trainer for name, trainer in self._built.items() if name in names}
        if not {"serial", "stacked"} & set(self._built):
            self.__dict__.pop("_placed", None)
