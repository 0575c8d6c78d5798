"""The trainers of a problem, each built when it is first needed."""

from __future__ import annotations

import gc
from functools import cached_property

import keras

from lossweights.data import Data
from lossweights.training._contract import Trainer
from lossweights.training._fit import FitTrainer
from lossweights.training._placed import Placed
from lossweights.training._serial import SerialTrainer
from lossweights.training._sizes import HELD_BYTES, member_bytes
from lossweights.training._stacked import StackedTrainer
from lossweights.training._stacked_gradients import Form
from lossweights.training.problem import Problem

TRAINERS = ("fit", "serial", "stacked")


class Candidates:
    """The trainers of a problem, each built when it is first needed, and then kept.

    Those of a large model are not kept beside each other: whoever asks for one gives up the
    others. What was found out about them is kept.

    Args:
        problem: What is to be trained.
        data: The data; all graphs share one copy on the device.
        like: The trainers of the same problem on other data, if there are: what was found out about
            their graphs is so of these.
    """

    def __init__(self, problem: Problem, data: Data, like: Candidates | None = None) -> None:
        self.problem, self.data = problem, data
        self._built: dict[str, Trainer] = {}
        # What a trainer that was given up is made again with: the form of graph that was found to
        # do what Keras does, and the members of a stack.
        self._forms: dict[str, Form] = {} if like is None else like._forms
        self._members: int | None = None

    @cached_property
    def model(self) -> keras.Model:
        """A built model of the problem."""
        return self.problem.make_model(seed=0, x=self.data.train.head(1).x)

    @cached_property
    def member_bytes(self) -> int:
        """About what a training step of one member reads and writes."""
        return member_bytes(self.model, self.problem.batch_size)

    @property
    def are_large(self) -> bool:
        """Whether only one of them is held at a time."""
        return self.member_bytes > HELD_BYTES

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
            if name == "stacked":
                self._members = members = members or self._members
            placed = None if name == "fit" else self._placed
            held = self._built or "model" in self.__dict__
            if held and self.are_large:  # where nothing is held, no model is built to look at
                self._give_up()
            self._built[name] = self._make(name, members, placed)
        trainer = self._built[name]
        if isinstance(trainer, StackedTrainer) and members is not None:
            trainer.resize(members)
        return trainer

    def _make(self, name: str, members: int | None, placed: Placed | None) -> Trainer:
        if name == "fit":
            return FitTrainer(self.problem, self.data)
        form = self._forms.get(name)
        trainer: SerialTrainer | StackedTrainer
        if name == "serial":
            trainer = SerialTrainer(self.problem, self.data, placed=placed, form=form)
        else:
            trainer = StackedTrainer(
                self.problem, self.data, size=members, placed=placed, form=form
            )
        self._forms[name] = trainer.form
        return trainer

    def _give_up(self) -> None:
        """Free the memory of all trainers, and of the model that was looked at."""
        self._built.clear()
        self.__dict__.pop("model", None)
        gc.collect()  # models hold themselves in circles, and Python counts objects, not bytes

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
        if self.are_large:
            self.__dict__.pop("model", None)
            gc.collect()
