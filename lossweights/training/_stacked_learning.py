"""Weights that are trained with the members of a stack, beside members whose weights are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from lossweights.base.sampled import Value
from lossweights.training._stacked_loss import Tensor
from lossweights.training._stacked_optimizers import StackedOptimizer
from lossweights.training.numbers import without_decay
from lossweights.training.problem import Problem
from lossweights.watch.learned import Learning, slopes, weighed, without_extras


class StackedLearning:
    """The variances of all members' terms, and the optimizer that trains them with the members.

    Args:
        problem: What is trained.
        size: How many members.

    Attributes:
        variables: All that training changes, with a leading axis of members, or scalars.
    """

    def __init__(self, problem: Problem, size: int) -> None:
        self._names = list(problem.terms)
        shape = (size, len(self._names))
        self._variances, self._sums = _new(*shape), _new(*shape)
        self._units, self._totals = _new(*shape), _new(size, 1)
        self._optimizer = StackedOptimizer(
            without_extras(problem.make_optimizer()),
            [self._variances],
            size,
            [None],
            without_decay(problem.hyper),
        )

    @property
    def variables(self) -> list[Any]:
        """What is where a training waits, or goes on in another stack."""
        own = [self._variances, self._sums, self._units, self._totals]
        return [*own, *self._optimizer.variables]

    def start(
        self, members: Sequence[Learning | None], chosen: Sequence[Mapping[str, Value]]
    ) -> None:
        """Begin anew.

        Args:
            members: Of each member, ``None`` if its weights are not trained.
            chosen: What is chosen for each member beside, such as its learning rate.
        """
        off = [0.0] * len(self._names)
        self._units.assign([off if one is None else one.row(self._names) for one in members])
        self._totals.assign([[0.0 if one is None else one.total] for one in members])
        self._variances.assign(ops.zeros_like(self._variances))
        self._optimizer.restart()
        self._optimizer.adjust(chosen)

    def begin_epoch(self) -> None:
        """Forget what was in force before, in the graph."""
        self._sums.assign(ops.zeros_like(self._sums))

    def step(self, weights: Tensor, by_weights: Tensor) -> Tensor:
        """The weights of the next step, of those whose weights are trained; in the graph.

        Args:
            weights: The effective weights of this step, shape ``(members, terms)``.
            by_weights: The gradient of each member's loss by them.
        """
        self._sums.assign_add(weights)
        units = ops.convert_to_tensor(self._units)
        slope = slopes(ops.convert_to_tensor(self._variances), units, by_weights)
        self._optimizer.apply([slope], [0])
        variances = ops.convert_to_tensor(self._variances)
        found = weighed(variances, units, ops.convert_to_tensor(self._totals))
        is_trained = ops.any(units > 0, axis=-1, keepdims=True)
        return ops.where(is_trained, found, weights)

    def in_force(self, member: int, steps: int) -> dict[str, float]:
        """The effective weights of an epoch of so many steps, the mean over them."""
        sums: NDArray[Any] = np.asarray(ops.convert_to_numpy(self._sums))[member]
        return dict(zip(self._names, (sums / steps).tolist(), strict=True))


def _new(*shape: int) -> keras.Variable:
    return keras.Variable("zeros", shape=shape, dtype=keras.config.floatx(), trainable=False)
