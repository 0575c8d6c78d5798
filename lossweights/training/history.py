"""The history of one member: its reports as they come, and whether its training goes on."""

from __future__ import annotations

from lossweights.problem import Problem
from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.training.contract import Member, ReportFunction


class MemberHistory:
    """What was measured of one member so far, and how its training ended.

    Args:
        position: Place of the member in the batch that is trained.
        member: Its weights and seed.
        problem: What is trained.
        report: Called with every report; False stops the member.
    """

    def __init__(
        self, position: int, member: Member, problem: Problem, report: ReportFunction
    ) -> None:
        self.position, self.member = position, member
        self.seconds = 0.0
        self._reports: list[EpochReport] = []
        self._outcome = Outcome.COMPLETE
        self._reason = ""
        self._problem, self._report = problem, report

    def add(self, report: EpochReport) -> bool:
        """Take up the report of an epoch; False if the training ends with it."""
        self._reports.append(report)
        go_on = self._report(self.position, report)
        if report.bad is not None:
            self._outcome = Outcome.DIVERGED
            self._reason = f"{report.bad} was not finite after epoch {report.epoch}"
            return False
        if report.epoch >= self._problem.epochs:
            return False
        if not go_on:
            self._outcome = Outcome.PRUNED
            self._reason = f"stopped after epoch {report.epoch}"
        return go_on

    @property
    def keeps_last(self) -> bool:
        """Whether the parameters of the last report are those to keep, so far as is known."""
        return self._outcome is Outcome.COMPLETE and (
            bool(self._reports) and self._reports[-1].epoch == self._problem.epochs
        )

    def result(self, trainer: str) -> TrialResult:
        """The result of the member, trained by the trainer of this name."""
        return TrialResult(
            weights=dict(self.member.weights),
            seed=self.member.seed,
            outcome=self._outcome,
            reports=tuple(self._reports),
            reason=self._reason,
            seconds=self.seconds,
            trainer=trainer,
        )
