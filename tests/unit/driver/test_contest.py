"""The loop of a contest: paired, shared, retried, stopped; and nothing of it is lost."""

import signal
import time
from dataclasses import replace

import pytest

from lossweights.base.signals import Interrupted, Signals
from lossweights.driver import ContestDriver, Entry, Policy
from lossweights.driver._contest import batches
from lossweights.executors import Lost, Started
from lossweights.records import EpochReport, Failure, Outcome
from lossweights.training import Member

from .test_driver import Shuffled


def entries(names="abc", seeds=(1, 2)):
    """A training of each name from each seed."""
    return [
        Entry((name,), 1, Member({"a": 1.0, "b": float(place)}, seed, tested=True))
        for seed in seeds
        for place, name in enumerate(names, 1)
    ]


class Kept(list):
    """What came of trainings."""

    def __call__(self, outings):
        """Keep it."""
        self.extend(outings)


def drive(executor, work, policy=Policy(), signals=None, **options):  # noqa: B008
    """Train entries; what came of them, and the driver."""
    kept = Kept()
    signals = signals or Signals()
    driver = ContestDriver(executor, signals, policy, ["miss", "cost"], kept, **options)
    driver.run(work)
    return kept, driver


class Recorded(Shuffled):
    """An executor that remembers its batches, and loses some."""

    def __init__(self, *given, lose=(), **options):
        super().__init__(*given, **options)
        self.batches, self.lose = [], list(lose)

    def submit(self, batch):
        """Remember it."""
        self.batches.append(batch)
        super().submit(batch)

    def poll(self, timeout, listener):
        """Lose the next batch, if it is to be."""
        if self.lose and self.pending:
            batch, failure = self.pending.popleft(), self.lose.pop(0)
            listener(Started(batch.key, 1))
            listener(Lost(batch.key, failure, failure.value))
        else:
            super().poll(timeout, listener)


@pytest.mark.parametrize(("slots", "capacity"), [(1, 1), (2, 1), (1, 8), (3, 2), (4, 64)])
def test_every_entry_is_trained_once(slots, capacity):
    """However many at once, from its own seed, and measured on test data."""
    kept, driver = drive(Shuffled(0, slots, capacity), entries())
    assert sorted((o.contestant, o.seed) for o in kept) == [(n, s) for n in "abc" for s in (1, 2)]
    assert all(o.result.seed == o.seed and o.look == 1 for o in kept)
    assert all(set(o.result.test) == {"miss", "cost"} for o in kept)
    assert all(len(o.times) == len(o.result.reports) for o in kept)
    assert not driver.out_of_time


def test_all_of_a_seed_train_together():
    """Stacks have one seed, since they read each batch of rows once; and are even."""
    work = entries("abcde", seeds=(1, 2, 3))
    seeds = [[work[place].member.seed for place in batch] for batch in batches(work, 3, 2)]
    assert seeds == [[1] * 3, [1] * 2, [2] * 3, [2] * 2, [3] * 3, [3] * 2]
    assert batches(work, 64, 2) == [[*range(5)], [*range(5, 10)], [*range(10, 15)]]
    assert batches(entries("abcde", seeds=(1,)), 64, 2) == [[0, 1, 2], [3, 4]]  # no worker idles
    assert batches([], 4, 2) == []


def test_contestants_that_are_the_same_share_a_training():
    """It is trained once, and each of them has all of it."""
    executor = Recorded(0)
    kept, _ = drive(executor, [Entry(("knee", "equal"), 1, Member({"a": 1.0, "b": 1.0}, 5))])
    assert [each.contestant for each in kept] == ["knee", "equal"]
    assert kept[0].result is kept[1].result
    assert [len(batch.members) for batch in executor.batches] == [1]


def test_a_lost_stack_is_tried_again_in_halves():
    """Down to members that are alone; what then fails has failed, and the others count."""
    executor = Recorded(0, slots=1, capacity=4, lose=[Failure.OUT_OF_MEMORY] * 2)
    kept, _ = drive(executor, entries("abcd", seeds=(1,)))
    assert [len(batch.members) for batch in executor.batches] == [4, 2, 2, 1, 1]
    assert sorted(each.contestant for each in kept) == list("abcd")
    assert {each.result.outcome for each in kept} == {Outcome.COMPLETE}


def test_a_killed_worker_costs_a_retry_and_an_exception_the_training():
    """As it is with trials; a training that failed is a result, and is not tried for ever."""
    kept, _ = drive(Recorded(0, lose=[Failure.WORKER_KILLED]), entries("a", seeds=(1,)))
    assert [each.result.outcome for each in kept] == [Outcome.COMPLETE]
    for failure, policy in (
        (Failure.EXCEPTION, Policy()),
        (Failure.WORKER_KILLED, Policy(max_retries=0)),
    ):
        kept, _ = drive(Recorded(0, lose=[failure]), entries("ab", seeds=(1,)), policy)
        failed, whole = sorted(kept, key=lambda each: each.result.outcome is Outcome.COMPLETE)
        assert failed.result.failure is failure
        assert failed.result.test == {}
        assert whole.result.outcome is Outcome.COMPLETE


def test_a_number_that_is_not_finite_is_no_result():
    """A contestant may diverge from other seeds than a trial did."""

    class Broken(Shuffled):
        def poll(self, timeout, listener):
            def told(event):
                if hasattr(event, "results"):
                    bad = EpochReport(3, {"a": 1.0}, {"a": 1.0}, {"miss": float("nan"), "cost": 1})
                    event = replace(
                        event, results=tuple(replace(r, reports=(bad,)) for r in event.results)
                    )
                listener(event)

            super().poll(timeout, told)

    kept, _ = drive(Broken(0), entries("a", seeds=(1,)))
    assert kept[0].result.outcome is Outcome.DIVERGED


def test_a_signal_ends_it_in_order():
    """What ends within seconds counts, the rest is left for when the sweep is resumed."""
    signals = Signals()

    class Stops(Shuffled):
        def poll(self, timeout, listener):
            super().poll(timeout, listener)
            signals.received = signal.SIGTERM

    kept = Kept()
    driver = ContestDriver(Stops(0, slots=1), signals, Policy(), ["miss", "cost"], kept)
    with pytest.raises(Interrupted):
        driver.run(entries())
    assert [(each.contestant, each.seed) for each in kept] == [("a", 1)]
    assert kept[0].result.outcome is Outcome.COMPLETE


def test_at_the_deadline_it_ends_in_order():
    """Nothing begins any more, and it is said."""
    kept, driver = drive(Shuffled(0), entries(), deadline=time.monotonic() - 1)
    assert kept == []
    assert driver.out_of_time
