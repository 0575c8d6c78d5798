"""One confirmation: who was trained from which seeds, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from lossweights.records import Outcome, TrialResult
from lossweights.results.contest import Contest, Contestant


@dataclass(frozen=True)
class Look:
    """What came of a confirmation.

    Attributes:
        number: 1 for the first one, which looks at the test data for the first time.
        contestants: Those that were entered, in order.
        seeds: The seeds that it was to train from; where that is not known, those that anybody was
            trained from.
        results: What came of each contestant's trainings, by name and seed.
    """

    number: int
    contestants: tuple[Contestant, ...]
    seeds: tuple[int, ...]
    results: Mapping[str, Mapping[int, TrialResult]] = field(default_factory=dict)

    @classmethod
    def of(cls, contest: Contest, number: int) -> Look:
        """A look of a contest; of several trainings of one contestant and seed the last counts.

        Args:
            contest: The contest.
            number: Which look; 0 is that from the seed of the sweep.
        """
        entered = contest.contestants.get(number, ())
        results: dict[str, dict[int, TrialResult]] = {each.name: {} for each in entered}
        for outing in contest.outings:
            if outing.look == number and outing.contestant in results:
                results[outing.contestant][outing.seed] = outing.result
        trained = {seed for ended in results.values() for seed in ended}
        return cls(number, entered, contest.seeds.get(number) or tuple(sorted(trained)), results)

    @classmethod
    def latest(cls, contest: Contest) -> Look | None:
        """The last confirmation that has ended, or else the last one that has begun, if any."""
        looks = [cls.of(contest, number) for number in sorted(contest.contestants) if number > 0]
        begun = [look for look in looks if any(look.results.values())]
        ended = [look for look in begun if look.whole]
        return next(iter([*ended[::-1], *begun[::-1]]), None)

    @property
    def whole(self) -> bool:
        """Whether every contestant has ended from every seed."""
        return all(ended.keys() >= set(self.seeds) for ended in self.results.values())

    @property
    def data(self) -> str:
        """What is to be judged by: ``"test"``, or ``"val"`` where nothing was tested."""
        return "test" if any(r.test for r in self._complete()) else "val"

    def metrics(self, data: str) -> list[str]:
        """The names of what was measured on validation or on test data, in order."""
        return list(dict.fromkeys(name for r in self._complete() for name in measured(r, data)))

    def named(self, name: str) -> Contestant | None:
        """The contestant of this name, if there is one."""
        return next((each for each in self.contestants if each.name == name), None)

    def values(self, name: str, metric: str, data: str) -> dict[int, float]:
        """What a contestant measured, by seed: trainings that came to their end, finite numbers."""
        ended = self.results.get(name, {})
        found = {
            seed: measured(result, data).get(metric, math.nan)
            for seed, result in sorted(ended.items())
            if result.outcome is Outcome.COMPLETE
        }
        return {seed: float(value) for seed, value in found.items() if math.isfinite(value)}

    def means(self, name: str, data: str) -> dict[str, float]:
        """The mean of each metric over the seeds that gave one."""
        found = {metric: self.values(name, metric, data) for metric in self.metrics(data)}
        return {metric: sum(of.values()) / len(of) for metric, of in found.items() if of}

    def ended(self, name: str, outcome: Outcome) -> int:
        """How many trainings of a contestant ended in a way."""
        return sum(result.outcome is outcome for result in self.results.get(name, {}).values())

    def diverged(self, name: str) -> int:
        """From how many seeds a contestant diverged."""
        return self.ended(name, Outcome.DIVERGED)

    def _complete(self) -> list[TrialResult]:
        results = [result for ended in self.results.values() for result in ended.values()]
        return [result for result in results if result.outcome is Outcome.COMPLETE]


def measured(result: TrialResult, data: str) -> Mapping[str, float]:
    """The metrics of a training on validation or on test data."""
    return result.test if data == "test" else result.metrics
