"""The history of one member: its reports as they come, and whether its training goes on."""

from __future__ import annotations

from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.training.contract import Member, ReportFunction


class MemberHistory:
    """What was measured of one member so far, and how its training ended.

    Args:
        position: Place of the member in the batch that is trained.
        member: Its weights and seed.
        epochs: Passes over the training data that it is to make.
        report: Called with every report; False stops the member.
    """

    def __init__(
        self, position: int, member: Member, epochs: int, report: ReportFunction
    ) -> None:
        self.member = member
        self.seconds = 0.0
        self._reports: list[EpochReport] = []
        self._outcome = Outcome.COMPLETE
        self._reason = ""
        self._position, self._epochs, self._report = position, epochs, report

    def add(self, report: EpochReport) -> bool:
        """Take up the report of an epoch; False if the training ends with it."""
        self._reports.append(report)
        go_on = self._report(self._position, report)
        if report.bad is not None:
            self._outcome = Outcome.DIVERGED
            self._reason = f"{report.bad} was not finite after epoch {report.epoch}"
            return False
        if report.epoch >= self._epochs:
            return False
        if not go_on:
            self._outcome = Outcome.PRUNED
            self._reason = f"stopped after epoch {report.epoch}"
        return go_on

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
