"""The weights of one member while it trains: fixed, on a ramp, moved by a method, or trained."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lossweights.loss.weights import FLOAT32_TINY
from lossweights.records import EpochReport
from lossweights.search.distributions import Ramp
from lossweights.training._contract import Member
from lossweights.watch.gradients import Wrt
from lossweights.watch.learned import Learning

log = logging.getLogger("lossweights")


class Weighing:
    """The effective weights that are in force in the training of one member.

    Args:
        member: The member.
        ramps: How weights of fixed members change over the epochs, by term.

    Attributes:
        weights: Effective weight of each term.
        gradients: Of what gradients the next weights need: the trainable ``"parameters"``, the
            ``"output"``, or ``None``.
        learning: What stays while the trainer trains the weights with the model, or ``None``.

    Raises:
        WeightError: The method cannot begin with the weights of the member.
    """

    def __init__(self, member: Member, ramps: Mapping[str, Ramp] | None = None) -> None:
        self.weights: Mapping[str, float] = dict(member.weights)
        self.gradients: Wrt | None = None
        self.learning: Learning | None = None
        self._adaptive = member.adaptive
        self._ramps = dict(ramps or {}) if member.adaptive is None else {}
        if member.adaptive is None:
            self._full = dict(member.weights)
            if self._ramps:
                self._climb(0)
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
        """Whether they move after a report, on a ramp or by a method."""
        by_method = self._adaptive is not None and self.learning is None
        return by_method or bool(self._ramps)

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
        if self._ramps:
            self._climb(report.epoch)
        if self._adaptive is None or self.learning is not None:
            return
        units = np.array(list(self._units.values()))
        magnitudes = {name: unit * report.train[name] for name, unit in self._units.items()}
        in_units = None if gram is None else gram * units[:, None] * units[None, :]
        self._state = self._adaptive.method.step(self._state, magnitudes, in_units)
        if self._state.kept:
            _say(self._adaptive.method.name, self._state.kept)
        self.weights = self._effective()

    def _climb(self, epoch: int) -> None:
        """Have the weights of an epoch in force, counted from 0."""
        found = {
            name: weight * (self._ramps[name].factor(epoch) if name in self._ramps else 1.0)
            for name, weight in self._full.items()
        }
        self.weights = {name: 0.0 if w < FLOAT32_TINY else w for name, w in found.items()}

    def _effective(self) -> dict[str, float]:
        return {name: self._units[name] * weight for name, weight in self._state.weights.items()}


@lru_cache(maxsize=64)
def _say(method: str, why: str) -> None:
    """Warn once in a process, and not after every epoch of every seed."""
    log.warning("Where %s has no answer it keeps the weights as they are: %s.", method, why)
