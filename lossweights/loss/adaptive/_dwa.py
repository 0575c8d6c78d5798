"""DWA, dynamic weight average: what falls slower counts more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
class DWA(Method):
    """Weights by how much of each term the last epoch left (Liu, Johns and Davison 2019, eq. 7).

    ``w_k(t) = K softmax_k(r_k(t-1) / T)`` with ``r_k(t-1) = L_k(t-1) / L_k(t-2)``, the magnitudes
    after the last epoch and the one before it. The first two epochs have equal weights. With the
    ratios near 1 of most trainings the weights stay near equal: that is the method.

    Paper: End-to-End Multi-Task Learning with Attention, arXiv 1803.10704.

    Args:
        temperature: ``T``; the higher, the more equal the weights.

    Raises:
        WeightError: The temperature is not above 0.

    >>> method = DWA()
    >>> state = method.start({"mse": 1.0, "under": 1.0})
    >>> for mse in (8.0, 4.0, 2.0):  # before the first epoch, after it, after the second
    ...     state = method.step(state, {"mse": mse, "under": 1.0})
    >>> {name: round(weight, 4) for name, weight in state.weights.items()}
    {'mse': 0.8756, 'under': 1.1244}
    """

    temperature: float = 2.0

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, 0.0, np.inf, open_low=True)

    def formula(self, seen: Seen) -> tuple[Floats, Memory]:
        """Equal weights for two epochs, then by the ratio of the last two magnitudes."""
        memory = {"last": seen.magnitudes}
        # The first measurement is from before the training, which the paper does not look at.
        if seen.measured < 2 or "last" not in seen.memory:
            return np.ones_like(seen.magnitudes), memory
        return softmax(ratios(seen.magnitudes, seen.memory["last"]) / self.temperature), memory
