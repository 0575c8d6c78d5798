"""What a term is worth: by how much each metric gets worse where it is left out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from lossweights.base.numbers import plainly
from lossweights.dominance.verdict import listed
from lossweights.results.contest import Contestant
from lossweights.results.proof._compare import (
    Comparison,
    Effect,
    Standing,
    compare,
    turned,
)
from lossweights.results.proof._look import Look
from lossweights.results.proof._words import by_how_much

COLUMNS = ("term", "metric", "data", "worse", "low", "high")
_LITTLE = 0.05  # of a metric: if it may get worse by more, nobody can say that a term is idle


def comparisons_without(
    look: Look, directions: Mapping[str, str | None], data: str, min_effect: float
) -> dict[str, Comparison]:
    """Each term that was left out, and how the set without it stands against that with it.

    The set with it has the same weights otherwise, up to a common factor: equal ones, as a rule.
    Of several such pairs the one with the most terms counts, and of those one of baselines.
    """
    fixed = [each for each in look.contestants if each.method is None]
    terms = dict.fromkeys(term for each in fixed for term in each.weights)
    pairs = {}
    for term in terms:
        found = [
            (part, whole) for part in fixed for whole in fixed if _completes(whole, part, term)
        ]
        if found:
            part, whole = max(found, key=lambda pair: _preference(pair[1]))
            pairs[(part.name, whole.name)] = term
    better = {metric: d for metric, d in directions.items() if d is not None}
    shown = {metric: d for metric, d in better.items() if metric in look.metrics(data)}
    compared = compare(look, pairs, shown, data, min_effect)
    return {pairs[of.one, of.other]: of for of in compared}


def _preference(whole: Contestant) -> tuple[int, bool]:
    return sum(weight > 0 for weight in whole.weights.values()), whole.role == "baseline"


def _completes(whole: Contestant, part: Contestant, term: str) -> bool:
    """Whether a set is the other one with the term."""
    if not whole.weights.get(term, 0.0) > 0 or part.weights.get(term, 0.0) > 0:
        return False
    on = [name for name, weight in whole.weights.items() if weight > 0 and name != term]
    if not on or on != [name for name in whole.weights if part.weights.get(name, 0.0) > 0]:
        return False
    ratios = [part.weights[name] / whole.weights[name] for name in on]
    return max(ratios) <= min(ratios) * (1 + 1e-9)


def worth_table(found: Mapping[str, Mapping[str, Comparison]]) -> pd.DataFrame:
    """One row a term, metric and data set: `lossweights.results.proof` says what is in it.

    Args:
        found: What `comparisons_without` gives, by data.
    """
    rows = [
        (term, metric, data, worse.mean, worse.low, worse.high)
        for data, terms in found.items()
        for term, of in terms.items()
        for metric, effect in of.effects.items()
        if (worse := turned(effect.gain)).n
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def worth_sentences(found: Mapping[str, Comparison], look: Look) -> list[str]:
    """A sentence a term: needed, can be left out, or that nobody can say."""
    return [_sentence(term, of, look) for term, of in found.items()]


def _sentence(term: str, of: Comparison, look: Look) -> str:
    without, whole = look.diverged(of.one), look.diverged(of.other)
    if without > whole:
        return (
            f"{term} is needed: without it {without} of {len(look.seeds)} trainings diverged, with "
            f"it {whole}."
        )
    if of.any(Standing.WORSE):
        return f"{term} is needed: without it {' and '.join(_lost(of))}."
    if not of.judged:
        return f"Nobody can say what {term} is worth: too few seeds are left."
    most, metric = max((_at_most(effect), metric) for metric, effect in of.effects.items())
    if not most <= _LITTLE:
        shown = (
            f"by up to {plainly(100 * most)} %" if math.isfinite(most) else "by nobody knows what"
        )
        return (
            f"Nobody can say whether {term} is needed: all is within noise, and {metric} may get "
            f"worse {shown} without it."
        )
    gained = [m for m, effect in of.effects.items() if effect.standing is Standing.BETTER]
    gets = "get" if len(gained) > 1 else "gets"
    better = f", and {listed(gained)} {gets} better" if gained else ""
    if most <= 0:
        return f"{term} can be left out: no metric gets worse{better}."
    return (
        f"{term} can be left out: no metric gets worse within noise, by {plainly(100 * most)} % "
        f"at most ({metric}){better}."
    )


def _lost(of: Comparison) -> list[str]:
    """By how much each metric gets worse that does."""
    return [
        f"{metric} gets worse by {by_how_much(metric, effect).replace(f' of {metric}', '')}"
        for metric, effect in of.effects.items()
        if effect.standing is Standing.WORSE
    ]


def _at_most(effect: Effect) -> float:
    """By which part a metric may get worse without the term: the end of the interval."""
    if effect.standing is Standing.UNKNOWN:
        return math.inf
    if effect.base == 0:
        return math.inf if effect.gain.low < 0 else 0.0
    return -effect.gain.low / effect.base
