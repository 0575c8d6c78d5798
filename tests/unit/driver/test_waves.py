"""Rungs in the driver: who stops depends on the numbers of a wave, not on who is faster."""

import json
import queue
import random
import threading
from collections import deque

import optuna
import pytest

from lossweights.base.signals import Signals
from lossweights.driver import Driver, Policy, Recorder
from lossweights.driver._plan import Plan
from lossweights.executors import Ended, Executor, Lost, Reported, Started, Waiting, WorkerState
from lossweights.records import Failure, Outcome
from lossweights.results.folder import list_results
from lossweights.search.pruner import OptunaPruning
from lossweights.search.rungs import Rungs
from lossweights.store import Store
from lossweights.store.manifest import make_manifest
from lossweights.testing import FakeSweep, FakeTrainer
from lossweights.training import Halts

EPOCHS, TRIALS = 8, 24
RUNGS = Rungs(at=(2, 4), keep=0.5)


class Threads(Executor):
    """Workers that are threads; which of them is heard next is drawn by lot.

    Args:
        seed: Of the lots.
        slots: How many workers.
        capacity: Members of a stack.
        lose: Batches that are lost at their first rung, by how many were submitted before.
    """

    trainer, ahead = "fake", 2

    def __init__(self, seed, slots=2, capacity=4, lose=(), die_after=None):
        self.slots_, self.capacity_ = slots, capacity
        self.random, self.lose, self.die_after = random.Random(seed), set(lose), die_after
        self.pending, self.running, self.submitted = deque(), {}, []
        self.told, self.waits = {}, {}
        self.epochs_trained = 0

    slots = property(lambda self: self.slots_)
    capacity = property(lambda self: self.capacity_)

    def start(self):
        """Nothing to start."""

    def submit(self, batch):
        """Queue it."""
        self.submitted.append(batch)
        self.pending.append(batch)

    def poll(self, timeout, listener):
        """Start what can be, then tell one thing of one worker that has something to tell."""
        while self.pending and len(self.running) < self.slots_:
            batch = self.pending.popleft()
            self.running[batch.key] = queue.SimpleQueue()
            self.told[batch.key], self.waits[batch.key] = queue.SimpleQueue(), set()
            threading.Thread(target=self._train, args=(batch,), daemon=True).start()
        talking = [key for key in self.running if key not in self.waits or not self.waits[key]]
        assert talking, "every worker waits, and nobody decides"
        key = self.random.choice(talking)
        event = self.running[key].get(timeout=10)
        if isinstance(event, Waiting):
            self.waits[key] = {event.epoch}
            if self.submitted.index(next(b for b in self.submitted if b.key == key)) in self.lose:
                event = Lost(key, Failure.WORKER_KILLED, "killed")
        if isinstance(event, Ended | Lost):
            del self.running[key]
        if isinstance(event, Reported):
            self.epochs_trained += 1
            if self.die_after is not None and self.epochs_trained > self.die_after:
                raise KeyboardInterrupt
        listener(event)

    def _train(self, batch):
        say, told = self.running[batch.key].put, self.told[batch.key]
        stopped = set()

        def report(position, epoch):
            say(Reported(batch.key, position, epoch))
            return position not in stopped

        def wait(epoch, standings):
            say(Waiting(batch.key, epoch, standings))
            stopped.update(told.get())
            return stopped

        say(Started(batch.key, 1))
        results = FakeTrainer(EPOCHS).train(batch.members, report, Halts(batch.rungs, wait))
        say(Ended(batch.key, tuple(results)))

    def stop(self, batch, positions):
        """Not needed: what trains on is cut afterwards."""

    def go_on(self, batch, epoch, stopped):
        """It waits no more."""
        assert self.waits[batch] == {epoch}
        self.waits[batch] = set()
        self.told[batch].put(set(stopped))

    def withdraw(self):
        """What has not started."""
        keys = [batch.key for batch in self.pending]
        self.pending.clear()
        return keys

    def workers(self):
        """Always there."""
        return [WorkerState(1, None)]

    def kill(self):
        """Threads end with the tests."""

    def close(self):
        """Nothing to close."""


