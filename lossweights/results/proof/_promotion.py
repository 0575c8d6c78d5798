"""Which weight set is promoted: the pick, unless a baseline that needs no search does as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from lossweights.results.contest import Contestant
from lossweights.results.proof._compare import Comparison, Standing, compare
from lossweights.results.proof._look import Look
from lossweights.results.proof._table import interval
from lossweights.search.aims import Aims
from lossweights.search.simplest import distance_to_equal


@dataclass(frozen=True)
class Rules:
    """What contestants are judged by.

    Attributes:
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        data: ``"val"`` or ``"test"``.
        min_effect: The least gain that counts, in parts of a metric.
        aims: Wish and constraints of the sweep.
    """

    objectives: Mapping[str, str]
    data: str
    min_effect: float
    aims: Aims


@dataclass(frozen=True)
class Promotion:
    """What is promoted, and what stands in the pick's way.

    Attributes:
        pick: The contestant that the sweep picked.
        promoted: The contestant that is promoted.
        comparisons: The pick against each baseline that is another set, by the baseline's name.
        unbeaten: The fixed baselines that the pick beats in no objective.
        adaptive: The adaptive ones that it beats in no objective.
        same: The baseline whose weights the pick has, if there is one.
    """

    pick: Contestant
    promoted: Contestant
    comparisons: Mapping[str, Comparison]
    unbeaten: tuple[str, ...]
    adaptive: tuple[str, ...]
    same: Contestant | None = None


def promotion(look: Look, pick: Contestant, rules: Rules) -> Promotion:
    """Whether the pick is promoted, or the simpler one of what it does not beat.

    A baseline is in the pick's way if the pick is better than it in no objective, beyond noise and
    beyond the least effect. If there are such, the one nearest to equal weights is promoted of
    those that none of them beats, and whose means are as good as the pick's interval says the pick
    may be: one that goes astray from one seed in five is told apart from nothing, and yet is no
    choice for anybody. A baseline needs no search, so it counts as simpler than the
    pick, unless that is one itself. Left aside are baselines that diverged from some seed where the
    pick did not, that miss aims of the sweep which the pick fulfils, or that too few seeds are left
    of; and adaptive ones, since what is promoted is a fixed set. A pick that diverged more often
    than a baseline beats it in nothing.
    """
    rivals = [c for c in look.contestants if c.role == "baseline" and c.name != pick.name]
    same = next((c for c in rivals if _is_same(c, pick)), None)
    rivals = [c for c in rivals if not _is_same(c, pick)]
    found = _compared(look, [(pick.name, c.name) for c in rivals], rules)
    against = {comparison.other: comparison for comparison in found}
    ways = [c for c in rivals if _is_in_the_way(look, pick, against[c.name], rules)]
    fixed = [c for c in ways if c.method is None]
    is_simple = same is not None or pick.role == "baseline"
    near = [c for c in fixed if _is_near(look, pick, c, rules)]
    candidates = [*near, *([pick] if is_simple and not look.diverged(pick.name) else [])]
    promoted = _simplest(look, candidates, rules) if near and candidates else pick
    unbeaten = tuple(c.name for c in fixed)
    adaptive = tuple(c.name for c in ways if c.method is not None)
    return Promotion(pick, promoted, against, unbeaten, adaptive, same)


def _compared(look: Look, pairs: list[tuple[str, str]], rules: Rules) -> list[Comparison]:
    return compare(look, pairs, rules.objectives, rules.data, rules.min_effect)


def _is_same(one: Contestant, other: Contestant) -> bool:
    """Whether two are one fixed set, whose weights may have a common factor."""
    if one.method is not None or other.method is not None:
        return False
    if one.trial is not None and one.trial == other.trial:
        return True
    if one.chosen != other.chosen:
        return False
    sums = [sum(each.weights.values()) for each in (one, other)]
    parts = [
        {term: weight / total for term, weight in each.weights.items()}
        for each, total in zip((one, other), sums, strict=True)
        if total > 0
    ]
    return len(parts) == 2 and all(
        abs(parts[0].get(term, 0.0) - parts[1].get(term, 0.0)) < 1e-9
        for term in {*parts[0], *parts[1]}
    )


def _is_in_the_way(look: Look, pick: Contestant, of: Comparison, rules: Rules) -> bool:
    mine, its = look.diverged(pick.name), look.diverged(of.other)
    if its > mine or _missed(look, of.other, rules.aims) > _missed(look, pick.name, rules.aims):
        return False
    if its < mine:
        return True
    return of.judged and not of.any(Standing.BETTER)


def _is_near(look: Look, pick: Contestant, other: Contestant, rules: Rules) -> bool:
    """Whether the mean of each objective is in the pick's interval, or on its better side."""
    if look.diverged(other.name) < look.diverged(pick.name):
        return True
    for metric, direction in rules.objectives.items():
        mine = interval(look, pick.name, metric, rules.data)
        mean = interval(look, other.name, metric, rules.data).mean
        if mean > mine.high if direction == "minimize" else mean < mine.low:
            return False
    return True


def _missed(look: Look, name: str, aims: Aims) -> float:
    """By how much the means of a contestant miss the aims of the sweep."""
    return sum(max(by, 0.0) for by in aims.violations(look.means(name, "val")).values())


def _simplest(look: Look, candidates: list[Contestant], rules: Rules) -> Contestant:
    """The one nearest to equal weights, of those that no other one beats."""
    names = [each.name for each in candidates]
    found = _compared(look, list(combinations(names, 2)), rules)
    beaten = {c.one for c in found if c.beaten} | {c.other for c in found if c.beats}
    left = [each for each in candidates if each.name not in beaten] or candidates
    return min(left, key=_complexity)


def _complexity(contestant: Contestant) -> tuple[float, int]:
    weights = list(contestant.weights.values())
    return float(distance_to_equal(weights)), sum(weight > 0 for weight in weights)
