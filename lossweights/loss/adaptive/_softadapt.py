"""SoftAdapt: what falls less counts more, by differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lossweights.base.errors import WeightError
from lossweights.base.numbers import as_number
from lossweights.loss.adaptive._method import Floats, Memory, Method, Seen, softmax

Variant = Literal["original", "normalized", "loss-weighted"]
NOTHING = 1e-8  # what keeps slopes that are all 0 from being divided by 0


@dataclass(frozen=True)
class SoftAdapt(Method):
    """Weights by how fast each term changes (Heydari, Thompson and Mehmood 2019).

    With the slope ``s_k = L_k(t) - L_k(t-1)``, one epoch apart:

    - ``"original"``: ``w_k ~ exp(beta s_k)``. It depends on the units of the terms.
    - ``"normalized"``: the same of ``s_k / (sum_j |s_j| + 1e-8)``, which does not.
    - ``"loss-weighted"``: ``w_k ~ f_k exp(beta s_k)``, ``f_k`` the mean of the two magnitudes;
      magnitudes must be above 0.

    The first epoch has equal weights.

    Paper: SoftAdapt: Techniques for Adaptive Loss Weighting of Neural Networks with Multi-Part Loss
    Functions, arXiv 1912.12355. The authors' code divides by the signed sum in "normalized", which
    turns the order round where most terms fall; here it is the sum of absolute slopes.

    Args:
        variant: One of the three.
        beta: Above 0 prefers what falls least or rises, below 0 what falls most.

    Raises:
        WeightError: There is no such variant, or ``beta`` is not finite.

    >>> method = SoftAdapt()
    >>> state = method.start({"mse": 1.0, "under": 1.0})
    >>> for mse in (8.0, 4.0):  # before the first epoch and after it
    ...     state = method.step(state, {"mse": mse, "under": 1.0})
    >>> {name: round(weight, 4) for name, weight in state.weights.items()}
    {'mse': 0.95, 'under': 1.05}
    """

    variant: Variant = "normalized"
    beta: float = 0.1

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise WeightError(
                f"Expected variant among {get_args(Variant)}. Found {self.variant!r}. "
                f"Write SoftAdapt('normalized')."
            )
        if not np.isfinite(as_number(self.beta)):
            raise WeightError(
                f"Expected beta as a finite number. Found {self.beta!r}. Leave it out for 0.1."
            )

    def formula(self, seen: Seen) -> tuple[Floats, Memory]:
        """Equal weights for one epoch, then by the difference of the last two magnitudes."""
        now, memory = seen.magnitudes, {"last": seen.magnitudes}
        if "last" not in seen.memory:
            return np.ones_like(now), memory
        before = seen.memory["last"]
        slopes = now - before
        if self.variant == "normalized":
            slopes = slopes / (np.abs(slopes).sum() + NOTHING)
        weights = softmax(self.beta * slopes)
        if self.variant == "loss-weighted":
            weights = weights * np.where((now > 0) & (before > 0), (now + before) / 2, np.nan)
        return weights, memory
