"""The loop of a sweep: ask, have it trained, keep, learn, until enough trials have ended."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Sequence

from lossweights.base.signals import Interrupted, Signals
from lossweights.driver._enough import Enough
from lossweights.driver._flight import Flight
from lossweights.driver._halts import Halts
from lossweights.driver._history import open_turns, open_waves
from lossweights.driver._live import LiveTracker
from lossweights.driver._plan import AHEAD, Plan
from lossweights.driver._policy import Policy
from lossweights.driver._recorder import Recorder
from lossweights.driver._streak import Streak
from lossweights.driver._turns import Turn, Turns
from lossweights.driver._wave import Wave
from lossweights.executors import Batch, Ended, Event, Executor, Lost, Reported, Started, Waiting
from lossweights.records import Failure, Outcome
from lossweights.results.folder import Asked, Finished
from lossweights.results.status import Worker
from lossweights.search.rungs import Pruning
from lossweights.search.stagnation import Stagnation
from lossweights.store import Store

log = logging.getLogger("lossweights")

POLL_SECONDS = 0.2
STOP_SECONDS = 5.0  # that batches have to end by themselves after a signal


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
        pruning: Decides which trials are not worth going on with, or ``None`` for none.
        stagnation: Says when the front does not grow any more; ``None`` for never.

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
        pruning: Pruning | None = None,
        stagnation: Stagnation | None = None,
    ) -> None:
        self._store, self._executor, self._recorder = store, executor, recorder
        self._signals, self._policy, self._tracker = signals, policy, tracker
        self._pruning = pruning
        # Single trials are asked for ahead, so that no worker ever waits; stacks are not, since the
        # sampler would have learned nothing of one before it makes up the next. Waves neither: a
        # worker idles until its wave is over.
        ahead = max(executor.slots + executor.ahead, AHEAD)
        self._depth = ahead if executor.capacity == 1 else executor.slots
        if pruning is not None:
            self._depth = 1
        self._turns = Turns(self._depth, executor.slots if pruning is None else 1)
        self._flights: dict[int, Flight] = {}
        self._keys = itertools.count()
        self._plan = Plan(executor.capacity, executor.slots, waves=pruning is not None)
        self._halts = Halts(executor, self._flights, store, pruning)
        self._streak, self._enough = Streak(), Enough(store.sampler, stagnation)
        self._deadline = math.inf if deadline is None else deadline
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
                self._go_on_from_history(trials)
                self._plan.fill(self._new(trials), trials)
                self._advance()
                while self._flights and not self._enough.diverged:
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
        self.out_of_time = self._store.finished() < trials and not self._enough.done

    @property
    def _stopping(self) -> bool:
        """Whether nothing new is to begin, and what trains is to end."""
        return self._signals.received is not None or time.monotonic() >= self._deadline

    def at_once(self, trials: int) -> int:
        """How many of so many trials are under way at once."""
        return self._plan.at_once(self._new(trials), trials)

    def _new(self, trials: int) -> int:
        """How many trials are still to be asked for."""
        return max(trials - self._store.places, 0)

    def workers(self) -> list[Worker]:
        """The workers at this moment, and what they train; from any thread."""
        flights = dict(self._flights)
        found = []
        for state in self._executor.workers():
            flight = None if state.batch is None else flights.get(state.batch)
            trials = () if flight is None else tuple(asked.number for asked in flight.trials)
            found.append(Worker(state.pid, trials, state.node))
        return found

    def _go_on_from_history(self, trials: int) -> None:
        """Let the sampler learn of what was before as if the sweep had never stopped."""
        history = self._store.take_history()
        for finished in history:
            outcome, at = finished.result.outcome, self._store.place(finished.asked)
            # What diverged before the sweep was changed might not do so any more.
            if outcome is not Outcome.DIVERGED or at >= self._store.changed_at:
                self._enough.ended(outcome)
        pruning = self._pruning
        if pruning is not None:
            found = open_waves(self._store, history, pruning, trials, self._learn)
        else:
            sizes = self._plan.turns(trials)
            found = open_turns(self._store, history, sizes, self._depth, self._learn)
        for each in found:
            turn, wave = self._turns.begin(each.places), self._halts.wave(each.record)
            turn.results.update(each.results)
            if wave is not None:
                wave.ended_before(each.results)
            for batch in each.batches(1 if wave is None else self._executor.slots):
                self._submit(batch, turn, wave=wave)

    def _advance(self) -> None:
        """Ask for what there is room for, learn from whose turn it is, and so on in turns."""
        while True:
            while self._plan and self._turns.room and self._may_ask():
                self._ask()
            turn = self._turns.next_over()
            if turn is None:
                break
            for place in turn.places:
                self._learn(turn.results[place])
                self._halts.learn(place, turn.results[place])
        self._recorder.wake()

    def _learn(self, finished: Finished) -> None:
        self._store.learn(finished)
        self._enough.learned(finished)

    def _ask(self) -> None:
        """Ask for the trials of a turn, and have them trained."""
        batches = [[self._store.propose() for _ in range(size)] for size in self._plan.next()]
        places = [self._store.place(asked) for batch in batches for asked in batch]
        turn, wave = self._turns.begin(places), self._halts.begin(places)
        for batch in batches:
            self._submit(batch, turn, wave=wave)

    def _may_ask(self) -> bool:
        enough = self._enough.diverged or self._enough.done
        return self._recorder.error is None and not enough

    def _submit(
        self, trials: Sequence[Asked], turn: Turn, attempt: int = 0, wave: Wave | None = None
    ) -> Flight:
        policy = self._policy
        batch = Batch(
            key=next(self._keys),
            members=tuple(self._store.member(asked) for asked in trials),
            seconds=policy.trial_timeout and policy.trial_timeout * len(trials),
            rungs=frozenset() if self._pruning is None else frozenset(self._pruning.at),
        )
        flight = self._flights[batch.key] = Flight(batch, trials, turn, attempt, wave)
        self._executor.submit(batch)
        return flight

    def _hear(self, event: Event) -> None:
        flight = self._flights.get(event.batch)
        if flight is None:
            return  # given up
        if isinstance(event, Started):
            flight.start(event.node)
            self._store.begin(flight.trials[-1])
            self._recorder.wake()
        elif isinstance(event, Reported):
            self._reported(flight, event)
        elif isinstance(event, Waiting):
            self._halts.wait(flight, event, stopping=self._stopping)
            self._settle(flight)
        elif isinstance(event, Ended):
            self._ended(flight, event)
        else:
            self._lost(flight, event)

    def _reported(self, flight: Flight, event: Reported) -> None:
        asked = flight.trials[event.position]
        at = flight.note(event)
        if at is not None:
            self._store.spool.add(asked.number, event.report, at)
            if self._tracker is not None and not flight.is_ahead:
                weights = flight.batch.members[event.position].weights
                self._tracker.reported(asked, weights, event.report, at)
        if self._stopping:
            self._executor.stop(event.batch, range(len(flight.trials)))

    def _settle(self, flight: Flight) -> None:
        """Go on with the wave of a batch, if there is one."""
        if flight.wave is not None:
            for each in self._halts.settle(flight.wave):
                self._finish(each)

    def _ended(self, flight: Flight, event: Ended) -> None:
        if event.dropped:
            log.debug("batch %d: %d live reports left out", event.batch, event.dropped)
        self._halts.end(flight, event)
        if flight.wave is None:
            self._finish(flight)
        self._settle(flight)
        if event.batch in self._flights and self._stopping:
            self._abandon(event.batch)  # nobody is left to decide what of it counts

    def _finish(self, flight: Flight) -> None:
        """Keep what came of a batch."""
        event = flight.end
        if event is None:
            return
        del self._flights[event.batch]
        stopped = self._halts.stopped(flight)
        found = flight.ended(
            event,
            self._store.objectives,
            stopping=self._stopping,
            stopped=stopped,
            described=self._store.manifest.get("metrics") or {},
        )
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
                part = trials[start : start + half]
                self._submit(part, flight.turn, attempt, flight.wave).origin = flight.origin
        if failure is Failure.OUT_OF_MEMORY and shrinks:
            self._plan.fit(half)
        self._count(flight, failure, event.reason)
        self._settle(flight)

    def _keep(self, flight: Flight, found: Sequence[Finished]) -> None:
        for finished in found:
            self._store.keep(finished)
            if not finished.again:
                place = self._store.place(finished.asked)
                flight.turn.results[place] = finished
                self._enough.ended(finished.result.outcome)
                if flight.wave is not None:
                    flight.wave.end(place, finished)
        self._recorder.wake()

    def _count(self, flight: Flight, failure: Failure | None, reason: str) -> None:
        """Stop before a night is lost on trials that all fail alike."""
        if failure is None or failure is Failure.INTERRUPTED:
            self._streak.clear()
            return
        alone = len(flight.trials) == 1
        places = [self._store.place(flight.trials[0])] if alone else flight.origin
        self._streak.add(failure, places)
        if self._streak.is_too_long:
            raise self._streak.error(failure, reason, self._policy.go_on)

    def _stop(self) -> None:
        """End in order: what is training may end within a few seconds, nothing new begins.

        Raises:
            Interrupted: A signal asked for it, not the deadline.
        """
        self._plan.clear()
        ended = [key for key, flight in self._flights.items() if flight.end is not None]
        for key in [*self._executor.withdraw(), *ended]:
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
