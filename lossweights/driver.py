"""The loop of a sweep: ask, train, tell, track, until enough trials have ended."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Protocol

from lossweights.errors import SweepFailed
from lossweights.folder import Asked, Finished
from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.space import Space
from lossweights.store import Store
from lossweights.tracking import Tracker
from lossweights.training import Member, Trainer

log = logging.getLogger("lossweights")

MAX_FAILURES_IN_A_ROW = 3


class Progress(Protocol):
    """Shows how a sweep goes on."""

    def trial_ended(self, finished: Finished) -> None:
        """A trial has ended."""


def drive(
    store: Store,
    space: Space,
    trainer: Trainer,
    tracker: Tracker | None,
    progress: Progress,
    *,
    trials: int,
    scales: Mapping[str, float] | None,
    seed: int,
) -> None:
    """Train until so many trials of the sweep have ended, counting those from before.

    Every trial has the same seed: what differs between two trials is their weights alone.

    Raises:
        SweepFailed: Three trials in a row failed.
    """
    failures = 0
    while (remaining := trials - store.finished()) > 0:
        batch = [store.ask(space) for _ in range(min(trainer.capacity, remaining))]
        members = [Member(_effective(space, asked, scales), seed) for asked in batch]
        for asked, result in zip(batch, _train(trainer, members), strict=True):
            finished = Finished(asked, result)
            store.tell(asked, result)
            if tracker is not None:
                tracker.trial_ended(finished)
            progress.trial_ended(finished)
            failures = failures + 1 if result.outcome is Outcome.FAILED else 0
            if failures >= MAX_FAILURES_IN_A_ROW:
                raise SweepFailed(
                    f"Expected trials that train. Found {failures} failures in a row, the last "
                    f"one: {result.reason} The sweep is kept; mend the cause, then "
                    f"`lossweights resume {store.name}`."
                )


def _effective(space: Space, asked: Asked, scales: Mapping[str, float] | None) -> dict[str, float]:
    """What multiplies each term: the sampled weight over the term's reference magnitude."""
    weights = space.weights(asked.parameters)
    return {name: weight / (scales or {}).get(name, 1.0) for name, weight in weights.items()}


def _train(trainer: Trainer, members: list[Member]) -> list[TrialResult]:
    reports: dict[int, list[EpochReport]] = {}

    def report(position: int, epoch: EpochReport) -> bool:
        reports.setdefault(position, []).append(epoch)
        return True

    try:
        return trainer.train(members, report)
    except Exception as error:  # code of the user's own may raise anything; the sweep goes on
        log.debug("a trial failed", exc_info=True)
        reason = "".join(traceback.format_exception_only(error)).strip()
        return [
            TrialResult(
                weights=dict(member.weights),
                seed=member.seed,
                outcome=Outcome.FAILED,
                reports=tuple(reports.get(position, ())),
                reason=reason,
                trainer=trainer.name,
            )
            for position, member in enumerate(members)
        ]
