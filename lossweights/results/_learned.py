"""Whether a sweep learned anything: its best trials against the best constant prediction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lossweights.dominance.verdict import Verdict
from lossweights.records import Outcome, TrialResult

_CLEARLY = 1e-4  # of the way from the constant to a perfect prediction: less is rounding


def learned_nothing(
    results: Mapping[int, TrialResult],
    verdicts: Mapping[int, Verdict],
    objectives: Mapping[str, str],
    constants: Mapping[str, Mapping[str, float | None]],
    recipe: Mapping[str, Any],
) -> str:
    """The sentence of `why_nothing_learned` on the trials of a sweep.

    Args:
        results: What came of the trials, by number.
        verdicts: What drove those that trained to some end.
        objectives: As there, and so the next ones.
        constants: What each objective is for the best constant prediction.
        recipe: How the trials were trained.
    """
    complete = [number for number, r in results.items() if r.outcome is Outcome.COMPLETE]
    diverged = sum(result.outcome is Outcome.DIVERGED for result in results.values())
    return why_nothing_learned(
        [results[number].metrics for number in complete],
        objectives,
        constants,
        recipe,
        fell=[verdicts[number].fell for number in complete],
        risen=sum(verdict.rose for verdict in verdicts.values()) + diverged,
        tried=len(verdicts) + diverged,
    )


def why_nothing_learned(
    metrics: Sequence[Mapping[str, float]],
    objectives: Mapping[str, str],
    constants: Mapping[str, Mapping[str, float | None]],
    recipe: Mapping[str, Any],
    *,
    fell: Sequence[bool] | None = None,
    risen: int = 0,
    tried: int | None = None,
) -> str:
    """A sentence that says so if no trial beats the best constant prediction in any objective.

    An objective that a constant satisfies perfectly, as one large prediction does with a shortfall,
    cannot be beaten and shows nothing. If all objectives are such, nothing was learned if the loss
    fell in no trial. Each objective has a best constant of its own; a trial in whose training the
    loss fell shows something all the same if no single constant is as good in all of them.

    Args:
        metrics: Metrics of each complete trial on validation data.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        constants: For each objective ``value``, its value for the best constant prediction,
            ``perfect``, that for a perfect one, and ``along``, its values for constants from low to
            high, the same for all objectives; as far as they are known.
        recipe: How the trials were trained, as the manifest has it.
        fell: Whether the loss fell in each of the trials, or ``None`` if nobody knows.
        risen: In how many trials the loss rose, or stopped being finite.
        tried: How many trials that is of, those included that are not complete.

    Returns:
        One sentence with what to change and the figures that show it; empty if some trial beats
        a constant, or if it cannot be said.
    """
    if not metrics or not set(objectives) <= set(constants):
        return ""
    shown, beatable = [], False
    for name, direction in objectives.items():
        sign = -1.0 if direction == "maximize" else 1.0
        reached = [sign * m[name] for m in metrics if math.isfinite(m.get(name, math.nan))]
        constant, perfect = constants[name]["value"], constants[name].get("perfect")
        if not reached or constant is None:
            return ""
        gap = abs(constant) if perfect is None else sign * (constant - perfect)
        beatable |= gap > _CLEARLY * abs(constant)
        if min(reached) < sign * constant - _CLEARLY * gap:
            return ""
        shown.append(f"{name} {sign * min(reached):.4g} at best against {constant:.4g}")
    if fell is not None and _some_beats_each_constant(metrics, objectives, constants, fell):
        return ""
    change = _change(recipe, tried or len(metrics), risen)
    if beatable:
        return (
            f"This sweep learned nothing: no trial is better than the best constant prediction "
            f"({', '.join(shown)}), so {change}."
        )
    if fell is None or any(fell):
        return ""
    return (
        f"This sweep learned nothing: the loss fell in none of {len(metrics)} trials, and a "
        f"constant prediction is all that its objectives ask for ({', '.join(shown)}), so {change}."
    )


def _some_beats_each_constant(
    metrics: Sequence[Mapping[str, float]],
    objectives: Mapping[str, str],
    constants: Mapping[str, Mapping[str, Any]],
    fell: Sequence[bool],
) -> bool:
    """Whether a trial whose loss fell is better in some objective than each constant by itself.

    Between two neighbouring constants there are more. None of them is taken to be worse than both
    in any objective, which is kind to constants.
    """
    along = [constants[name].get("along") for name in objectives]
    if len(along) < 2 or not all(along):
        return False
    signs = np.array([-1.0 if d == "maximize" else 1.0 for d in objectives.values()])
    curve = np.array(along, dtype=np.float64).T * signs
    curve = curve[np.isfinite(curve).all(axis=1)]
    if not len(curve):
        return False
    best = np.minimum(curve, np.concatenate([curve[1:], curve[-1:]]))
    slack = _CLEARLY * np.abs(best)
    for values, has_fallen in zip(metrics, fell, strict=True):
        costs = np.array([values.get(name, np.nan) for name in objectives]) * signs
        if has_fallen and np.isfinite(costs).all() and (costs < best - slack).any(axis=1).all():
            return True
    return False


def _change(recipe: Mapping[str, Any], trials: int, risen: int) -> str:
    """What to change, with what it is now."""
    optimizer = recipe.get("optimizer")
    rate = optimizer.get("learning_rate") if isinstance(optimizer, Mapping) else None
    epochs = recipe.get("epochs")
    now_epochs = f" than {epochs}" if isinstance(epochs, int) else ""
    now_rate = f" than {rate:.3g}" if isinstance(rate, int | float) else ""
    if 2 * risen > trials:
        return (
            f"train with a smaller learning rate{now_rate}: the loss rose or diverged in {risen} "
            f"trials"
        )
    return f"train for more epochs{now_epochs}, or with a larger learning rate{now_rate}"
