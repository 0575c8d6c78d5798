"""GradNorm: weighted gradients of equal length, longer where a term lags behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lossweights.base.errors import WeightError
from lossweights.loss.adaptive._method import (
    LEAST,
    Floats,
    Memory,
    Method,
    Seen,
    check_number,
    ratios,
)

Optimizer = Literal["adam", "sgd"]
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # of Adam


@dataclass(frozen=True)
class GradNorm(Method):
    """Weights that are trained towards gradients of balanced lengths (Chen et al. 2018).

    With ``G_k = w_k |g_k|``, its mean ``G`` over the terms, ``q_k = L_k(t) / L_k(0)`` and
    ``r_k = q_k / mean(q)``, one step of an optimizer lowers ``sum_k |G_k - G r_k^alpha|``, whose
    targets ``G r_k^alpha`` count as constants: the gradient by ``w_k`` is
    ``sign(G_k - G r_k^alpha) |g_k|``. Then the weights are brought back to their sum.

    Paper: GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks,
    arXiv 1711.02257. There ``g_k`` is that of the last shared layer and a step is taken every batch
    at a rate of 0.025; here it is that of all trainable parameters, and a step is an epoch, so that
    the usual rate is higher.

    Args:
        alpha: How strongly a term that lags behind pulls; 0 asks for equal lengths.
        rate: Learning rate of the weights, which are 1 on average.
        optimizer: ``"adam"``, whose steps do not depend on how long gradients are, or ``"sgd"``.

    Raises:
        WeightError: A number is out of its bounds, or there is no such optimizer.

    >>> method = GradNorm(rate=0.1)
    >>> state = method.start({"mse": 1.0, "under": 1.0})
    >>> state = method.step(state, {"mse": 8.0, "under": 1.0}, [[9.0, 0.0], [0.0, 1.0]])
    >>> {name: round(weight, 4) for name, weight in state.weights.items()}
    {'mse': 0.9, 'under': 1.1}
    """

    gradients = "parameters"

    alpha: float = 1.5
    rate: float = 0.1
    optimizer: Optimizer = "adam"

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, 0.0, np.inf, open_low=False)
        check_number("rate", self.rate, 0.0, np.inf, open_low=True)
        if self.optimizer not in get_args(Optimizer):
            raise WeightError(
                f"Expected optimizer among {get_args(Optimizer)}. Found {self.optimizer!r}. "
                f"Leave it out for 'adam'."
            )

    def formula(self, seen: Seen) -> tuple[Floats, Memory]:
        """One step of the optimizer, from the measurement before the first epoch on."""
        start = seen.memory.get("start", seen.magnitudes)
        if not start.min() > 0:  # nothing can be compared with it: a later one is the start
            start = seen.magnitudes
        memory = {**seen.memory, "start": start}
        lengths = seen.weights * seen.norms
        left = ratios(seen.magnitudes, start)
        target = lengths.mean() * (left / left.mean()) ** self.alpha
        slope = np.where(seen.norms > 0, np.sign(lengths - target) * seen.norms, np.nan)
        if not np.all(np.isfinite(slope)):
            return slope, memory
        step, moments = self._step(slope, seen.memory)
        # The paper does not say what a weight does that a step takes below 0.
        return np.maximum(seen.weights - step, LEAST), {**memory, **moments}

    def _step(self, slope: Floats, memory: Memory) -> tuple[Floats, Memory]:
        if self.optimizer == "sgd":
            return self.rate * slope, {}
        none = np.zeros_like(slope)
        count = memory.get("count", np.zeros(1)) + 1
        first = BETA_1 * memory.get("first", none) + (1 - BETA_1) * slope
        second = BETA_2 * memory.get("second", none) + (1 - BETA_2) * slope**2
        mean, square = first / (1 - BETA_1**count), second / (1 - BETA_2**count)
        step = self.rate * mean / (np.sqrt(square) + EPSILON)
        return step, {"count": count, "first": first, "second": second}