@pytest.fixture
def drive(tmp_path):
    """A function that drives a sweep with rungs, and gives how its trials ended, by place."""

    def run(name, executor, trials=TRIALS, objectives=None, pruning=None):
        sweep = FakeSweep(name, epochs=EPOCHS, objectives=objectives)
        rule = pruning or RUNGS.ranked_by(list(sweep.objectives.values()))
        manifest = make_manifest(
            sweep.prepare(rehearse=False).description, name=name, space=sweep.space, seed=3,
            objectives=sweep.objectives, baselines=sweep.baselines, scales=None, script=None,
            created="", shown={}, trials=trials, tracking=None, prune=rule.describe(),
        )  # fmt: skip
        folder = tmp_path / "studies" / name
        make = (
            (lambda: Store.reopen(tmp_path, name, sweep.space))
            if folder.exists()
            else (lambda: Store.create(tmp_path, manifest, sweep.space))
        )
        with make() as store, Recorder(store, lambda _: None, lambda: None) as recorder:
            driver = Driver(store, executor, recorder, Signals(), Policy(), pruning=rule)
            driver.run(trials)
        return ended(folder)

    run.root = tmp_path
    return run


def ended(folder):
    """What was asked for and what came of it, in the order of asking; retries in their place."""
    results = list_results(folder)
    place, found = {}, {}
    for number in sorted(results):
        asked = results[number].asked
        at = place[number] = place[asked.retry_of] if asked.retry_of in place else len(found)
        found.setdefault(at, None)
        if not results[number].again:
            result = results[number].result
            found[at] = (
                dict(asked.parameters), result.outcome, [r.epoch for r in result.reports],
                result.reason, result.metrics,
            )  # fmt: skip
    return [found[at] for at in sorted(found)]


def outcomes(found):
    """How trials ended, and after which epoch."""
    return [(outcome, epochs[-1]) for _, outcome, epochs, *_ in found]


@pytest.mark.parametrize("objectives", [None, {"cost": "minimize"}], ids=["two", "one"])
@pytest.mark.parametrize("capacity", [1, 4])
def test_who_stops_does_not_depend_on_who_is_faster(drive, objectives, capacity):
    """Whatever the order in which workers are heard: the same trials, stopped at the same rungs."""
    found = [
        drive(f"seed-{seed}", Threads(seed, capacity=capacity), objectives=objectives)
        for seed in range(3)
    ]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == TRIALS
    if objectives:  # with two, no trial of the fake sweep beats another
        stops = outcomes(found[0])
        assert {at for outcome, at in stops if outcome is Outcome.PRUNED} == {2, 4}
        assert sum(outcome is Outcome.PRUNED for outcome, _ in stops) > TRIALS / 2
        assert {reason for *_, reason, _ in found[0] if reason} == {
            "stopped at the rung after epoch 2", "stopped at the rung after epoch 4"
        }  # fmt: skip


def test_single_trials_are_the_same_whatever_the_number_of_workers(drive):
    """One, two or four: a wave is as large, and is decided as one."""
    one = {"cost": "minimize"}
    found = [drive(f"by-{n}", Threads(n, n, 1), objectives=one) for n in (1, 2, 4)]
    assert found[0] == found[1] == found[2]


