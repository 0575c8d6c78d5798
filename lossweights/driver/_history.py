"""Going on from what was before: what is learned at once, and which turns are still open."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from lossweights.driver._plan import split
from lossweights.driver._wave import tell_end
from lossweights.results.folder import Asked, Finished
from lossweights.search.rungs import Pruning
from lossweights.store import Store, WaveRecord


@dataclass
class OpenTurn:
    """A turn that was under way when the sweep stopped.

    Attributes:
        places: Its places.
        results: What of it had ended for good.
        due: What is to be trained again.
        record: What was decided of it at rungs, if there are any.
    """

    places: Sequence[int]
    results: dict[int, Finished] = field(default_factory=dict)
    due: list[Asked] = field(default_factory=list)
    record: WaveRecord | None = None

    def batches(self, parts: int) -> Iterator[list[Asked]]:
        """What is due, in so many even parts."""
        start = 0
        for size in split(len(self.due), parts):
            yield self.due[start : start + size]
            start += size


def open_turns(
    store: Store,
    history: Sequence[Finished],
    sizes: Sequence[int],
    depth: int,
    learn: Callable[[Finished], None],
) -> list[OpenTurn]:
    """The turns that are still open, where there are no rungs.

    Trials that had ended out of turn before the stop wait for theirs again: what the sampler knows
    when it is asked for the next turn is then what it knew in a sweep that never stopped.

    Args:
        store: The sweep.
        history: What had ended for good, in order of places; what is no part of them is learned.
        sizes: How many places each turn of the sweep has.
        depth: How many turns are under way.
        learn: Called with what is learned, in order of places.
    """
    starts = [end - size for size, end in zip(sizes, accumulate(sizes), strict=True)]

    def start_of(place: int) -> int:
        return starts[bisect_right(starts, place) - 1]

    # The turns before the last one may all have been under way when that was asked for.
    begun = [start for start in starts if start < store.places]
    held = begun[1 - depth :][:1] if depth > 1 else []
    until = min([store.places, *held, *(start_of(store.place(asked)) for asked in store.due)])
    due = _learn(store, history, until, learn)
    found: dict[int, OpenTurn] = {}

    def turn_of(place: int) -> OpenTurn:
        return found.setdefault(start_of(place), OpenTurn([]))

    for asked in due:
        turn_of(store.place(asked)).due.append(asked)
    for finished in history:
        at = store.place(finished.asked)
        if at >= until:
            turn_of(at).results[at] = finished
    for turn in found.values():
        turn.places = sorted([*map(store.place, turn.due), *turn.results])
    return [found[start] for start in sorted(found)]


def _learn(
    store: Store, history: Sequence[Finished], until: int, learn: Callable[[Finished], None]
) -> list[Asked]:
    """Learn of the places before one, and expect the others; what is due."""
    for finished in history:
        if store.place(finished.asked) < until:
            learn(finished)
    return store.take_due([f for f in history if store.place(f.asked) >= until])


def open_waves(
    store: Store,
    history: Sequence[Finished],
    pruning: Pruning,
    trials: int,
    learn: Callable[[Finished], None],
) -> list[OpenTurn]:
    """The waves of which something is left to train; what ended in others is learned.

    Of a wave that had been asked for but not begun whole, the rest is asked for again: the sampler
    knows what it knew. What is due and in no wave, as where the journal was lost, makes one of its
    own.

    Args:
        store: The sweep.
        history: What had ended for good, in order of places.
        pruning: Decides at rungs; it is told of all waves before as if it had never stopped.
        trials: How many places the sweep is to have.
        learn: Called with what is learned, in order of places.
    """
    ended = {store.place(finished.asked): finished for finished in history}
    found = []
    for record in store.journal.read(store.places):
        for epoch, decision in record.decisions.items():
            pruning.stopped(epoch, decision.values)
        if any(place not in ended for place in record.places):
            wanted = max(trials, store.places)
            record.places = tuple(place for place in record.places if place < wanted)
            found.append(OpenTurn(record.places, record=record))
        else:
            for place in record.places:
                tell_end(pruning, place, ended[place], store.objectives)
    inside = {place for turn in found for place in turn.places}
    alone = tuple(sorted({store.place(asked) for asked in store.due} - inside))
    if alone:
        record = WaveRecord(alone)
        store.journal.begin(record)
        found.append(OpenTurn(alone, record=record))
    found.sort(key=lambda turn: turn.places[0])
    for place, finished in ended.items():
        if place not in inside:
            learn(finished)
    due = store.take_due([finished for place, finished in ended.items() if place in inside])
    again = {store.place(asked): asked for asked in due}
    for turn in found:
        turn.results = {place: ended[place] for place in turn.places if place in ended}
        left = [place for place in turn.places if place not in ended]
        turn.due = [again[place] if place in again else store.propose() for place in left]
    return found
