"""What is done with trials that go wrong."""

from __future__ import annotations

from dataclasses import dataclass

from lossweights.records import Failure


@dataclass(frozen=True)
class Policy:
    """What is done with trials that go wrong.

    Attributes:
        max_retries: How often weights are tried again whose trial was cut short by no fault of
            their own: a killed worker, a time limit. An exception or a lack of memory would only
            come again, and is not retried.
        trial_timeout: Seconds that a trial may train, or ``None``.
        go_on: The command that goes on with the sweep once the cause is mended.
    """

    max_retries: int = 1
    trial_timeout: float | None = None
    go_on: str = "lossweights resume"

    def shrinks(self, failure: Failure, members: int) -> bool:
        """Whether a lost stack is tried again in halves, which counts against none of its members.

        A stack dies as a whole, for lack of memory or by the fault of one; only smaller ones, down
        to members that are alone, show which.

        >>> policy = Policy(max_retries=0)
        >>> policy.shrinks(Failure.OUT_OF_MEMORY, 8), policy.shrinks(Failure.OUT_OF_MEMORY, 1)
        (True, False)
        """
        if members == 1 or failure not in (Failure.OUT_OF_MEMORY, Failure.WORKER_KILLED):
            return False
        return failure is Failure.OUT_OF_MEMORY or self.max_retries > 0

    def retries(self, failure: Failure, attempt: int) -> bool:
        """Whether weights are tried again that failed at this attempt, counted from 0.

        >>> [Policy(max_retries=1).retries(Failure.TIMEOUT, attempt) for attempt in (0, 1)]
        [True, False]
        """
        return failure.transient and attempt < self.max_retries
