"""The weights of the loss while `model.fit` trains a member: as they are set, seen, or trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from numpy.typing import NDArray

from lossweights.loss.combined import CombinedLoss
from lossweights.training._contract import Member
from lossweights.training._weighing import Weighing
from lossweights.training.numbers import adjust, adjustable, numbers_of, without_decay
from lossweights.training.problem import Problem
from lossweights.watch.in_force import InForce
from lossweights.watch.learned import LearnedWeights


class FitWeights:
    """Sets the weights of the one loss that all members are trained with, and tells what they were.

    Args:
        model: The compiled model.
        loss: Its loss, without scales.
        problem: What is trained, with an optimizer as the model's.
        are_seen: Whether callbacks of the user's own may move weights: then they are read before
            every batch.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: CombinedLoss,
        problem: Problem,
        *,
        are_seen: bool,
    ) -> None:
        self._model, self._loss, self._problem = model, loss, problem
        self._usual, self._are_seen = without_decay(problem.hyper), are_seen
        self._seen = InForce()
        self._learned: LearnedWeights | None = None  # made when the first member needs it
        self._is_learning = False

    def start(self, member: Member, weighing: Weighing, state: Sequence[NDArray[Any]]) -> None:
        """Begin, or go on, with the weights of a member.

        Args:
            member: The member.
            weighing: Its weights.
            state: The values of `variables` where its training waits; none at its beginning.
        """
        self._seen.taken()
        self._is_learning = weighing.learning is not None
        if weighing.learning is None:
            if self._learned is not None:
                self._learned.detach()
            self._loss.set_weights(weighing.weights)
            return
        if self._learned is None:
            self._optimizer = adjustable(self._problem.make_optimizer(), self._usual)
            self._learned = LearnedWeights(self._model, self._loss, self._optimizer)
        self._learned.attach()
        self._learned.start(weighing.learning)
        for variable, value in zip(self.variables if state else [], state, strict=True):
            variable.assign(value)
        adjust(self._optimizer, numbers_of(member, self._usual))
        self._learned.tell()

    @property
    def variables(self) -> list[Any]:
        """What training changes beside the model and its optimizer."""
        return self._learned.variables if self._is_learning and self._learned is not None else []

    def look(self) -> None:
        """Note the weights that a batch is about to be trained with."""
        if self._are_seen:
            self._seen.add(self._loss.effective_weights)

    def tell(self) -> None:
        """Let callbacks read weights that are trained from the loss, after a batch."""
        if self._is_learning and self._learned is not None:
            self._learned.tell()

    def taken(self) -> Mapping[str, float] | None:
        """What was in force since the last call, the mean over the steps; ``None``: as was set."""
        seen = self._seen.taken()
        if self._is_learning and self._learned is not None:
            return self._learned.taken()
        return seen
