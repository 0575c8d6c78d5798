"""The serial trainer: members one after another, in one compiled graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from lossweights.data import Data
from lossweights.records import TrialResult
from lossweights.training._contract import NO_HALTS, Halts, Member, ReportFunction, Trainer
from lossweights.training._placed import Placed
from lossweights.training._stacked import StackedTrainer
from lossweights.training._stacked_gradients import Form
from lossweights.training.problem import Problem


class SerialTrainer(Trainer):
    """Trains one member after another, each epoch a single call of one compiled graph.

    For models whose operations do not take parameters of several members at once: convolutions
    over images, above all. It saves what `model.fit` spends between the steps, and computes the
    same. It is a stack of one, in which nothing needs to be vectorised. A member that chose another
    model than the one before it has a graph of its own, which is compared with Keras as the first.

    Args:
        problem: What is trained.
        data: The data.
        placed: The data on the device, if they are there already.
        form: The form of the graph, if it is known which one agrees with Keras.

    Raises:
        NotStackable: Only `model.fit` trains the model rightly; the message says why.
    """

    name = "serial"

    def __init__(
        self,
        problem: Problem,
        data: Data,
        *,
        placed: Placed | None = None,
        form: Form | None = None,
    ) -> None:
        self._problem, self._data = problem, data
        self._now = problem.of({})
        self._placed = placed
        self._single = self._of(self._now, form)
        self._last = 0

    def _of(self, problem: Problem, form: Form | None = None) -> StackedTrainer:
        """What trains the model that a problem has now."""
        one = replace(problem, models={})
        return StackedTrainer(one, self._data, size=1, placed=self._placed, form=form)

    @property
    def capacity(self) -> int:
        """One: members are trained one after another."""
        return 1

    @property
    def form(self) -> Form:
        """The form of the graph."""
        return self._single.form

    def warm_up(self) -> None:
        """Compile the graph of the one model that there is."""
        if not self._problem.models:
            self._single.warm_up()

    def train(
        self, members: Sequence[Member], report: ReportFunction, halts: Halts = NO_HALTS
    ) -> list[TrialResult]:
        """Train the members one after another, from halt to halt; see `Trainer.train`.

        Raises:
            ValueError: There are halts, at which members of models of their own would wait.
            NotStackable: Only `model.fit` trains the model that a member chose rightly.
        """
        if not self._problem.models:
            results = self._single.train(members, report, halts)
        elif halts.at:
            raise ValueError("Expected no halts where models differ. Found both.")
        else:
            results = [self._train_one(*each, report) for each in enumerate(members)]
        return [replace(result, trainer=self.name) for result in results]

    def _train_one(self, place: int, member: Member, report: ReportFunction) -> TrialResult:
        """Train a member with the model that it chose."""
        problem = self._problem.of(member.chosen)
        if problem.hp != self._now.hp:
            self._now, self._single = problem, self._of(problem)
        self._last = place
        return self._single.train([member], lambda _, told: report(place, told))[0]

    def parameters(self, position: int) -> list[NDArray[Any]]:
        """The parameters that the last member ended with; see `Trainer.parameters`."""
        if not self._problem.models:
            return self._single.parameters(position)
        if position != self._last:
            raise LookupError(f"Expected the last member, {self._last}. Found {position}.")
        return self._single.parameters(0)

    def seconds_a_step(self, steps: int) -> float:
        """How long a training step takes, measured in at most so many of them."""
        return self._single.seconds_a_step(steps)
