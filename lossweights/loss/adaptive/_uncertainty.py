"""Uncertainty weighting, by its optimum: inverse magnitudes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossweights.loss.adaptive._method import Floats, Memory, Method, Seen


@dataclass(frozen=True)
class Uncertainty(Method):
    """Weights inverse to the magnitudes, what learned uncertainties come to (Kendall et al. 2018).

    The paper learns a variance for each term together with the model. For given magnitudes its
    optimum is known: for regression ``L / (2 s^2) + log s`` is least where ``s^2 = L``, so that
    ``w = 1 / (2 s^2) = 1 / (2 L)``; for classification ``L / s^2 + log s`` is least where
    ``s^2 = 2 L``, so that ``w = 1 / s^2 = 1 / (2 L)`` again. The sum is kept, so that what is left
    is ``w_k ~ 1 / L_k``, set anew after every epoch, and from the magnitudes before the first on.

    That optimum is where learned variances head for; on the way they lag behind. Papers: Multi-Task
    Learning Using Uncertainty to Weigh Losses, arXiv 1705.07115; the closed form: Kirchdorfer et
    al. 2024, arXiv 2408.07985.

    Magnitudes must be above 0. A term that can be lowered to almost nothing takes all the weight in
    the end.

    >>> method = Uncertainty()
    >>> state = method.start({"mse": 1.0, "under": 1.0})
    >>> method.step(state, {"mse": 3.0, "under": 1.0}).weights
    {'mse': 0.5, 'under': 1.5}
    """

    def formula(self, seen: Seen) -> tuple[Floats, Memory]:
        """One over each magnitude."""
        return np.where(seen.magnitudes > 0, 1 / seen.magnitudes, np.nan), {}
