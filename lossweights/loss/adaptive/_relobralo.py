"""ReLoBRaLo, relative loss balancing with random lookback."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossweights.base.numbers import whole_number
from lossweights.loss.adaptive._method import (
    Floats,
    Memory,
    Method,
    Seen,
    check_number,
    ratios,
    softmax,
)


@dataclass(frozen=True)
class ReLoBRaLo(Method):
    """Weights by what is left of each term, since the last epoch or the start (Bischof and Kraus).

    With ``b_k(t, u) = K softmax_k(L_k(t) / (tau L_k(u)))``::

        w_k(t) = alpha (rho w_k(t-1) + (1 - rho) b_k(t, 0)) + (1 - alpha) b_k(t, t-1)

    ``rho`` is 1 or 0 at random, so that now and then the weights look back to the start. The first
    epoch has equal weights.

    Paper: Multi-Objective Loss Balancing for Physics-Informed Deep Learning (2021), arXiv
    2110.09813. It steps every batch, tens of thousands of times, with ``alpha`` and the mean of
    ``rho`` near 1; here a step is an epoch, and the numbers are smaller.

    Args:
        alpha: How much of the past is kept, 0 to 1.
        tau: Temperature; the higher, the more equal the weights.
        rho: Probability of not looking back to the start, 0 to 1.
        seed: Of the random lookback. The same seed looks back after the same epochs.

    Raises:
        WeightError: A number is out of its bounds.
        RecipeError: The seed is no whole number of at least 0.

    >>> method = ReLoBRaLo(alpha=0.5, rho=1.0)
    >>> state = method.start({"mse": 1.0, "under": 1.0})
    >>> for mse in (8.0, 4.0):  # before the first epoch and after it
    ...     state = method.step(state, {"mse": mse, "under": 1.0})
    >>> {name: round(weight, 4) for name, weight in state.weights.items()}
    {'mse': 0.8775, 'under': 1.1225}
    """

    alpha: float = 0.9
    tau: float = 1.0
    rho: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, 0.0, 1.0, open_low=False)
        check_number("tau", self.tau, 0.0, np.inf, open_low=True)
        check_number("rho", self.rho, 0.0, 1.0, open_low=False)
        whole_number("seed", self.seed, 0)

    def formula(self, seen: Seen) -> tuple[Floats, Memory]:
        """Equal weights for one epoch, then the moving average of the two balances."""
        now = seen.magnitudes
        start = seen.memory.get("start", now)
        if not start.min() > 0:  # nothing can be compared with it: a later one is the start
            start = now
        memory = {"start": start, "last": now}
        if "last" not in seen.memory:
            return np.ones_like(now), memory
        past = seen.weights
        if not self.stays(seen.measured):
            past = self._balance(now, start)
        step = self._balance(now, seen.memory["last"])
        return self.alpha * past + (1 - self.alpha) * step, memory

    def stays(self, measured: int) -> bool:
        """Whether ``rho`` is 1 at a measurement: by the seed and its number alone."""
        return bool(np.random.default_rng((self.seed, measured)).random() < self.rho)

    def _balance(self, now: Floats, then: Floats) -> Floats:
        return len(now) * softmax(ratios(now, then) / self.tau)
