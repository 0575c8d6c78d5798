"""Uncertainty weighting: inverse magnitudes, by their optimum or learned with the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossweights.base.errors import WeightError
from lossweights.loss.adaptive._method import Floats, Memory, Method, Seen


@dataclass(frozen=True)
class Uncertainty(Method):
    """Weights by the uncertainty of each term (Kendall, Gal and Cipolla 2018).

    The paper learns a variance for each term together with the model, from the sum of
    ``L / (2 s^2) + log s``. For given magnitudes its optimum is known: that is least where
    ``s^2 = L``, so that ``w = 1 / (2 s^2) = 1 / (2 L)``; for classification ``L / s^2 + log s`` is
    least where ``s^2 = 2 L``, so that ``w = 1 / s^2 = 1 / (2 L)`` again. The sum is kept, so that
    what is left is ``w_k ~ 1 / L_k``, set anew after every epoch, and from the magnitudes before
    the first on.

    That optimum is where learned variances head for; on the way they lag behind. With ``learned``
    they are: each term has ``v = log s^2``, 0 at the start, and after every batch the optimizer of
    the model takes a step down its slope ``(1 - exp(-v) L) / 2``, at its own learning rate, without
    clipping or decay, which are for the parameters of a model. The terms are weighed by
    ``w_k ~ exp(-v_k)``, of the sum that is kept, so that a learning rate goes on meaning the same;
    the paper lets it grow or shrink. A batch of a magnitude below 0 has no slope.

    Papers: Multi-Task Learning Using Uncertainty to Weigh Losses, arXiv 1705.07115; the closed
    form: Kirchdorfer et al. 2024, arXiv 2408.07985.

    Magnitudes must be above 0. A term that can be lowered to almost nothing takes all the weight in
    the end.

    Args:
        learned: Whether the variances are trained with the model (TensorFlow backend), and not at
            their optimum from epoch to epoch.

    >>> method = Uncertainty()
    >>> state = method.start({"mse": 1.0, "under": 1.0})
    >>> method.step(state, {"mse": 3.0, "under": 1.0}).weights
    {'mse': 0.5, 'under': 1.5}
    >>> Uncertainty(learned=True).name
    'uncertainty-learned'
    """

    learned: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.learned, bool):
            raise WeightError(
                f"Expected learned as True or False. Found {self.learned!r}. Leave it out for the "
                f"optimum in closed form."
            )

    @property
    def name(self) -> str:
        """``"uncertainty"``, and ``"uncertainty-learned"`` of learned ones: both can be raced."""
        return "uncertainty-learned" if self.learned else "uncertainty"

    @property
    def learns(self) -> bool:
        """Whether the variances are trained with the model."""
        return self.learned

    def formula(self, seen: Seen) -> tuple[Floats, Memory]:
        """One over each magnitude."""
        return np.where(seen.magnitudes > 0, 1 / seen.magnitudes, np.nan), {}
