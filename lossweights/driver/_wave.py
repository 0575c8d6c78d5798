"""A wave: trials that were asked for together, and who of them goes on at each rung."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from lossweights.records import Outcome
from lossweights.results.folder import Finished
from lossweights.search.aims import Aims
from lossweights.search.rungs import Pruning
from lossweights.store import Decision, RungJournal, WaveRecord


def tell_end(pruning: Pruning, place: int, finished: Finished, objectives: Iterable[str]) -> None:
    """Tell what decides how a trial ended; wave by wave, and in order of places."""
    result = finished.result
    complete = result.outcome is Outcome.COMPLETE
    values = [result.metrics.get(name, math.nan) for name in objectives] if complete else None
    pruning.ended(place, values, pruned=result.outcome is Outcome.PRUNED)


class Wave:
    """What is known of the trials of a wave, and what was decided of them.

    A decision is made once every trial that goes on has got to the rung, or has ended: so it
    depends on their numbers alone, not on who was faster. It is written before it is acted upon.

    Args:
        record: The places, and what was decided before.
        pruning: Decides; it has been told of all waves before.
        journal: Where decisions are written.
        objectives: Names of the objectives.
        aims: A wish and constraints: what is missed of them counts as well.
    """

    def __init__(
        self,
        record: WaveRecord,
        pruning: Pruning,
        journal: RungJournal,
        objectives: Iterable[str],
        aims: Aims,
    ) -> None:
        self._record, self._pruning, self._journal = record, pruning, journal
        self._objectives, self._aims = list(objectives), aims
        self._known: dict[int, dict[int, tuple[float, ...] | None]] = {}  # by epoch and place
        self._ended: dict[int, tuple[float, ...] | None] = {}

    def hear(self, epoch: int, standings: Mapping[int, Mapping[str, float] | None]) -> None:
        """How trials stand at a rung, by place. The first word counts: a retry repeats it."""
        known = self._known.setdefault(epoch, {})
        for place, metrics in standings.items():
            known.setdefault(place, None if metrics is None else self._values(metrics))

    def end(self, place: int, finished: Finished) -> None:
        """A trial has ended for good: that is how it stands at all rungs to come."""
        result = finished.result
        complete = result.outcome is Outcome.COMPLETE
        self._ended[place] = self._values(result.metrics) if complete else None

    def ended_before(self, results: Mapping[int, Finished]) -> None:
        """Trials ended for good before the sweep was stopped, by place."""
        for place, finished in results.items():
            self.end(place, finished)

    def decide(self) -> dict[int, frozenset[int]]:
        """Decide what can be decided now; who stops, by epoch.

        Raises:
            StoreError: A decision cannot be written.
        """
        made = {}
        for epoch in self._pruning.at:
            if epoch in self._record.decisions:
                continue
            values = self._all_at(epoch)
            if values is None:
                break
            stopped = self._pruning.stopped(epoch, values) if values else frozenset()
            self._journal.decide(self._record, epoch, Decision(values, stopped))
            made[epoch] = stopped
        return made

    def decision(self, epoch: int) -> frozenset[int] | None:
        """The places that stop at a rung; ``None`` if that is not decided."""
        decision = self._record.decisions.get(epoch)
        return None if decision is None else decision.stopped

    def stopped_at(self, place: int) -> int | None:
        """The rung at which a trial stops, if it does at any so far."""
        decisions = self._record.decisions.items()
        return min((e for e, each in decisions if place in each.stopped), default=None)

    def is_decided(self, epoch: int) -> bool:
        """Whether all that concerns a trial until this epoch is decided."""
        return all(at in self._record.decisions for at in self._pruning.at if at < epoch)

    def _all_at(self, epoch: int) -> dict[int, tuple[float, ...] | None] | None:
        """How all that went on until an epoch stand there; ``None`` if one is not known."""
        known = self._known.get(epoch, {})
        values = {}
        for place in self._going_until(epoch):
            if place not in known and place not in self._ended:
                return None
            values[place] = known[place] if place in known else self._ended[place]
        return values

    def _going_until(self, epoch: int) -> list[int]:
        gone: set[int] = set()
        for at, decision in self._record.decisions.items():
            if at < epoch:
                gone |= decision.stopped
                gone |= {place for place, values in decision.values.items() if values is None}
        return [place for place in self._record.places if place not in gone]

    def _values(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        values = tuple(metrics.get(name, math.nan) for name in self._objectives)
        return (*values, self._aims.missed(metrics)) if self._aims else values
