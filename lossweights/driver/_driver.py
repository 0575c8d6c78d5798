"""The loop of a sweep: ask, have it trained, keep, learn, until enough trials have ended."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

from lossweights.base.commands import command
from lossweights.base.errors import SweepFailed
from lossweights.base.signals import Interrupted, Signals
from lossweights.driver._divergence import Divergence
from lossweights.driver._flight import Flight
from lossweights.driver._policy import Policy
from lossweights.driver._recorder import Recorder
from lossweights.driver._streak import LONGEST, Streak
from lossweights.driver._turns import Turn, Turns
from lossweights.executors import Batch, Ended, Event, Executor, Lost, Reported, Started
from lossweights.records import EpochReport, Failure, Outcome
from lossweights.results.folder import Asked, Finished
from lossweights.results.status import Worker
from lossweights.search.stagnation import Stagnation
from lossweights.store import Store

log = logging.getLogger("lossweights")

# Single trials under way at once. The sampler then knows the same whether one process trains or
# four, and so the sweep is the same; what it lacks are the last few trials.
AHEAD = 8
POLL_SECONDS = 0.2
STOP_SECONDS = 5.0  # that batches have to end by themselves after a signal


class LiveTracker(Protocol):
    """Hears of reports while trials train."""

    def reported(
        self, asked: Asked, weights: Mapping[str, float], report: EpochReport, time: int
    ) -> None:
        """A trial that is training has finished an epoch, at that time in milliseconds."""


class Driver:
    """Drives one sweep: the only one that asks, keeps and learns.

    Args:
        store: The sweep on disk.
        executor: Trains; it has started.
        recorder: Writes; it is running.
        signals: Says when to stop.
        policy: What to do with trials that go wrong.
        tracker: Hears of reports while trials train, or ``None``.
        deadline: When to end in order, on the clock of `time.monotonic`; ``None`` for never.
        stagnation: Says when nothing new is to be asked for; ``None`` for never.

    Attributes:
        out_of_time: Whether it ended at the deadline, before enough trials had.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        recorder: Recorder,
        signals: Signals,
        policy: Policy,
        tracker: LiveTracker | None = None,
        deadline: float | None = None,
        stagnation: Stagnation | None = None,
    ) -> None:
        self._store, self._executor, self._recorder = store, executor, recorder
        self._signals, self._policy, self._tracker = signals, policy, tracker
        # Single trials are asked for ahead, so that no worker ever waits; stacks are not, since the
        # sampler would have learned nothing of one before it makes up the next.
        self._single = executor.capacity == 1
        ahead = max(executor.slots + executor.ahead, AHEAD)
        self._depth = ahead if self._single else executor.slots
        self._turns = Turns(self._depth, executor.slots)
        self._flights: dict[int, Flight] = {}
        self._keys = itertools.count()
        self._sizes: deque[int] = deque()
        self._fits: int | None = None  # members of a stack, since a larger one lacked memory
        self._streak, self._divergence = Streak(), Divergence()
        self._deadline = math.inf if deadline is None else deadline
        self._stagnation = stagnation
        self.out_of_time = False

    def run(self, trials: int) -> None:
        """Train until so many weight sets have been tried, counting those from before.

        At the deadline it ends in order, and if the first 16 since the sweep last changed have all
        diverged: what has not ended is given up, and the sweep can be resumed.

        Raises:
            SweepFailed: Three batches in a row failed for the same reason.
            Interrupted: A signal asked to stop; the sweep can be resumed.
            StoreError: The disk takes no more; the sweep can be resumed.
            WorkerError, SweepChanged: No worker can train this sweep any more.
        """
        if self._store.finished() >= trials:
            return
        try:
            with self._signals.patiently():
                self._go_on_from_history()
                self._sizes.extend(self._batches(trials))
                self._advance()
                while self._flights and not self._divergence.is_all:
                    self._executor.poll(POLL_SECONDS, self._hear)
                    if self._stopping:
                        self._stop()
                        break
                    self._recorder.wait()
                    self._advance()
                if self._flights:
                    self._give_up()
            if self._recorder.error is not None:
                raise self._recorder.error
        except BaseException:
            self._give_up()
            raise
        stagnated = self._stagnation is not None and self._stagnation.is_reached
        self.out_of_time = self._store.finished() < trials and not stagnated

    @property
    def _stopping(self) -> bool:
        """Whether nothing new is to begin, and what trains is to end."""
        return self._signals.received is not None or time.monotonic() >= self._deadline

    def at_once(self, trials: int) -> int:
        """How many of so many trials are under way at once."""
        return self._executor.slots * max(self._batches(trials), default=1)

    def _batches(self, trials: int) -> list[int]:
        """How many trials each batch gets of those that are still to be asked for."""
        new = max(trials - self._store.places, 0)
        return batch_sizes(new, self._executor.capacity, self._executor.slots)

    def workers(self) -> list[Worker]:
        """The workers at this moment, and what they train; from any thread."""
        flights = dict(self._flights)
        found = []
        for state in self._executor.workers():
            flight = None if state.batch is None else flights.get(state.batch)
            trials = () if flight is None else tuple(asked.number for asked in flight.trials)
            found.append(Worker(state.pid, trials))
        return found

    def _go_on_from_history(self) -> None:
        """Let the sampler learn of what was before as if the sweep had never stopped.

        Trials ended out of turn before the stop wait for theirs again.
        """
        history, due = self._store.take_history(), self._store.take_due()
        place = self._store.place
        for finished in history:
            outcome = finished.result.outcome
            # What diverged before the sweep was changed might not do so any more.
            if outcome is not Outcome.DIVERGED or place(finished.asked) >= self._store.changed_at:
                self._divergence.add(outcome)
        first = min((place(asked) for asked in due), default=self._store.places)
        learned_until = min(first, self._store.places - self._depth + 1)
        waiting: dict[int, Finished | Asked] = {}
        for finished in history:
            if not self._single or place(finished.asked) < learned_until:
                self._learn(finished)
            else:
                self._store.expect(finished.asked)
                waiting[place(finished.asked)] = finished
        if self._single:
            waiting.update({place(asked): asked for asked in due})
            for at in sorted(waiting):
                self._wait_again(at, waiting[at])
        else:
            for start in range(0, len(due), self._executor.capacity):
                batch = due[start : start + self._executor.capacity]
                self._submit(batch, self._turns.begin([place(asked) for asked in batch]))

    def _wait_again(self, place: int, item: Finished | Asked) -> None:
        turn = self._turns.begin([place])
        if isinstance(item, Finished):
            turn.results[place] = item
        else:
            self._submit([item], turn)

    def _advance(self) -> None:
        """Ask for what there is room for, learn from whose turn it is, and so on in turns."""
        while True:
            while self._sizes and self._turns.room and self._may_ask():
                trials = [self._store.propose() for _ in range(self._next_size())]
                places = [self._store.place(asked) for asked in trials]
                self._submit(trials, self._turns.begin(places))
            turn = self._turns.next_over()
            if turn is None:
                break
            for place in turn.places:
                self._learn(turn.results[place])
        self._recorder.wake()

    def _learn(self, finished: Finished) -> None:
        """Let the sampler learn of a trial, and whatever else goes by the order of places."""
        self._store.learn(finished)
        if self._stagnation is not None:
            result = finished.result
            self._stagnation.add(result.metrics if result.outcome is Outcome.COMPLETE else None)

    def _may_ask(self) -> bool:
        if self._stagnation is not None and self._stagnation.is_reached:
            return False
        return self._recorder.error is None and not self._divergence.is_all

    def _next_size(self) -> int:
        size = self._sizes.popleft()
        if self._fits is not None and size > self._fits:
            self._sizes.appendleft(size - self._fits)
            return self._fits
        return size

    def _submit(self, trials: Sequence[Asked], turn: Turn, attempt: int = 0) -> None:
        policy = self._policy
        batch = Batch(
            key=next(self._keys),
            members=tuple(self._store.member(asked) for asked in trials),
            seconds=policy.trial_timeout and policy.trial_timeout * len(trials),
            rungs=frozenset() if policy.stop_rule is None else policy.stop_rule.rungs,
        )
        self._flights[batch.key] = Flight(batch, trials, turn, attempt)
        self._executor.submit(batch)

    def _hear(self, event: Event) -> None:
        flight = self._flights.get(event.batch)
        if flight is None:
            return  # given up
        if isinstance(event, Started):
            flight.start()
            self._store.begin(flight.trials[-1])
            self._recorder.wake()
        elif isinstance(event, Reported):
            self._reported(flight, event)
        elif isinstance(event, Ended):
            self._ended(flight, event)
        else:
            self._lost(flight, event)

    def _reported(self, flight: Flight, event: Reported) -> None:
        asked, rule = flight.trials[event.position], self._policy.stop_rule
        at = flight.note(event)
        if at is not None:
            self._store.spool.add(asked.number, event.report, at)
            if self._tracker is not None:
                weights = flight.batch.members[event.position].weights
                self._tracker.reported(asked, weights, event.report, at)
        if (
            rule is not None
            and event.report.epoch in rule.rungs
            and rule.stops(asked, event.report)
        ):
            flight.pruned.add(event.position)
            self._executor.stop(event.batch, [event.position])
        if self._stopping:
            self._executor.stop(event.batch, range(len(flight.trials)))

    def _ended(self, flight: Flight, event: Ended) -> None:
        del self._flights[event.batch]
        if event.dropped:
            log.debug("batch %d: %d live reports left out", event.batch, event.dropped)
        found = flight.ended(event, self._store.objectives, stopping=self._stopping)
        self._keep(flight, found)
        failures = {finished.result.failure for finished in found}
        alike = failures.pop() if len(failures) == 1 else None
        self._count(flight, alike, found[-1].result.reason)

    def _lost(self, flight: Flight, event: Lost) -> None:
        del self._flights[event.batch]
        members, failure = len(flight.trials), event.failure
        shrinks = self._policy.shrinks(failure, members)
        again = shrinks or self._policy.retries(failure, flight.attempt)
        stopping = self._stopping
        cut_short = again or (stopping and failure.transient)
        found = flight.lost(event, self._executor.trainer, again=cut_short)
        self._keep(flight, found)
        half = -(-members // 2)
        if again and not stopping:
            how = f"tried again, {half} at once" if members > 1 else "tried again"
            log.warning("%s; its weights are %s", event.reason, how)
            trials = [self._store.retry(finished.asked) for finished in found]
            attempt = flight.attempt if shrinks else flight.attempt + 1
            for start in range(0, members, half):
                self._submit(trials[start : start + half], flight.turn, attempt)
        if failure is Failure.OUT_OF_MEMORY and shrinks:
            self._fits = half
        self._count(flight, failure, event.reason)

    def _keep(self, flight: Flight, found: Sequence[Finished]) -> None:
        for finished in found:
            self._store.keep(finished)
            if not finished.again:
                flight.turn.results[self._store.place(finished.asked)] = finished
                self._divergence.add(finished.result.outcome)
        self._recorder.wake()

    def _count(self, flight: Flight, failure: Failure | None, reason: str) -> None:
        """Stop before a night is lost on trials that all fail alike."""
        if failure is None or failure is Failure.INTERRUPTED:
            self._streak.clear()
            return
        alone = len(flight.trials) == 1
        places = [self._store.place(flight.trials[0])] if alone else flight.turn.places
        if (found := self._streak.add(failure, places)) >= LONGEST:
            go_on = command("resume", self._store.name, self._store.root)
            raise SweepFailed(
                f"Expected trials that train. Found {found} failures in a row, since "
                f"{failure.value}. The last one: {reason.rstrip('.')}. The sweep is kept; mend the "
                f"cause, then `{go_on}`."
            )

    def _stop(self) -> None:
        """End in order: what is training may end within a few seconds, nothing new begins.

        Raises:
            Interrupted: A signal asked for it, not the deadline.
        """
        self._sizes.clear()
        for key in self._executor.withdraw():
            self._abandon(key)
        for key, flight in self._flights.items():
            self._executor.stop(key, range(len(flight.trials)))
        deadline = time.monotonic() + STOP_SECONDS
        while self._flights and time.monotonic() < deadline:
            self._executor.poll(POLL_SECONDS, self._hear)
        if self._signals.received is not None:
            raise Interrupted(self._signals.received)

    def _give_up(self) -> None:
        """End now what is still training; it is tried again when the sweep is resumed."""
        self._executor.kill()
        for key in list(self._flights):
            self._abandon(key)

    def _abandon(self, key: int) -> None:
        """Give a batch up. If it had begun, its weights are tried again when the sweep is resumed;
        if not, nobody knows of it, and it will be asked for again.
        """
        flight = self._flights.pop(key)
        if self._store.begun(flight.trials[-1]):
            event = Lost(key, Failure.INTERRUPTED, Failure.INTERRUPTED.value)
            self._keep(flight, flight.lost(event, self._executor.trainer, again=True))


def batch_sizes(trials: int, capacity: int, slots: int) -> list[int]:
    """How many trials each batch gets: even, as few batches as the slots can share equally.

    >>> batch_sizes(100, capacity=64, slots=1), batch_sizes(64, capacity=64, slots=2)
    ([50, 50], [32, 32])
    >>> batch_sizes(3, capacity=1, slots=2)
    [1, 1, 1]
    """
    rounds = -(-trials // (capacity * slots))
    count = min(trials, rounds * slots)
    return [trials // count + (index < trials % count) for index in range(count)] if count else []
