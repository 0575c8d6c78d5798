"""Early stopping on a metric that no weight enters, with the parameters of the best epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lossweights.base.errors import RecipeError
from lossweights.base.numbers import as_number, whole_number
from lossweights.records import EpochReport


@dataclass(frozen=True)
class EarlyStopping:
    """When a training ends before its last epoch, and which epoch's parameters it keeps.

    As Keras' callback of this name with ``restore_best_weights=True``, on a metric of the
    validation data. The loss cannot be watched: with other weights it is another quantity.

    A metric may be undefined (NaN) for some epochs, as a boundary distance is while a model still
    predicts empty masks. Waiting begins with the first epoch that has a value; until then the
    latest epoch is the one that is kept.

    Args:
        metric: Name of one of the metrics.
        direction: ``"minimize"`` or ``"maximize"``.
        patience: Epochs without an improvement after which the training ends.
        min_delta: What an epoch must be better by than the best one to count as an improvement.

    Raises:
        RecipeError: The direction is another word, or a number is out of range.

    >>> stopping = EarlyStopping("rmse", patience=2)
    >>> [stopping.is_better(value, 1.0) for value in (0.9, 1.0, float("nan"))]
    [True, False, False]
    """

    metric: str
    direction: Literal["minimize", "maximize"] = "minimize"
    patience: int = 5
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        if self.direction not in ("minimize", "maximize"):
            raise RecipeError(
                f"Expected the direction 'minimize' or 'maximize'. Found {self.direction!r}."
            )
        delta = as_number(self.min_delta)
        if not 0.0 <= delta < math.inf:
            raise RecipeError(f"Expected min_delta of 0 or above. Found {self.min_delta!r}.")
        object.__setattr__(self, "patience", whole_number("patience", self.patience, 1))
        object.__setattr__(self, "min_delta", delta)

    def __str__(self) -> str:
        delta = f" by {self.min_delta:g}" if self.min_delta else ""
        return f"{self.direction} {self.metric}{delta}, patience {self.patience}"

    def is_better(self, value: float, best: float) -> bool:
        """Whether a value improves on the best so far; one that is not finite never does."""
        if not math.isfinite(value):
            return False
        if self.direction == "minimize":
            return value < best - self.min_delta
        return value > best + self.min_delta


class BestEpoch:
    """The best epoch of one training so far, and whether it is time to stop.

    Args:
        stopping: The rule.

    Attributes:
        epoch: The best epoch, or ``None`` before the first.
    """

    def __init__(self, stopping: EarlyStopping) -> None:
        self._stopping = stopping
        self.epoch: int | None = None
        self._worst = math.inf if stopping.direction == "minimize" else -math.inf
        self._best = self._worst
        self._waited = 0

    def add(self, report: EpochReport) -> bool:
        """Take up a report; whether its epoch is the best so far. Epoch 0 does not count."""
        if report.epoch == 0:
            return False
        value = report.metrics[self._stopping.metric]
        if self._stopping.is_better(value, self._best):
            self.epoch, self._best, self._waited = report.epoch, value, 0
            return True
        if self._best == self._worst:  # no epoch had a value yet: none is better than the latest
            self.epoch = report.epoch
            return True
        self._waited += 1
        return False

    @property
    def is_over(self) -> bool:
        """Whether there was no improvement for as long as the rule waits."""
        return self._waited >= self._stopping.patience
