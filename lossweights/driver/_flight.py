"""A batch under way, and the finished trials that come of it, however it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from lossweights.driver._turns import Turn
from lossweights.driver._wave import Wave
from lossweights.executors import Batch, Ended, Lost, Reported, ReportLimit
from lossweights.records import EpochReport, Failure, Outcome, TrialResult
from lossweights.results.folder import Asked, Finished
from lossweights.results.undefined import way_out


class Flight:
    """A batch between its submission and its end.

    Attributes:
        batch: The batch.
        trials: The trial of each member.
        turn: The turn that they belong to.
        wave: The wave that they belong to, where there are rungs.
        attempt: How often these weights have been tried before.
        has_started: Whether it is training, or was.
        waits_at: The rung at which it waits.
        is_ahead: Whether it went on from a rung before that was decided. What it reports from there
            on may not count.
        origin: The numbers of the trials that were lost together with these, or these.
        end: How it ended, if that waits for a decision.
        node: The machine that it trains on, if that is another one.
    """

    def __init__(
        self,
        batch: Batch,
        trials: Sequence[Asked],
        turn: Turn,
        attempt: int = 0,
        wave: Wave | None = None,
    ) -> None:
        self.batch, self.trials = batch, tuple(trials)
        self.turn, self.attempt, self.wave = turn, attempt, wave
        self.waits_at: int | None = None
        self.is_ahead = self.has_started = False
        self.origin = tuple(asked.number for asked in trials)
        self.end: Ended | None = None
        self.node = ""
        self._limit = ReportLimit(batch)
        self._reports: dict[int, dict[int, tuple[EpochReport, int]]] = {}
        self.start()
        self.has_started = False

    def start(self, node: str = "") -> None:
        """The training begins: now, and on that machine if it is another one."""
        self.has_started, self.node = True, node
        # The clock on the wall is read once; it may jump, and the times in between must not.
        self._wall, self._started = time.time(), time.monotonic()

    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(1000 * (self._wall + time.monotonic() - self._started))

    def note(self, event: Reported) -> int | None:
        """Remember a report; its time if it is to be spooled, ``None`` if there are too many."""
        at = self.now()
        reports = self._reports.setdefault(event.position, {})
        reports[event.report.epoch] = (event.report, at)
        return at if self._limit.passes(event.position, event.report.epoch) else None

    def ended(
        self,
        event: Ended,
        objectives: Iterable[str],
        *,
        stopping: bool,
        stopped: Mapping[int, int],
        described: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[Finished]:
        """The trials of a batch that was trained.

        Args:
            event: How it ended.
            objectives: What a complete trial must have measured.
            stopping: Whether the sweep is; members that stopped for that are to be tried again.
            stopped: The rung at which a member was to stop, by position.
            described: The metrics as the manifest describes them.
        """
        objectives, found = list(objectives), []
        for position, result in enumerate(event.results):
            if position in stopped:
                result = ended_at(result, stopped[position])
            if stopping and result.outcome is Outcome.PRUNED and position not in stopped:
                found.append(self._finished(position, interrupted(result), again=True))
            else:
                found.append(self._finished(position, checked(result, objectives, described)))
        return found

    def lost(self, event: Lost, trainer: str, *, again: bool) -> list[Finished]:
        """The trials of a batch that was lost; whether they are to be tried again."""
        return [
            self._finished(
                position,
                TrialResult(
                    weights=dict(member.weights),
                    chosen=dict(member.chosen),
                    seed=member.seed,
                    outcome=Outcome.FAILED,
                    reports=tuple(r for r, _ in self._reports.get(position, {}).values()),
                    reason=event.reason,
                    seconds=(time.monotonic() - self._started) / len(self.trials),
                    trainer=trainer,
                    failure=event.failure,
                    details=event.details,
                ),
                again=again,
            )
            for position, member in enumerate(self.batch.members)
        ]

    def _finished(self, position: int, result: TrialResult, *, again: bool = False) -> Finished:
        times = {epoch: at for epoch, (_, at) in self._reports.get(position, {}).items()}
        began = int(1000 * self._wall)
        epochs = [report.epoch for report in result.reports]
        at = report_times(epochs, times, began, self.now())
        return Finished(self.trials[position], result, at, again, self.node)


def ended_at(result: TrialResult, rung: int) -> TrialResult:
    """The result of a trial that was to stop at a rung, unless it had ended there by itself.

    Where the decision came late, what was trained beyond does not count: the result is the one that
    it would have been in time.
    """
    last = result.reports[-1].epoch if result.reports else -1
    if last < rung or (last == rung and result.outcome is not Outcome.PRUNED):
        return result
    return replace(
        result,
        outcome=Outcome.PRUNED,
        reason=f"stopped at the rung after epoch {rung}",
        reports=tuple(report for report in result.reports if report.epoch <= rung),
        best_epoch=None,
        replicas=result.replicas if last == rung else (),
    )


def interrupted(result: TrialResult) -> TrialResult:
    """The result of a trial that stopped because the sweep did."""
    failure = Failure.INTERRUPTED
    return replace(result, outcome=Outcome.FAILED, failure=failure, reason=failure.value)


def checked(
    result: TrialResult,
    objectives: Iterable[str],
    described: Mapping[str, Any] = MappingProxyType({}),
) -> TrialResult:
    """The result itself, unless it calls itself complete without finite objectives.

    A number that is not finite is never a result, whichever trainer it comes from.

    Args:
        result: The result.
        objectives: What a complete trial must have measured.
        described: The metrics as the manifest describes them, which may tell why one is undefined.
    """
    if result.outcome is Outcome.FAILED and result.failure is None:
        return replace(result, failure=Failure.EXCEPTION)
    if result.outcome is not Outcome.COMPLETE:
        return result
    last = result.reports[-1] if result.reports else None
    if last is None or not set(objectives) <= set(last.metrics):
        reason = f"the trainer {result.trainer!r} reported no {', '.join(objectives)}"
        failed = Failure.EXCEPTION
        return replace(result, outcome=Outcome.FAILED, failure=failed, reason=reason)
    kept = result.metrics  # of the epoch whose parameters are kept, which need not be the last
    undefined = [n for n in objectives if not math.isfinite(kept.get(n, math.nan))]
    bad = result.bad_in(last) or next((f"metric {n}" for n in undefined), None)
    if bad is not None:
        reason = f"{bad} was not finite after epoch {last.epoch}"
        known = "" if result.bad_in(last) else way_out(described.get(undefined[0]))
        reason = f"{reason}: {known}" if known else reason
        return replace(result, outcome=Outcome.DIVERGED, reason=reason)
    return result


def report_times(
    epochs: Sequence[int], known: dict[int, int], began: int, ended: int
) -> tuple[int, ...]:
    """When each report was made: as it was seen, and evenly in between where it was not.

    Args:
        epochs: Epoch of each report.
        known: Times in milliseconds of the reports that were seen, by epoch.
        began: When the training began.
        ended: When it ended.

    >>> report_times([0, 1, 2, 3, 4], {2: 3000}, 1000, 4000)
    (1000, 2000, 3000, 3500, 4000)
    """
    if not epochs:
        return ()
    fixed = {epochs[0]: began, epochs[-1]: ended, **known}
    at = sorted(fixed)
    return tuple(int(t) for t in np.interp(epochs, at, [fixed[epoch] for epoch in at]))
