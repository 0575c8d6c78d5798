"""What contestants are called in sentences, and how effects are told."""

from __future__ import annotations

import math

from lossweights.base.numbers import plainly
from lossweights.results.contest import Contestant
from lossweights.results.proof._compare import Effect

_CALLED = {
    "equal": "equal weights",
    "inverse": "weights by inverse magnitude",
    "today": "today's weights",
    "uncertainty": "uncertainty weighting",
    "uncertainty-learned": "learned uncertainty weighting",
    "dwa": "DWA",
    "softadapt": "SoftAdapt",
    "relobralo": "ReLoBRaLo",
    "gradnorm": "GradNorm",
    "encodec": "the EnCodec balancer",
}


def called(contestant: Contestant) -> str:
    """A contestant as a sentence names it.

    >>> called(Contestant("without:mse", "baseline", {"mse": 0.0, "under": 1.0}))
    'equal weights without mse'
    >>> called(Contestant("knee", "pick", {"mse": 1.0}, trial=12))
    'knee (trial 12)'
    """
    name = contestant.name
    if contestant.role != "baseline":
        return name if contestant.trial is None else f"{name} (trial {contestant.trial})"
    kind, _, term = name.partition(":")
    if kind == "only" and term:
        return f"{term} alone"
    if kind == "without" and term:
        others = {weight for weight in contestant.weights.values() if weight > 0}
        return f"{'equal' if len(others) == 1 else 'the'} weights without {term}"
    if name.startswith("today-"):
        return f"{_CALLED['today']} ({name.removeprefix('today-')})"
    return _CALLED.get(name, name)


def by_how_much(metric: str, effect: Effect) -> str:
    """The size of an effect with its interval, in percent of the other's mean where it has one.

    >>> from lossweights.results.proof._intervals import Estimate
    >>> by_how_much("shortfall", Effect(Estimate(0.55, 0.45, 0.65, 0.001, 5), base=5.0))
    '11 % of shortfall (9 to 13)'
    >>> by_how_much("shortfall", Effect(Estimate(-0.5, -0.75, -0.25, 0.001, 5), base=0.0))
    '0.5 of shortfall (0.25 to 0.75)'
    """
    parts, unit = effect.parts, " %"
    scale = 100.0
    if effect.base == 0 or not math.isfinite(parts.mean):
        parts, unit, scale = effect.gain, "", 1.0
    sign = -1.0 if parts.mean < 0 else 1.0
    ends = sorted(sign * scale * end for end in (parts.low, parts.high))
    size = f"{plainly(abs(parts.mean) * scale)}{unit} of {metric}"
    return f"{size} ({plainly(ends[0])} to {plainly(ends[1])})"


def within(metric: str, effect: Effect, min_effect: float) -> str:
    """An objective in which nothing was told apart: shown to be no worse, or merely within noise.

    >>> from lossweights.results.proof._intervals import Estimate
    >>> within("rmse", Effect(Estimate(0.1, -0.02, 0.2, 0.4, 5), base=10.0), 0.005)
    'no worse in rmse'
    >>> within("rmse", Effect(Estimate(0.1, -0.2, 0.4, 0.4, 5), base=10.0), 0.005)
    'within noise in rmse (-2 to 4 %)'
    """
    if effect.gain.low >= -min_effect * effect.base:
        return f"no worse in {metric}"
    low, high = effect.parts.low, effect.parts.high
    if effect.base == 0:
        low, high = effect.gain.low, effect.gain.high
        return f"within noise in {metric} ({plainly(low)} to {plainly(high)})"
    return f"within noise in {metric} ({plainly(100 * low)} to {plainly(100 * high)} %)"
