"""At which ratio of two weights the one term overtakes the other: a threshold with uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

MINIMUM_TRIALS = 6  # fewer say nothing about a threshold
DECIDED_BY_RATIO = 0.75  # of the trials on the right side of it; otherwise something else decides
RESAMPLES = 400
_STEPS = 30  # of Newton's method
_LONGEST_STEP = 3.0  # on standardised ratios, where a steep slope is about 10
_RIDGE = 1e-6

Kind = Literal["flips", "first leads", "second leads", "unclear"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Which of two terms supplies more of the decrease, by the ratio of their weights.

    Attributes:
        first: The term that leads at small ratios.
        second: The term whose weight is above the line of the ratio, ``w_second / w_first``.
        kind: ``"flips"`` where there is a ratio; ``"first leads"`` or ``"second leads"`` if that
            term did at every ratio tried; ``"unclear"`` if the ratio alone does not decide it, or
            there are too few trials.
        ratio: Ratio of the weights at which both supply as much; ``None`` without one.
        low: 2.5 % bound of the ratio, by resampling the trials. What another seed of training
            would change is in it only if the trials had several.
        high: 97.5 % bound.
        tried: Smallest and largest ratio tried.
        trials: How many trials that rests on.
    """

    first: str
    second: str
    kind: Kind
    ratio: float | None
    low: float | None
    high: float | None
    tried: tuple[float, float] | None
    trials: int

    @property
    def sentence(self) -> str:
        """The flip for a person."""
        if self.kind == "flips":
            return (
                f"{self.second} overtakes {self.first} at {self.ratio:.3g} times its weight "
                f"(95 %: {self.low:.3g} to {self.high:.3g})."
            )
        if self.kind == "unclear" or self.tried is None:
            return f"Between {self.first} and {self.second} their ratio alone does not decide."
        ahead, behind = (
            (self.first, self.second) if self.kind == "first leads" else (self.second, self.first)
        )
        low, high = self.tried
        return f"{ahead} led {behind} at every ratio tried ({low:.2g} to {high:.2g})."

    def to_json(self) -> dict[str, Any]:
        """The flip as plain JSON values."""
        values = {name: getattr(self, name) for name in ("first", "second", "kind", "ratio")}
        tried = None if self.tried is None else list(self.tried)
        return {**values, "low": self.low, "high": self.high, "tried": tried, "trials": self.trials}


def find_flip(
    first: str, second: str, weights: ArrayLike, decrease: ArrayLike, seed: int = 0
) -> Flip:
    """The ratio of two weights at which the second term starts to supply more than the first.

    Of what the two terms take off the loss, the part of the second follows a logistic curve over
    the logarithm of the ratio of their weights: exactly so if what each takes off unweighted is the
    same in all trials. The curve is fitted as in Papke and Wooldridge, "Econometric methods for
    fractional response variables" (Journal of Applied Econometrics 1996); where it is one half is
    the ratio, and refitting on resampled trials gives the bounds.

    Args:
        first: Name of the first term.
        second: Name of the second.
        weights: Both weights in each trial, shape ``(trials, 2)``. Trials with a zero are left out.
        decrease: Both decrease shares, shape ``(trials, 2)``. Trials with NaN, or in which neither
            term took anything off, are left out.
        seed: Seed of the resampling.

    >>> ratios = np.logspace(-2, 2, 21)
    >>> weights = np.stack([np.ones(21), ratios], axis=1)
    >>> flip = find_flip("mse", "under", weights, weights * [5.0, 1.0])
    >>> flip.kind, round(flip.ratio, 2)
    ('flips', 5.0)
    """
    w = np.asarray(weights, dtype=np.float64).reshape(-1, 2)
    d = np.asarray(decrease, dtype=np.float64).reshape(-1, 2)
    gains = np.maximum(d, 0.0)
    usable = (w > 0).all(axis=1) & np.isfinite(d).all(axis=1) & (gains.sum(axis=1) > 0)
    x = np.log(w[usable, 1]) - np.log(w[usable, 0])
    part = gains[usable, 1] / gains[usable].sum(axis=1)
    leads = part > 0.5
    n = len(x)
    tried = (float(np.exp(x.min())), float(np.exp(x.max()))) if n else None

    def without(kind: Kind) -> Flip:
        return Flip(
            first=first, second=second, kind=kind, ratio=None, low=None, high=None,
            tried=tried, trials=n,
        )  # fmt: skip

    if n < MINIMUM_TRIALS:
        return without("unclear")
    if leads.all() or not leads.any():
        return without("second leads" if leads.all() else "first leads")
    if np.ptp(x) == 0:
        return without("unclear")
    at = float(_midpoints(x[None], part[None])[0])
    if not x.min() < at < x.max():  # beyond what was tried nobody knows
        return without("unclear")
    if not np.mean(leads == (x > at)) >= DECIDED_BY_RATIO:
        return without("unclear")
    chosen = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    resampled = _midpoints(x[chosen], part[chosen])
    # A resample without one of the sides has its midpoint anywhere beyond the ratios tried.
    low, high = np.quantile(np.clip(resampled, x.min(), x.max()), [0.025, 0.975])
    return Flip(
        first=first, second=second, kind="flips", ratio=float(np.exp(at)),
        low=float(np.exp(min(low, at))), high=float(np.exp(max(high, at))),
        tried=tried, trials=n,
    )  # fmt: skip


def _midpoints(x: Floats, y: Floats) -> Floats:
    """Where logistic curves are one half: ``(fits,)``, for ``x`` and ``y`` of ``(fits, trials)``.

    Newton's method for all fits at once, with a ridge that keeps the slope finite where one side
    of the ratio has nothing but zeros and the other nothing but ones.
    """
    centre, spread = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
    spread = np.where(spread > 0, spread, 1.0)
    z = (x - centre) / spread
    design = np.stack([np.ones_like(z), z], axis=2)
    beta = np.zeros((len(x), 2))
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(np.einsum("fnk,fk->fn", design, beta), -35, 35)))
        information = np.einsum("fn,fnj,fnk->fjk", p * (1.0 - p), design, design)
        score = np.einsum("fnk,fn->fk", design, y - p) - _RIDGE * beta
        step = np.linalg.solve(information + _RIDGE * np.eye(2), score[..., None])[..., 0]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        beta += step * np.minimum(1.0, _LONGEST_STEP / np.maximum(length, 1e-12))
        if length.max() < 1e-9:
            break
    slope = np.maximum(beta[:, 1], 1e-6)  # a falling curve has its half out of reach
    at: Floats = -beta[:, 0] / slope * spread[:, 0] + centre[:, 0]
    return at
