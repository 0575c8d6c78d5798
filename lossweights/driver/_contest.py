"""The loop of a contest: what is to be trained is known from the start, and nothing is learned."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lossweights.base.signals import Interrupted, Signals
from lossweights.driver._flight import Flight
from lossweights.driver._plan import batch_sizes
from lossweights.driver._policy import Policy
from lossweights.driver._turns import Turn
from lossweights.executors import Batch, Ended, Event, Executor, Lost, Reported, Started
from lossweights.results.contest import Outing
from lossweights.results.folder import Asked, Finished
from lossweights.training import Member

log = logging.getLogger("lossweights")

POLL_SECONDS = 0.2
STOP_SECONDS = 5.0  # that batches have to end by themselves after a signal


@dataclass(frozen=True)
class Entry:
    """A training to do.

    Attributes:
        names: The contestants that it is of: those that are the same share it.
        look: The look that it belongs to.
        member: What is trained.
    """

    names: tuple[str, ...]
    look: int
    member: Member


class ContestDriver:
    """Has entries trained, and hands on what came of each. Trainings that fail are results too.

    Args:
        executor: Trains; it has started, and nothing of others is under way.
        signals: Says when to stop.
        policy: What to do with trainings that go wrong.
        objectives: What a complete training must have measured.
        keep: Called with what came of trainings that ended; it may write.
        idle: Called between them, at least every 0.2 seconds where others train.
        deadline: When to end in order, on the clock of `time.monotonic`; ``None`` for never.

    Attributes:
        out_of_time: Whether it ended at the deadline, before all had ended.
    """

    def __init__(
        self,
        executor: Executor,
        signals: Signals,
        policy: Policy,
        objectives: Iterable[str],
        keep: Callable[[Sequence[Outing]], None],
        idle: Callable[[], None] = lambda: None,
        deadline: float | None = None,
    ) -> None:
        self._executor, self._signals, self._policy = executor, signals, policy
        self._objectives, self._kept, self._idle = list(objectives), keep, idle
        self._deadline = math.inf if deadline is None else deadline
        # The executor may still tell of batches of the trials that were given up.
        self._keys = itertools.count(1 << 32)
        self._entries: list[Entry] = []
        self._flights: dict[int, Flight] = {}
        self.out_of_time = False

    def run(self, entries: Sequence[Entry]) -> None:
        """Train all entries, those of one seed together.

        At the deadline, and at a signal, it ends in order: what has not ended is forgotten.

        Raises:
            Interrupted: A signal asked to stop.
            WorkerError: Nothing can be trained any more.
        """
        self._entries = list(entries)
        try:
            with self._signals.patiently():
                for batch in batches(entries, self._executor.capacity, self._executor.slots):
                    self._submit(batch)
                while self._flights and not self._stopping:
                    self._executor.poll(POLL_SECONDS, self._hear)
                    self._idle()
                if self._flights:
                    self._stop()
        except BaseException:
            self._executor.kill()
            raise

    @property
    def _stopping(self) -> bool:
        return self._signals.received is not None or time.monotonic() >= self._deadline

    def _submit(self, places: Sequence[int], attempt: int = 0) -> None:
        members = tuple(self._entries[place].member for place in places)
        limit = self._policy.trial_timeout
        batch = Batch(next(self._keys), members, limit and limit * len(members))
        trials = [Asked(place, {}, "contest") for place in places]
        self._flights[batch.key] = Flight(batch, trials, Turn((), 0.0), attempt)
        self._executor.submit(batch)

    def _hear(self, event: Event) -> None:
        flight = self._flights.get(event.batch)
        if flight is None:
            return
        if isinstance(event, Started):
            flight.start()
        elif isinstance(event, Reported):
            flight.note(event)
            if self._stopping:
                self._executor.stop(event.batch, range(len(flight.trials)))
        elif isinstance(event, Ended):
            del self._flights[event.batch]
            found = flight.ended(event, self._objectives, stopping=self._stopping, stopped={})
            self._keep(found)
        elif isinstance(event, Lost):
            del self._flights[event.batch]
            self._lost(flight, event)

    def _lost(self, flight: Flight, event: Lost) -> None:
        members, failure = len(flight.trials), event.failure
        shrinks = self._policy.shrinks(failure, members)
        again = shrinks or self._policy.retries(failure, flight.attempt)
        cut_short = again or (self._stopping and failure.transient)
        self._keep(flight.lost(event, self._executor.trainer, again=cut_short))
        if again and not self._stopping:
            log.warning("%s; it is tried again", event.reason)
            half = -(-members // 2)
            places = [asked.number for asked in flight.trials]
            for start in range(0, members, half):
                attempt = flight.attempt if shrinks else flight.attempt + 1
                self._submit(places[start : start + half], attempt)

    def _keep(self, found: Sequence[Finished]) -> None:
        ended = [finished for finished in found if not finished.again]
        self._kept([outing for finished in ended for outing in self._outings(finished)])

    def _outings(self, finished: Finished) -> Iterator[Outing]:
        entry, result = self._entries[finished.asked.number], finished.result
        for name in entry.names:
            yield Outing(name, entry.member.seed, entry.look, result, finished.times)

    def _stop(self) -> None:
        """End in order: what is training may end within a few seconds.

        Raises:
            Interrupted: A signal asked for it, not the deadline.
        """
        for key in self._executor.withdraw():
            self._flights.pop(key, None)
        for key, flight in self._flights.items():
            self._executor.stop(key, range(len(flight.trials)))
        until = time.monotonic() + STOP_SECONDS
        while self._flights and time.monotonic() < until:
            self._executor.poll(POLL_SECONDS, self._hear)
        if self._flights:
            self._flights.clear()
            self._executor.kill()
        if self._signals.received is not None:
            raise Interrupted(self._signals.received)
        self.out_of_time = True


def batches(entries: Sequence[Entry], capacity: int, slots: int) -> list[list[int]]:
    """Which entries are trained together, by position: those of a seed, in even parts.

    Args:
        entries: What is to be trained.
        capacity: How many members a batch trains best.
        slots: How many batches are trained at the same time.
    """
    seeds: dict[int, list[int]] = {}
    for place, entry in enumerate(entries):
        seeds.setdefault(entry.member.seed, []).append(place)
    shared = slots if len(seeds) < slots else 1  # by workers that would otherwise idle
    found = []
    for places in seeds.values():
        start = 0
        for size in batch_sizes(len(places), capacity, shared):
            found.append(places[start : start + size])
            start += size
    return found
