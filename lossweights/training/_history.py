"""The history of one member: its reports as they come, and whether its training goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.training._contract import Halts, Member, ReportFunction
from lossweights.training._weighing import Weighing
from lossweights.training.early_stopping import BestEpoch
from lossweights.training.problem import Problem


class MemberHistory:
    """What was measured of one member so far, and how its training ended.

    Args:
        position: Place of the member in the batch that is trained.
        member: Its weights and seed.
        problem: What is trained.
        report: Called with every report; False stops the member.

    Attributes:
        is_kept: Whether the parameters at the last report are those to keep, so far as is known.
        seconds: Training time, to be added up by the trainer.
        weighing: The weights in force.
        test: Metrics of the kept parameters on the test data, to be set by the trainer.
    """

    def __init__(
        self, position: int, member: Member, problem: Problem, report: ReportFunction
    ) -> None:
        self.position, self.member = position, member
        self.is_kept, self.seconds = False, 0.0
        self.weighing = Weighing(member, problem.ramps)
        self.test: Mapping[str, float] = {}
        self._epochs, self._report = problem.epochs, report
        stopping = problem.early_stopping
        self._best = None if stopping is None else BestEpoch(stopping)
        self._reports: list[EpochReport] = []
        self._outcome, self._reason = Outcome.COMPLETE, ""
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether the training has ended, in whatever way."""
        return self._is_over

    @property
    def has_failed(self) -> bool:
        """Whether the training ended in another way than it should."""
        return self._outcome is not Outcome.COMPLETE

    @property
    def was_stopped(self) -> bool:
        """Whether somebody stopped it before its end."""
        return self._outcome is Outcome.PRUNED

    @property
    def is_to_test(self) -> bool:
        """Whether the parameters that are kept are to be measured on the test data, now that the
        training has come to its end.
        """
        return self.member.tested and self._is_over and not self.has_failed

    def add(self, report: EpochReport, *, is_last: bool = False) -> bool:
        """Take up the report of an epoch; False if the training ends with it.

        Args:
            report: The report, which is given the weights in force if those are others.
            is_last: Whether the training ends here by itself, before the usual number of epochs.
        """
        self._is_over = not self._goes_on(report, is_last=is_last)
        return not self._is_over

    def move(self, gram: NDArray[np.float64] | None = None) -> None:
        """Move the weights, if a method does, by the last report; see `Weighing.move`."""
        self.weighing.move(self._reports[-1], gram)

    def _goes_on(self, report: EpochReport, *, is_last: bool) -> bool:
        if self.weighing.weights != self.member.weights or self.member.adaptive is not None:
            report = replace(report, weights=self.weighing.weights)
        self._reports.append(report)
        go_on = self._report(self.position, report)
        self.is_kept = False
        if report.bad is not None:
            self._outcome = Outcome.DIVERGED
            self._reason = f"{report.bad} was not finite after epoch {report.epoch}"
            return False
        is_last = is_last or report.epoch >= self._epochs
        if self._best is not None:
            self.is_kept = self._best.add(report)
            is_last = is_last or self._best.is_over
        else:
            self.is_kept = is_last
        if not go_on and not is_last:
            self.stop()
        return go_on and not is_last

    def stop(self) -> None:
        """End the training here, since it is not worth going on with."""
        self._outcome, self._is_over = Outcome.PRUNED, True
        self._reason = f"stopped after epoch {self._reports[-1].epoch}"
        self.is_kept = False

    @property
    def standing(self) -> Mapping[str, float] | None:
        """The metrics that it has got to, or ``None`` if it has diverged."""
        if self._outcome is not Outcome.COMPLETE:
            return None
        return self.result("").metrics if self._is_over else self._reports[-1].metrics

    def result(self, trainer: str) -> TrialResult:
        """The result of the member, trained by the trainer of this name."""
        return TrialResult(
            weights=dict(self.member.weights),
            chosen=dict(self.member.chosen),
            seed=self.member.seed,
            outcome=self._outcome,
            reports=tuple(self._reports),
            reason=self._reason,
            seconds=self.seconds,
            trainer=trainer,
            best_epoch=None if self._best is None or self.has_failed else self._best.epoch,
            test=self.test,
        )


def halt(histories: Sequence[MemberHistory], epoch: int, halts: Halts) -> list[MemberHistory]:
    """Let the members wait at an epoch, and end those that are told to stop there.

    Args:
        histories: All members of the training, those that have ended too.
        epoch: One of the halts, to which all that go on have got.
        halts: Says who stops.

    Returns:
        Those that were ended here.
    """
    standings = {
        history.position: history.standing for history in histories if not history.was_stopped
    }
    stopped = frozenset(halts.wait(epoch, standings))
    ended = [each for each in histories if each.position in stopped and not each.is_over]
    for history in ended:
        history.stop()
    return ended
