"""Batches that wait at rungs: they go on once it is decided who of their wave does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lossweights.driver._flight import Flight, checked
from lossweights.driver._wave import Wave, tell_end
from lossweights.executors import Ended, Executor, Waiting
from lossweights.records import Outcome
from lossweights.results.folder import Finished
from lossweights.search.aims import Aims
from lossweights.search.rungs import Pruning
from lossweights.store import Store, WaveRecord


class Halts:
    """Lets what waits go on, and holds back the ends of what did not wait.

    Usually every batch of a wave trains, and waits for the others. After a loss there may be more
    of them than slots. Then all slots would wait for what none of them can train; so one batch goes
    on before it is decided who of it does, and what that was for nothing does not count.

    Args:
        executor: Trains.
        flights: The batches under way, by key.
        store: The sweep on disk.
        pruning: Decides who goes on, or ``None`` where there are no rungs.
    """

    def __init__(
        self,
        executor: Executor,
        flights: Mapping[int, Flight],
        store: Store,
        pruning: Pruning | None,
    ) -> None:
        self._executor, self._flights, self._store = executor, flights, store
        self._pruning, self._place = pruning, store.place

    def begin(self, places: Sequence[int]) -> Wave | None:
        """A wave of places that are asked for now.

        Raises:
            StoreError: That cannot be written.
        """
        if self._pruning is None:
            return None
        record = WaveRecord(tuple(places))
        self._store.journal.begin(record)
        return self.wave(record)

    def wave(self, record: WaveRecord | None) -> Wave | None:
        """A wave of which perhaps something was decided before."""
        if self._pruning is None or record is None:
            return None
        store = self._store
        aims = Aims.of_manifest(store.manifest)
        return Wave(record, self._pruning, store.journal, store.objectives, aims)

    def learn(self, place: int, finished: Finished) -> None:
        """The trial at a place has ended, and so have all places before it."""
        if self._pruning is not None:
            tell_end(self._pruning, place, finished, self._store.objectives)

    def wait(self, flight: Flight, event: Waiting, *, stopping: bool) -> None:
        """A batch has got to a rung."""
        if flight.wave is None or stopping:
            self._executor.go_on(event.batch, event.epoch, range(len(flight.trials)))
            return
        flight.waits_at = event.epoch
        standings = event.standings.items()
        known = {self._place(flight.trials[position]): metrics for position, metrics in standings}
        flight.wave.hear(event.epoch, known)

    def end(self, flight: Flight, event: Ended) -> None:
        """A batch has ended, and with it those of its trials that nobody stopped."""
        flight.end, flight.waits_at = event, None
        if flight.wave is not None:
            for trial, result in zip(flight.trials, event.results, strict=True):
                if result.outcome is not Outcome.PRUNED:
                    finished = Finished(trial, checked(result, self._store.objectives))
                    flight.wave.end(self._place(trial), finished)

    def settle(self, wave: Wave) -> list[Flight]:
        """Decide what can be decided, and let go on what can; the batches whose ends count now.

        Raises:
            StoreError: A decision cannot be written.
        """
        made = wave.decide()
        own = [flight for flight in self._flights.values() if flight.wave is wave]
        for flight in own:
            if flight.waits_at is not None:
                stopped = wave.decision(flight.waits_at)
                if stopped is not None:
                    self._go_on(flight, stopped)
            elif flight.is_ahead and flight.end is None and made:
                late = frozenset[int]().union(*made.values())
                self._executor.stop(flight.batch.key, self._positions(flight, late))
        waiting = [each for each in self._flights.values() if each.waits_at is not None]
        if len(waiting) >= self._executor.slots:
            waiting[-1].is_ahead = True
            self._go_on(waiting[-1], frozenset(), decided=False)
        return [each for each in own if each.end is not None and self.is_decided(each)]

    def is_decided(self, flight: Flight) -> bool:
        """Whether it is known what of the results of a batch counts."""
        if flight.wave is None or flight.end is None:
            return True
        made = [result.reports[-1].epoch for result in flight.end.results if result.reports]
        return flight.wave.is_decided(max(made, default=0))

    def stopped(self, flight: Flight) -> dict[int, int]:
        """The rung at which members of a batch stop, by position."""
        if flight.wave is None:
            return {}
        rungs = [flight.wave.stopped_at(self._place(trial)) for trial in flight.trials]
        return {position: rung for position, rung in enumerate(rungs) if rung is not None}

    def _go_on(self, flight: Flight, stopped: frozenset[int], *, decided: bool = True) -> None:
        epoch, flight.waits_at = flight.waits_at, None
        if decided:
            flight.is_ahead = False
        if epoch is not None:
            self._executor.go_on(flight.batch.key, epoch, self._positions(flight, stopped))

    def _positions(self, flight: Flight, places: frozenset[int]) -> list[int]:
        return [i for i, trial in enumerate(flight.trials) if self._place(trial) in places]
