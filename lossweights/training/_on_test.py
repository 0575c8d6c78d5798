"""Test data, measured with the parameters that a member of a stack has kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from numpy.typing import NDArray

from lossweights.data import Data
from lossweights.training._sizes import HELD_BYTES
from lossweights.training.problem import Problem
from lossweights.watch.probe import Probe


class OnTest:
    """Measures parameters on the test data, in a model of its own; nothing is read before.

    A model, and not a stack: what is kept with early stopping is not what a stack ends with, and
    numbers are those of a model that somebody has made and given the parameters.

    Args:
        problem: What is trained.
        data: The data; without test data there are no metrics.
    """

    def __init__(self, problem: Problem, data: Data) -> None:
        self._problem, self._data = problem, data
        self._held: tuple[keras.Model, Probe] | None = None

    def metrics(self, parameters: Sequence[NDArray[Any]]) -> dict[str, float]:
        """Metrics on the test data by name; none where there are no test data.

        Args:
            parameters: As `Trainer.parameters` gives them.
        """
        if self._data.test is None:
            return {}
        model, probe = self._held or self._made()
        model.set_weights(parameters)
        is_large = sum(array.nbytes for array in parameters) > HELD_BYTES
        self._held = None if is_large else (model, probe)
        return probe.measure().metrics

    def _made(self) -> tuple[keras.Model, Probe]:
        problem, test = self._problem, self._data.test
        model = problem.make_model(seed=0, x=self._data.train.head(1).x)
        loss, metrics = problem.make_loss(), problem.metrics
        return model, Probe(model, loss, test.x, test.y, test.sample_weight, metrics)
