"""The weights of one member while it trains: fixed, moved by a method, or trained with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lossweights.records import EpochReport
from lossweights.training._contract import Member
from lossweights.watch.gradients import Wrt
from lossweights.watch.learned import Learning

log = logging.getLogger("lossweights")


class Weighing:
    """The effective weights that are in force in the training of one member.

    Args:
        member: The member.

    Attributes:
        weights: Effective weight of each term.
        gradients: Of what gradients the next weights need: the trainable ``"parameters"``, the
            ``"output"``, or ``None``.
        learning: What stays while the trainer trains the weights with the model, or ``None``.

    Raises:
        WeightError: The method cannot begin with the weights of the member.
    """

    def __init__(self, member: Member) -> None:
        self.weights: Mapping[str, float] = dict(member.weights)
        self.gradients: Wrt | None = None
        self.learning: Learning | None = None
        self._adaptive = member.adaptive
        if member.adaptive is None:
            return
        self.gradients = member.adaptive.method.gradients
        self._units = {name: member.adaptive.units[name] for name in member.weights}
        given = {name: weight / self._units[name] for name, weight in member.weights.items()}
        self._state = member.adaptive.method.start(given)
        self.weights = self._effective()
        if member.adaptive.method.learns:
            units = {name: self._units[name] if w else 0.0 for name, w in given.items()}
            self.learning = Learning(units, float(sum(given.values())))

    @property
    def moves(self) -> bool:
        """Whether they move after a report, by a method."""
        return self._adaptive is not None and self.learning is None

    def saw(self, weights: Mapping[str, float]) -> None:
        """Take over what was in force in an epoch, the mean over its steps, where that differs."""
        self.weights = dict(weights)

    def move(self, report: EpochReport, gram: NDArray[np.float64] | None) -> None:
        """Move the weights, by what was measured when an epoch had ended, or before the first.

        Args:
            report: The magnitudes.
            gram: The Gram matrix of the terms' unweighted gradients, shape ``(terms, terms)``, if
                `gradients` are needed.
        """
        if self._adaptive is None or self.learning is not None:
            return
        units = np.array(list(self._units.values()))
        magnitudes = {name: unit * report.train[name] for name, unit in self._units.items()}
        in_units = None if gram is None else gram * units[:, None] * units[None, :]
        self._state = self._adaptive.method.step(self._state, magnitudes, in_units)
        if self._state.kept:
            _say(self._adaptive.method.name, self._state.kept)
        self.weights = self._effective()

    def _effective(self) -> dict[str, float]:
        return {name: self._units[name] * weight for name, weight in self._state.weights.items()}


@lru_cache(maxsize=64)
def _say(method: str, why: str) -> None:
    """Warn once in a process, and not after every epoch of every seed."""
    log.warning("Where %s has no answer it keeps the weights as they are: %s.", method, why)
