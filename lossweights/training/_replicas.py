"""Several trainings a weight set: what a weight does, told apart from what chance does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossweights.records import EpochReport, Outcome, Replica, TrialResult, combined
from lossweights.training._contract import (
    NO_HALTS,
    Halts,
    Member,
    ReportFunction,
    Standings,
    Trainer,
)

MAX_SEED = 2**32


class ReplicatedTrainer(Trainer):
    """Trains each member from several seeds, on several folds, and reports the means over them.

    The seeds are that of the member and the ones that follow it. A report is the mean of the
    replicas' reports of that epoch, once all of them have made theirs; a replica that ended early
    counts with its last one. When a member is stopped, its replicas stop with it. A replica that
    diverges ends its member as diverged. At a halt a member stands where its replicas do in the
    mean. Adaptive weights move in each replica by its own magnitudes; reports have their means, and
    a member that is tested the means of its replicas' metrics.

    Folds are trained one after another, so that reports come with the last of them. Who goes on
    after a halt is decided on the first, and what stops there is trained on no other.

    Args:
        trainer: Trains the replicas, as members of its own.
        seeds: How many of them each member has.
        others: Make the trainers of further folds, each when its turn comes.
        stats: What counts of the replicas' metrics where it is not the mean; one of
            `lossweights.records.STATISTICS` by name.
    """

    def __init__(
        self,
        trainer: Trainer,
        seeds: int,
        *,
        others: Sequence[Callable[[], Trainer]] = (),
        stats: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._trainer, self._seeds = trainer, seeds
        self._others, self._stats = tuple(others), dict(stats)
        self.name = trainer.name

    @property
    def capacity(self) -> int:
        """As many as the trainer's own: a stack has one seed, so that one read serves it all."""
        return self._trainer.capacity

    def train(
        self, members: Sequence[Member], report: ReportFunction, halts: Halts = NO_HALTS
    ) -> list[TrialResult]:
        """Train all replicas of all members; see `Trainer.train`."""
        replicas = self._seeds * (1 + len(self._others))
        groups = [
            _Group(place, member.weights, replicas, self._stats)
            for place, member in enumerate(members)
        ]
        folds: list[tuple[int | None, Callable[[], Trainer]]] = [
            (len(self._others) if self._others else None, lambda: self._trainer),
            *enumerate(self._others),
        ]
        for fold, make in folds:
            going = [group for group in groups if group.goes_on]
            if going:
                self._train_fold(make(), fold, members, going, report, halts)
            halts = NO_HALTS
        for group in groups:
            # Replicas that ended early have left means unmade that now can be.
            while not group.stopped and (mean := group.next_mean(ended=True)):
                group.stopped = not report(group.position, mean)
        return [group.result() for group in groups]

    def _train_fold(
        self,
        trainer: Trainer,
        fold: int | None,
        members: Sequence[Member],
        groups: Sequence[_Group],
        report: ReportFunction,
        halts: Halts,
    ) -> None:
        """Train the replicas of a fold, of the members that go on."""
        seeds = self._seeds
        replicas = [
            replace(member, seed=(member.seed + offset) % MAX_SEED)
            for member in (members[group.position] for group in groups)
            for offset in range(seeds)
        ]

        def hear(place: int, found: EpochReport) -> bool:
            group = groups[place // seeds]
            group.add((fold, place % seeds), found)
            while not group.stopped and (mean := group.next_mean()) is not None:
                group.stopped = not report(group.position, mean)
            return not (group.stopped or group.has_diverged)

        def wait(epoch: int, standings: Standings) -> Collection[int]:
            going = [at for at, each in enumerate(groups) if not (each.stopped or each.halted)]
            known = {
                groups[at].position: self._standing(
                    [standings.get(place) for place in range(at * seeds, (at + 1) * seeds)]
                )
                for at in going
            }
            stopped = frozenset(halts.wait(epoch, known))
            for at in going:
                groups[at].halted = groups[at].position in stopped
            return [p for p in standings if groups[p // seeds].position in stopped]

        results = trainer.train(replicas, hear, Halts(halts.at, wait))
        for at, group in enumerate(groups):
            group.results += [(fold, result) for result in results[at * seeds : (at + 1) * seeds]]

    def _standing(
        self, standings: Sequence[Mapping[str, float] | None]
    ) -> Mapping[str, float] | None:
        """What counts of where replicas stand, or ``None`` if one has diverged."""
        there = [metrics for metrics in standings if metrics is not None]
        return combined(there, self._stats) if len(there) == len(standings) else None

    def parameters(self, position: int) -> list[NDArray[Any]]:
        """The parameters of the last replica of a member; see `Trainer.parameters`.

        With folds, of the last one on the fold that is trained first.
        """
        return self._trainer.parameters(position * self._seeds + self._seeds - 1)


@dataclass
class _Group:
    """The replicas of one member: their reports so far, and the means made of them."""

    position: int
    weights: Mapping[str, float]  # of the member, in force where a report says nothing else
    size: int
    stats: Mapping[str, str]
    stopped: bool = False
    halted: bool = False
    reports: dict[tuple[int | None, int], list[EpochReport]] = field(default_factory=dict)
    means: list[EpochReport] = field(default_factory=list)
    results: list[tuple[int | None, TrialResult]] = field(default_factory=list)

    @property
    def has_diverged(self) -> bool:
        """Whether a replica has, so that the others need not go on."""
        return any(made[-1].bad is not None for made in self.reports.values())

    @property
    def goes_on(self) -> bool:
        """Whether the member is worth another training."""
        ended = all(result.outcome is Outcome.COMPLETE for _, result in self.results)
        return ended and not (self.stopped or self.halted or self.has_diverged)

    def add(self, replica: tuple[int | None, int], report: EpochReport) -> None:
        """Take up the report of a replica, known by its fold and place."""
        self.reports.setdefault(replica, []).append(report)

    def next_mean(self, *, ended: bool = False) -> EpochReport | None:
        """The mean of the next epoch, if there is one and all replicas have got there or ended."""
        epoch = len(self.means)
        known = self.reports.values()
        if not any(len(made) > epoch for made in known):
            return None
        if not ended and (len(known) < self.size or not all(len(made) > epoch for made in known)):
            return None
        if self.means and self.means[-1].bad is not None:
            return None
        reports = [made[min(epoch, len(made) - 1)] for made in known]
        self.means.append(_mean(reports, epoch, self.weights, self.stats))
        return self.means[-1]

    def result(self) -> TrialResult:
        """The member's result from those of its replicas."""
        results = [result for _, result in self.results]
        outcome, reason = Outcome.COMPLETE, ""
        unwell = [(f, r) for f, r in self.results if r.outcome is not Outcome.COMPLETE]
        if unwell:
            fold, worst = next(
                ((f, r) for f, r in unwell if r.outcome is not Outcome.PRUNED), unwell[0]
            )
            outcome = worst.outcome
            on = "" if fold is None else f", fold {fold + 1}"
            reason = f"{worst.reason} (seed {worst.seed}{on})"
        if outcome is Outcome.PRUNED or (self.stopped and outcome is Outcome.COMPLETE):
            outcome, reason = Outcome.PRUNED, f"stopped after epoch {self.means[-1].epoch}"
        tests = [result.test for result in results]
        return replace(
            results[0],
            outcome=outcome,
            reason=reason,
            reports=tuple(self.means),
            seconds=sum(result.seconds for result in results),
            best_epoch=None,
            test=combined(tests, self.stats) if all(tests) else {},
            replicas=tuple(
                Replica(r.seed, r.metrics, r.best_epoch, _fall(r), fold) for fold, r in self.results
            ),
            stats=self.stats,
        )


def _fall(result: TrialResult) -> dict[str, float]:
    """What each term fell by on the training probe, from before training to the last report."""
    if not result.reports:
        return {}
    start, end = result.reports[0].train, result.reports[-1].train
    return {name: start[name] - end[name] for name in start}


def _mean(
    reports: Sequence[EpochReport], epoch: int, own: Mapping[str, float], stats: Mapping[str, str]
) -> EpochReport:
    """The mean of the numbers of some reports; the first thing that went in any of them."""
    grams = [report.gram for report in reports if report.gram is not None]
    calibrations = [r.calibration for r in reports if r.calibration is not None]
    have_moved = any(report.weights is not None for report in reports)
    weights = [own if report.weights is None else report.weights for report in reports]
    whole = len(grams) == len(reports)
    return EpochReport(
        epoch,
        _means(report.train for report in reports),
        _means(report.val for report in reports),
        combined([report.metrics for report in reports], stats),
        bad=next((report.bad for report in reports if report.bad is not None), None),
        gram={a: _means(gram[a] for gram in grams) for a in grams[0]} if whole else None,
        calibration=float(np.mean(calibrations)) if len(calibrations) == len(reports) else None,
        weights=_means(weights) if have_moved else None,
    )


def _means(tables: Iterable[Mapping[str, float]]) -> dict[str, float]:
    rows = list(tables)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
