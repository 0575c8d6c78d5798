"""The driver: the same sweep whoever is faster, and decisions that reach the trainings."""

import functools
import random
from collections import deque

import pytest

from lossweights.base.signals import Signals
from lossweights.driver import Driver, Policy, Recorder
from lossweights.driver._plan import batch_sizes
from lossweights.executors import Ended, Executor, Reported, Started, WorkerState
from lossweights.store import Store
from lossweights.store.manifest import make_manifest
from lossweights.testing import FakeSweep, FakeTrainer


class Shuffled(Executor):
    """Workers that end in an order of their own."""

    trainer = "fake"
    ahead = 2

    def __init__(self, seed, slots=2, capacity=1, epochs=3):
        self.slots_, self.capacity_, self.epochs = slots, capacity, epochs
        self.random = random.Random(seed)
        self.pending, self.training, self.stopped = deque(), [], {}

    @property
    def slots(self):
        """As told."""
        return self.slots_

    @property
    def capacity(self):
        """As told."""
        return self.capacity_

    def start(self):
        """Nothing to start."""

    def submit(self, batch):
        """Queue it."""
        self.pending.append(batch)

    def poll(self, timeout, listener):
        """Start what can be, and end one batch at random."""
        while self.pending and len(self.training) < self.slots:
            self.training.append(self.pending.popleft())
            listener(Started(self.training[-1].key, 1))
        if self.training:
            batch = self.training.pop(self.random.randrange(len(self.training)))

            def report(position, epoch):
                listener(Reported(batch.key, position, epoch))
                return position not in self.stopped.get(batch.key, ())

            results = FakeTrainer(self.epochs).train(batch.members, report)
            listener(Ended(batch.key, tuple(results)))

    def stop(self, batch, positions):
        """Remember it for the report."""
        self.stopped.setdefault(batch, set()).update(positions)

    def go_on(self, batch, epoch, stopped):
        """Nothing waits."""

    def withdraw(self):
        """Give up what is queued."""
        keys = [batch.key for batch in self.pending]
        self.pending.clear()
        return keys

    def workers(self):
        """One for each batch in training."""
        return [WorkerState(1, batch.key) for batch in self.training]

    def kill(self):
        """Nothing to kill."""

    def close(self):
        """Nothing to close."""


def driven(root, name, executor, trials, policy=Policy(), *, kept=None, **options):  # noqa: B008
    """Drive a sweep of a name with an executor, to so many trials."""
    sweep = FakeSweep("sweep", seed=3)
    parts = sweep.prepare(rehearse=False).description
    manifest = make_manifest(
        parts, name=name, space=sweep.space, objectives=sweep.objectives, seed=3,
        baselines=sweep.baselines, scales=None, script=None, created="", shown={},
        trials=trials, tracking=None,
    )  # fmt: skip
    exists = (root / "studies" / name).exists()
    store = (
        Store.reopen(root, name, sweep.space)
        if exists
        else Store.create(root, manifest, sweep.space)
    )
    kept = [] if kept is None else kept
    with store:
        recorder = Recorder(store, kept.append, lambda: None)
        with recorder:
            Driver(store, executor, recorder, Signals(), policy, **options).run(trials)
    return sorted(kept, key=lambda finished: finished.asked.number)


@pytest.fixture
def drive(tmp_path):
    """Drives sweeps below the folder of a test."""
    return functools.partial(driven, tmp_path)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """What is asked for where one worker trains one trial after another."""
    root = tmp_path_factory.mktemp("reference")
    return parameters(driven(root, "reference", Shuffled(0, slots=1), TRIALS))


def parameters(kept):
    """What was asked for, by number."""
    return [dict(finished.asked.parameters) for finished in kept]


TRIALS = 28  # of which the sampler models the last dozen


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_the_sweep_does_not_depend_on_who_is_faster(drive, reference, slots):
    """Whatever the order in which workers end, and up to four of them: the same trials."""
    for seed in range(3):
        found = drive(f"seed-{seed}", Shuffled(seed, slots=slots), TRIALS)
        assert parameters(found) == reference


def test_a_sweep_in_parts_is_the_whole_sweep(drive, reference):
    """Stopped after any number of trials and gone on with, with other workers: the same."""
    kept = []
    for seed, trials in enumerate((5, 6, 19, TRIALS)):
        kept += drive("parts", Shuffled(seed, slots=1 + seed), trials)
    assert parameters(kept) == reference


class Stopped(Exception):
    """The sweep is stopped here."""


class Stopping(Shuffled):
    """Workers that end in an order of their own, until the sweep stops in the middle."""

    def __init__(self, seed, ends, **options):
        super().__init__(seed, **options)
        self.ends = ends

    def poll(self, timeout, listener):
        """Start what can be; end one batch, or stop."""
        if not self.ends:
            raise Stopped
        self.ends -= 1
        super().poll(timeout, listener)


@pytest.mark.parametrize(("capacity", "slots"), [(1, 2), (4, 2), (4, 3), (8, 1)])
def test_a_sweep_that_was_stopped_in_the_middle_is_the_whole_sweep(drive, capacity, slots):
    """Wherever it was stopped, and whichever batch was behind the others: the same weights."""
    shape = {"capacity": capacity, "slots": slots}
    reference = parameters(drive("whole", Shuffled(0, **shape), TRIALS))
    for seed in range(3):
        kept, random_ = [], random.Random(seed)
        for part in range(3):
            ends = random_.randrange(1, 1 + TRIALS // capacity // 3)
            with pytest.raises(Stopped):
                drive(f"parts-{seed}", Stopping(10 * seed + part, ends, **shape), TRIALS, kept=kept)
        kept += drive(f"parts-{seed}", Shuffled(seed, **shape), TRIALS)
        for_good = [finished for finished in kept if not finished.again]
        assert sorted(map(sorted_values, parameters(for_good))) == sorted(
            map(sorted_values, reference)
        )


def sorted_values(asked):
    """Parameters as a tuple that can be sorted."""
    return tuple(value for _, value in sorted(asked.items()))


def test_stacks_are_learned_from_before_the_next_is_asked_for(drive):
    """A stack has no stack ahead of it; its size is even."""
    executor = Shuffled(0, slots=1, capacity=16)
    sizes = []
    submit = executor.submit
    executor.submit = lambda batch: (
        sizes.append((len(executor.pending), len(batch.members))),
        submit(batch),
    )
    kept = drive("stacks", executor, TRIALS)
    assert sizes == [(0, 14), (0, 14)]
    assert len(kept) == TRIALS


def test_nothing_is_asked_for_that_is_not_wanted(drive):
    """A sweep that has its trials trains none."""
    drive("done", Shuffled(0), 5)
    assert drive("done", Shuffled(0), 5) == []
    assert drive("done", Shuffled(0), 3) == []


@pytest.mark.parametrize("capacity", [1, 7, 64])
@pytest.mark.parametrize("slots", [1, 2, 5])
@pytest.mark.parametrize("trials", [0, 1, 5, 64, 129])
def test_batches_are_even_and_complete(trials, capacity, slots):
    """All trials, none too large a batch, sizes that differ by one at most."""
    sizes = batch_sizes(trials, capacity, slots)
    assert sum(sizes) == trials
    assert all(1 <= size <= capacity for size in sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1
