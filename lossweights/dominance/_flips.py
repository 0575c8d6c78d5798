"""At which ratio of two weights one term overtakes the other: a bracket of tried ratios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossweights.dominance._crossing import Bracket, crossing

MINIMUM_TRIALS = 6  # fewer say nothing about a threshold
ALL_OF_IT = 1e-3  # a part so near to none or all is as good as that; its logit is finite

Kind = Literal["flips", "first leads", "second leads", "unclear"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Which of two terms supplies more of the decrease, by the ratio of their weights.

    Attributes:
        first: The term that leads at small ratios.
        second: The term whose weight is above the line of the ratio, ``w_second / w_first``.
        kind: ``"flips"`` where there is a ratio; ``"first leads"`` or ``"second leads"`` if that
            term did at every ratio tried; ``"unclear"`` if the trials do not show that the ratio
            decides it, or there are too few of them.
        ratio: The likeliest ratio of the weights at which both supply as much; ``None`` without
            one.
        low: A ratio that was tried, below which the first term leads.
        high: A ratio that was tried, above which the second term leads. With one seed ``low`` and
            ``high`` hold the ratio of that seed in 95 of 100 sweeps; with several seeds they hold
            the bracket of each.
        tried: Smallest and largest ratio tried.
        trials: How many trials that rests on.
        seeds: How many seeds of each trial are in it. With one, ``low`` and ``high`` do not hold
            what another seed would change.
        relative: Whether the weights are relative to reference scales; else they are as given.
        of: How many trials there were with both weights above 0; in those beside `trials` it could
            not be told who led, since they diverged, say, or neither term took anything off.
    """

    first: str
    second: str
    kind: Kind
    ratio: float | None
    low: float | None
    high: float | None
    tried: tuple[float, float] | None
    trials: int
    seeds: int = 1
    relative: bool = False
    of: int | None = None

    @property
    def sentence(self) -> str:
        """The flip for a person."""
        if self.kind == "unclear" or self.tried is None:
            return f"Between {self.first} and {self.second} their ratio alone does not decide."
        ratio = f"weight({self.second})/weight({self.first})"
        weights = "relative to the reference scales" if self.relative else "as given"
        if self.kind == "flips":
            seeds = (
                f"bracket over {self.seeds} seeds"
                if self.seeds > 1
                else "95 % bracket of one seed, another may move it"
            )
            return (
                f"{self.second} overtakes {self.first} where {ratio} is between {self.low:.3g} and "
                f"{self.high:.3g} ({seeds}; weights {weights})."
            )
        ahead, behind = (
            (self.first, self.second) if self.kind == "first leads" else (self.second, self.first)
        )
        low, high = self.tried
        some = self.of is not None and self.of > self.trials
        where = f" in the {self.trials} of {self.of} trials that show a leader" if some else ""
        return (
            f"{ahead} leads {behind} at every ratio tried ({low:.2g} to {high:.2g}){where}; the "
            f"ratio is {ratio}, weights are {weights}."
        )

    def to_json(self) -> dict[str, Any]:
        """The flip as plain JSON values."""
        return {**vars(self), "tried": None if self.tried is None else list(self.tried)}


def find_flip(
    first: str,
    second: str,
    weights: ArrayLike,
    decrease: ArrayLike,
    *,
    relative: bool = False,
    of: int | None = None,
) -> Flip:
    """The ratio of two weights at which the second term starts to supply more than the first.

    Of what the two terms take off the loss, the part of the second rises with the ratio of their
    weights. Where the curve of its logit over the logarithm of the ratio passes zero is the flip;
    no form of the curve is assumed. It is claimed only if the trials show both sides of it, each
    at a level of 2.5 %, and if it names the leader of more trials than naming always the same. Of
    sweeps in which the ratio does not matter, at most 5 in 100 seem to have one.

    Args:
        first: Name of the first term.
        second: Name of the second.
        weights: Both weights in each trial, shape ``(trials, 2)``. Trials with a zero are left out.
        decrease: What both terms took off the loss, or their decrease shares, shape
            ``(trials, 2)``; or ``(trials, seeds, 2)`` if each trial was trained from several seeds.
            Trials with NaN, or in which neither term took anything off, are left out.
        relative: Whether the weights are relative to reference scales.
        of: How many trials there were with both weights above 0, if more than are given.

    >>> ratios = np.logspace(-2, 2, 21)
    >>> weights = np.stack([np.ones(21), ratios], axis=1)
    >>> flip = find_flip("mse", "under", weights, weights * [5.0, 1.0])
    >>> print(flip.kind, round(flip.ratio, 2), round(flip.low, 2), round(flip.high, 2))
    flips 5.0 3.98 6.31
    """
    w = np.asarray(weights, dtype=np.float64).reshape(-1, 2)
    d = np.asarray(decrease, dtype=np.float64)
    gains = np.maximum(d.reshape(len(w), d.shape[1] if d.ndim == 3 else 1, 2), 0.0)
    fell = np.isfinite(gains).all(axis=2) & (gains.sum(axis=2) > 0)
    usable = (w > 0).all(axis=1) & fell.all(axis=1)
    x = np.log(w[usable, 1]) - np.log(w[usable, 0])
    order = np.argsort(x, kind="stable")
    x, gains = x[order], gains[usable][order]
    parts = gains[:, :, 1] / gains.sum(axis=2)
    tried = (float(np.exp(x[0])), float(np.exp(x[-1]))) if len(x) else None
    kind, found = _decide(x, parts)
    return Flip(
        first=first, second=second, kind=kind,
        ratio=None if found is None else float(np.exp(found.at)),
        low=None if found is None else float(np.exp(found.low)),
        high=None if found is None else float(np.exp(found.high)),
        tried=tried, trials=len(x), seeds=parts.shape[1], relative=relative,
        of=int((w > 0).all(axis=1).sum()) if of is None else of,
    )  # fmt: skip


def _decide(x: Floats, parts: Floats) -> tuple[Kind, Bracket | None]:
    """What the parts of the second term, shape ``(trials, seeds)``, say over rising ratios."""
    if len(x) < MINIMUM_TRIALS:
        return "unclear", None
    if (parts > 0.5).all():
        return "second leads", None
    if (parts < 0.5).all():
        return "first leads", None
    found = _over_seeds(x, np.clip(parts, ALL_OF_IT, 1 - ALL_OF_IT))
    if found is None:
        return "unclear", None
    leads = parts.mean(axis=1) > 0.5
    always_one = max(leads.sum(), len(leads) - leads.sum())
    if not np.sum(leads == (x > found.at)) > always_one:
        return "unclear", None
    return "flips", found


def _over_seeds(x: Floats, parts: Floats) -> Bracket | None:
    """The bracket of the mean over the seeds, widened to that of every seed, if all have one."""
    logits = np.log(parts / (1 - parts))
    middle = crossing(x, logits.mean(axis=1))
    if middle is None:
        return None
    each = [middle]
    if parts.shape[1] > 1:
        for column in logits.T:
            found = crossing(x, column)
            if found is None:
                return None
            each.append(found)
    return Bracket(min(b.low for b in each), middle.at, max(b.high for b in each))
