"""Several seeds a weight set: what a weight does, told apart from what chance does."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossweights.records import EpochReport, Outcome, Replica, TrialResult
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
    """Trains each member from several seeds, and reports the means over them.

    The seeds are that of the member and the ones that follow it. A report is the mean of the
    replicas' reports of that epoch, once all of them have made theirs; a replica that ended early
    counts with its last one. When a member is stopped, its replicas stop with it. A replica that
    diverges ends its member as diverged. At a halt a member stands where its replicas do in the
    mean. Adaptive weights move in each replica by its own magnitudes; reports have their means, and
    a member that is tested the means of its replicas' metrics.

    Args:
        trainer: Trains the replicas, as members of its own.
        seeds: How many of them each member has.
    """

    def __init__(self, trainer: Trainer, seeds: int) -> None:
        self._trainer, self._seeds = trainer, seeds
        self.name = trainer.name

    @property
    def capacity(self) -> int:
        """As many as the trainer's own: a stack has one seed, so that one read serves it all."""
        return self._trainer.capacity

    def train(
        self, members: Sequence[Member], report: ReportFunction, halts: Halts = NO_HALTS
    ) -> list[TrialResult]:
        """Train all replicas of all members; see `Trainer.train`."""
        groups = [_Group(position, each.weights) for position, each in enumerate(members)]
        replicas = [
            replace(member, seed=(member.seed + offset) % MAX_SEED)
            for member in members
            for offset in range(self._seeds)
        ]

        def hear(place: int, found: EpochReport) -> bool:
            group = groups[place // self._seeds]
            group.add(place % self._seeds, found)
            while not group.stopped and (mean := group.next_mean(self._seeds)) is not None:
                group.stopped = not report(group.position, mean)
            return not (group.stopped or group.has_diverged)

        def wait(epoch: int, standings: Standings) -> Collection[int]:
            going = [group for group in groups if not (group.stopped or group.halted)]
            means = {each.position: each.standing(standings, self._seeds) for each in going}
            stopped = frozenset(halts.wait(epoch, means))
            for group in going:
                group.halted = group.position in stopped
            return [place for place in standings if place // self._seeds in stopped]

        results = self._trainer.train(replicas, hear, Halts(halts.at, wait))
        found = []
        for group in groups:
            start = group.position * self._seeds
            own = results[start : start + self._seeds]
            # Replicas that ended early have left means unmade that now can be.
            while not group.stopped and (mean := group.next_mean(self._seeds, ended=True)):
                group.stopped = not report(group.position, mean)
            found.append(group.result(own))
        return found

    def parameters(self, position: int) -> list[NDArray[Any]]:
        """The parameters of the last replica of a member; see `Trainer.parameters`."""
        return self._trainer.parameters(position * self._seeds + self._seeds - 1)


@dataclass
class _Group:
    """The replicas of one member: their reports so far, and the means made of them."""

    position: int
    weights: Mapping[str, float]  # of the member, in force where a report says nothing else
    stopped: bool = False
    halted: bool = False
    reports: dict[int, list[EpochReport]] = field(default_factory=dict)
    means: list[EpochReport] = field(default_factory=list)

    @property
    def has_diverged(self) -> bool:
        """Whether a replica has, so that the others need not go on."""
        return any(made[-1].bad is not None for made in self.reports.values())

    def add(self, replica: int, report: EpochReport) -> None:
        """Take up the report of a replica."""
        self.reports.setdefault(replica, []).append(report)

    def next_mean(self, seeds: int, *, ended: bool = False) -> EpochReport | None:
        """The mean of the next epoch, if there is one and all replicas have got there or ended."""
        epoch = len(self.means)
        known = self.reports.values()
        if len(self.reports) < seeds or not any(len(made) > epoch for made in known):
            return None
        if not ended and not all(len(made) > epoch for made in known):
            return None
        if self.means and self.means[-1].bad is not None:
            return None
        reports = [made[min(epoch, len(made) - 1)] for made in known]
        self.means.append(_mean(reports, epoch, self.weights))
        return self.means[-1]

    def standing(self, standings: Standings, seeds: int) -> Mapping[str, float] | None:
        """The mean of where the replicas stand, or ``None`` if one has diverged."""
        known = [standings.get(self.position * seeds + replica) for replica in range(seeds)]
        there = [metrics for metrics in known if metrics is not None]
        return _means(there) if len(there) == seeds else None

    def result(self, results: Sequence[TrialResult]) -> TrialResult:
        """The member's result from those of its replicas."""
        first = results[0]
        outcome, reason = Outcome.COMPLETE, ""
        unwell = [r for r in results if r.outcome is not Outcome.COMPLETE]
        if unwell:
            worst = next((r for r in unwell if r.outcome is not Outcome.PRUNED), unwell[0])
            outcome = worst.outcome
            reason = f"{worst.reason} (seed {worst.seed})"
        if outcome is Outcome.PRUNED or (self.stopped and outcome is Outcome.COMPLETE):
            outcome, reason = Outcome.PRUNED, f"stopped after epoch {self.means[-1].epoch}"
        return replace(
            first,
            outcome=outcome,
            reason=reason,
            reports=tuple(self.means),
            seconds=sum(result.seconds for result in results),
            best_epoch=None,
            test=_means(tests) if all(tests := [result.test for result in results]) else {},
            replicas=tuple(Replica(r.seed, r.metrics, r.best_epoch, _fall(r)) for r in results),
        )


def _fall(result: TrialResult) -> dict[str, float]:
    """What each term fell by on the training probe, from before training to the last report."""
    if not result.reports:
        return {}
    start, end = result.reports[0].train, result.reports[-1].train
    return {name: start[name] - end[name] for name in start}


def _mean(reports: Sequence[EpochReport], epoch: int, own: Mapping[str, float]) -> EpochReport:
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
        _means(report.metrics for report in reports),
        bad=next((report.bad for report in reports if report.bad is not None), None),
        gram={a: _means(gram[a] for gram in grams) for a in grams[0]} if whole else None,
        calibration=float(np.mean(calibrations)) if len(calibrations) == len(reports) else None,
        weights=_means(weights) if have_moved else None,
    )


def _means(tables: Iterable[Mapping[str, float]]) -> dict[str, float]:
    rows = list(tables)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
