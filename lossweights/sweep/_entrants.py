"""Who competes in a sweep's contest, from which seeds, and whether that is worth its time."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from lossweights.base.strict_json import canonical_json
from lossweights.driver import Entry
from lossweights.loss.adaptive import method_of
from lossweights.records import Outcome
from lossweights.results.contest import Contest, Contestant
from lossweights.results.result import SweepResult
from lossweights.search.choices import with_units
from lossweights.search.space import Space
from lossweights.training import Adaptive, Member

MAX_SEED = 2**32
DEFAULT_SEEDS = (5, 3)  # the most that fit into a half of the time that the sweep trained
PART = 0.5


def picks(result: SweepResult, space: Space) -> list[Contestant]:
    """The picks of a sweep as its trials have them, each trial once, under its first name."""
    alone = replace(result, contest=Contest())  # what the contest says decides nothing of it
    numbers: dict[int, str] = {}
    for pick in alone.standard_picks:
        numbers.setdefault(alone.best_number(pick), pick)
    return [
        Contestant(name, "pick", space.weights(at), trial=n, chosen=space.chosen(at))
        for n, name in numbers.items()
        for at in [result.finished[n].asked.parameters]
    ]


def entries(
    due: Iterable[tuple[Contestant, int]],
    look: int,
    scales: Mapping[str, float],
    *,
    tested: bool,
    units: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Entry]:
    """The trainings to do: contestants of the same weights and method share one a seed.

    Args:
        due: Contestants and seeds.
        look: The look that they belong to.
        scales: What relative weights are divided by.
        tested: Whether they are measured on the test data.
        units: What options of terms are multiplied by.
    """
    shared: dict[tuple[int, bytes], list[Contestant]] = {}
    for contestant, seed in due:
        shared.setdefault((seed, _training(contestant)), []).append(contestant)
    return [
        Entry(
            tuple(c.name for c in same),
            look,
            _member(same[0], seed, scales, units or {}, tested=tested),
        )
        for (seed, _), same in shared.items()
    ]


def _training(contestant: Contestant) -> bytes:
    """What is trained of a contestant, whatever it is called."""
    method = contestant.method
    weights, chosen = dict(contestant.weights), dict(contestant.chosen)
    return canonical_json([weights, None if method is None else dict(method), chosen])


def _member(
    contestant: Contestant,
    seed: int,
    scales: Mapping[str, float],
    units: Mapping[str, Mapping[str, float]],
    *,
    tested: bool,
) -> Member:
    weights = {name: w / scales.get(name, 1.0) for name, w in contestant.weights.items()}
    adaptive = None
    if contestant.method is not None:
        sizes = {name: 1.0 / scales.get(name, 1.0) for name in contestant.weights}
        adaptive = Adaptive(method_of(contestant.method), sizes)
    return Member(weights, seed, adaptive, tested, with_units(contestant.chosen, units))


def fresh_seeds(number: int, first: int, used: Collection[int], replicas: int = 1) -> list[int]:
    """The seeds of a confirmation: those after the sweep's own that nothing was trained from.

    Args:
        number: How many.
        first: The seed of the sweep.
        used: The seeds that were trained from.
        replicas: From how many seeds each member is trained: its own, and those that follow it.

    >>> fresh_seeds(3, 0, {0, 2}), fresh_seeds(2, 7, {7, 8, 9}, replicas=3)
    ([1, 3, 4], [10, 13])
    """
    found: list[int] = []
    seeds = ((first + offset) % MAX_SEED for offset in itertools.count(1))
    while len(found) < number:
        seed = next(seeds)
        own = {(seed + offset) % MAX_SEED for offset in range(replicas)}
        if own.isdisjoint(used):
            found.append(seed)
            used = {*used, *own}
    return found


def used_seeds(result: SweepResult, replicas: int) -> set[int]:
    """The seeds that trials and contestants were trained from."""
    trained = (finished.result.seed for finished in result.finished.values())
    looks = itertools.chain.from_iterable(result.contest.seeds.values())
    return {
        (seed + offset) % MAX_SEED
        for seed in itertools.chain(trained, looks)
        for offset in range(replicas)
    }


def seeds_by_default(result: SweepResult, contestants: Sequence[Contestant]) -> int:
    """How many seeds a confirmation has where nobody said it; 0 if even a few take too long."""
    least = PART * sum(each.result.seconds for each in result.finished.values())
    one = seconds_of(result, contestants)
    return next((number for number in DEFAULT_SEEDS if number * one <= least), 0)


def seconds_of(result: SweepResult, contestants: Sequence[Contestant]) -> float:
    """How long the contestants train from one seed, if each takes as long as trials did."""
    complete = [
        each.result.seconds
        for each in result.finished.values()
        if each.result.outcome is Outcome.COMPLETE
    ]
    usual = float(np.mean(complete)) if complete else 0.0
    return usual * len({_training(each) for each in contestants})