def test_a_lost_batch_changes_nothing_but_the_time(drive):
    """Its halves may be more than there are slots: what trains on is cut where it was to stop."""
    one = {"cost": "minimize"}
    expected = drive("whole", Threads(0, slots=1), objectives=one)
    for slots, lose in ((1, {0}), (1, {1}), (2, {1})):
        executor = Threads(1, slots=slots, capacity=4 // slots, lose=lose)
        found = drive(f"lost-{slots}-{min(lose)}", executor, objectives=one)
        assert found == expected


@pytest.mark.parametrize("after", [1, 9, 21, 30, 45, 60])
def test_a_kill_anywhere_loses_nothing(drive, after):
    """Stopped before, in the middle of and after a rung, gone on with: the same trials and ends."""
    one = {"cost": "minimize"}
    expected = drive("whole", Threads(0), objectives=one)
    with pytest.raises(KeyboardInterrupt):
        drive("cut", Threads(1, die_after=after), objectives=one)
    assert drive("cut", Threads(2), objectives=one) == expected


def test_a_decision_stands_once_it_is_written(drive):
    """What a killed driver had decided is not decided anew, even of other numbers."""
    one = {"cost": "minimize"}
    expected = drive("whole", Threads(0), objectives=one)
    with pytest.raises(KeyboardInterrupt):
        drive("cut", Threads(1, die_after=30), objectives=one)
    journal = drive.root / "studies" / "cut" / "rungs.jsonl"
    lines = journal.read_text().splitlines()
    decided = next(i for i, line in enumerate(lines) if "stopped" in line)
    changed = json.loads(lines[decided])
    stays = [int(p) for p in changed["values"] if int(p) not in changed["stopped"]]
    swapped = [*changed["stopped"][1:], stays[0]]
    lines[decided] = json.dumps({**changed, "stopped": swapped})
    journal.write_text("\n".join([*lines, '{"wave": [99']))  # and a line that was cut off
    found = drive("cut", Threads(2), objectives=one)
    assert outcomes(found)[stays[0]] == (Outcome.PRUNED, 2)
    assert outcomes(expected)[stays[0]] != (Outcome.PRUNED, 2)


def test_a_pruner_of_optuna_decides_alike_however_often_the_sweep_was_stopped(drive):
    """Asked after every epoch, in the order of asking; gone on with it knows what it knew."""
    one = {"cost": "minimize"}

    def pruning():
        pruner = optuna.pruners.SuccessiveHalvingPruner(reduction_factor=2)
        return OptunaPruning(pruner, "minimize", EPOCHS, "one-name")

    found = [drive(f"by-{n}", Threads(n), 20, one, pruning()) for n in (0, 1)]
    assert found[0] == found[1]
    assert Outcome.PRUNED in {outcome for outcome, _ in outcomes(found[0])}
    for after in (30, 80):
        with pytest.raises(KeyboardInterrupt):
            drive(f"cut-{after}", Threads(2, die_after=after), 20, one, pruning())
        assert drive(f"cut-{after}", Threads(3), 20, one, pruning()) == found[0]


def test_the_study_knows_the_values_at_rungs(drive):
    """As an attribute that viewers show, also in a study that is made anew from the results."""
    found = drive("noted", Threads(0), objectives={"cost": "minimize"})
    path = drive.root / "studies" / "noted" / "study.db"
    for made_anew in (False, True):
        if made_anew:
            path.unlink()
            drive("noted", Threads(0), objectives={"cost": "minimize"}, trials=TRIALS + 1)
        study = optuna.load_study(study_name="noted", storage=f"sqlite:///{path}")
        for trial, (_, outcome, epochs, _, metrics) in zip(study.trials, found, strict=False):
            noted = trial.user_attrs.get("rungs")
            if outcome not in (Outcome.PRUNED, Outcome.COMPLETE):
                assert noted is None
                continue
            assert list(noted) == [str(e) for e in (2, 4) if e <= epochs[-1]]
            if outcome is Outcome.PRUNED:
                assert noted[str(epochs[-1])] == [metrics["cost"]]


@pytest.mark.parametrize(
    ("capacity", "slots", "trials", "wanted"),
    [(16, 1, 64, [[32], [32]]), (16, 1, 40, [[14], [13], [13]]), (8, 2, 64, [[16, 16]] * 2),
     (1, 1, 20, [[7], [7], [6]]), (1, 4, 16, [[2] * 4] * 2), (1, 2, 3, [[2, 1]])],
)  # fmt: skip
def test_waves_are_even_and_fill_every_slot(capacity, slots, trials, wanted):
    """Two stacks a slot where there are trials for several such waves."""
    plan = Plan(capacity, slots, waves=True)
    plan.fill(trials, trials)
    found = []
    while plan:
        found.append(plan.next())
    assert found == wanted
