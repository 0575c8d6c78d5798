"""Rungs in trainers: all members get there first, and who goes on trains as if it never waited."""

import functools

import keras
import numpy as np
import pytest

from lossweights.data import Data
from lossweights.records import Outcome
from lossweights.training import (
    FitTrainer,
    Halts,
    Member,
    ReplicatedTrainer,
    SerialTrainer,
    StackedTrainer,
    _sizes,
)
from lossweights.training.early_stopping import EarlyStopping

from . import models
from .parity import SEED, assert_same, data, problem

pytestmark = pytest.mark.usefixtures("without_xla")

EPOCHS = 5
AT = frozenset({1, 3})
MEMBERS = [Member({"mse": 1.0, "log_cosh": w}, SEED) for w in (0.0, 0.3, 4.0, 1.0, 2.0, 0.1)]
STOPS = {1: [0, 3], 3: [4]}
TRAINERS = {
    "fit": FitTrainer,
    "serial": SerialTrainer,
    "stacked": lambda *given: StackedTrainer(*given, size=8),
    "several stacks": lambda *given: StackedTrainer(*given, size=2),
}
# Momentum, and averages of the parameters that `fit` puts in their place at its end.
OPTIMIZER = keras.optimizers.SGD(0.02, momentum=0.9, use_ema=True, ema_momentum=0.5)
PLAIN = keras.optimizers.Adam(0.01)


class Watched:
    """Halts that stop some members, and remember how they were called."""

    def __init__(self, stops=STOPS, at=AT):
        self.seen, self.reports, self.stops = [], [], stops
        self.halts = Halts(at, self.wait)

    def wait(self, epoch, standings):
        """Who stops there."""
        self.seen.append((epoch, dict(standings), list(self.reports)))
        return self.stops.get(epoch, [])

    def report(self, position, report):
        """Nobody stops here."""
        self.reports.append((report.epoch, position))
        return True


def expected(made, given, members=MEMBERS, stops=STOPS):
    """What `fit` makes of each member alone, stopped where it is to stop."""
    ends = {position: epoch for epoch, positions in stops.items() for position in positions}
    fit = FitTrainer(made, given)
    return fit.train(members, lambda position, report: report.epoch < ends.get(position, 99))


@functools.cache
def in_turn(name):
    """A problem for a trainer of that name, its data, and what `fit` makes of each member alone."""
    optimizer = OPTIMIZER if name == "fit" else PLAIN
    made, given = problem(optimizer=optimizer, epochs=EPOCHS), data()
    return made, given, expected(made, given)


def slowly(*cases):
    """Cases that compile much, and are near to one that does not."""
    return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize("name", TRAINERS)
def test_who_goes_on_trains_as_if_it_had_never_waited(name, monkeypatch):
    """Every number is that of a training alone by `fit`; who stops has ended where it was told."""
    if name == "stacked":  # small problems would never be worth a smaller stack
        monkeypatch.setattr(_sizes, "WORTH_COMPILING", 0)
    made, given, alone = in_turn("fit" if name == "fit" else "others")
    watched = Watched()
    found = TRAINERS[name](made, given).train(MEMBERS, watched.report, watched.halts)
    assert_same(found, alone)
    assert [result.outcome.name for result in found] == [
        "PRUNED", "COMPLETE", "COMPLETE", "PRUNED", "PRUNED", "COMPLETE"
    ]  # fmt: skip
    assert [(epoch, sorted(standings)) for epoch, standings, _ in watched.seen] == [
        (1, [0, 1, 2, 3, 4, 5]), (3, [1, 2, 4, 5])
    ]  # fmt: skip
    for epoch, standings, reports in watched.seen:
        assert max(at for at, _ in reports) == epoch  # nobody was ahead
        for position, metrics in standings.items():
            assert metrics == found[position].reports[epoch].metrics


@pytest.mark.parametrize(
    ("name", "build_model"),
    [
        ("fit", models.dropout),
        ("stacked", models.dropout),
        *slowly(("fit", models.batch_normalization), ("stacked", models.batch_normalization)),
    ],
)
def test_random_states_and_moving_averages_wait_too(name, build_model):
    """What dropout draws after a rung is what it would have drawn; statistics go on."""
    made, given = problem(build_model, epochs=EPOCHS), data(build_model)
    watched = Watched()
    found = TRAINERS[name](made, given).train(MEMBERS[:5], watched.report, watched.halts)
    assert_same(found, expected(made, given, MEMBERS[:5]))


@pytest.mark.slow
def test_seeds_wait_in_stacks_of_their_own():
    """Members of several seeds that draw random numbers are regrouped by seed."""
    made, given = problem(models.dropout, epochs=EPOCHS), data(models.dropout)
    members = [Member(m.weights, seed) for m in MEMBERS[:3] for seed in (SEED, 7)]
    watched = Watched()
    trainer = StackedTrainer(made, given, size=2)
    found = trainer.train(members, watched.report, watched.halts)
    assert_same(found, expected(made, given, members))


@pytest.mark.parametrize("name", ["fit", "several stacks", *slowly(("serial",), ("stacked",))])
def test_datasets_go_on_where_they_were(name):
    """Each member sees the rows of a stream in its order, also after others have read it."""
    import tensorflow as tf

    arrays = data()
    train = tf.data.Dataset.from_tensor_slices((arrays.train.x, arrays.train.y))
    train = train.shuffle(64, seed=3).batch(16)  # another order each pass
    given = Data(train=train, val=(arrays.val.x, arrays.val.y))
    made = problem(epochs=EPOCHS, optimizer=PLAIN)
    watched = Watched()
    found = TRAINERS[name](made, given).train(MEMBERS[:5], watched.report, watched.halts)
    assert_same(found, expected(made, given, MEMBERS[:5]))


@pytest.mark.parametrize("name", ["stacked", *slowly(("fit",), ("several stacks",))])
def test_who_ended_early_stands_with_its_best_epoch(name):
    """It is compared at later rungs by what it keeps, stays complete, and keeps its parameters."""
    made = problem(
        optimizer=keras.optimizers.SGD(0.12, momentum=0.9), epochs=9,
        early_stopping=EarlyStopping("rmse", patience=1),
    )  # fmt: skip
    given, everybody = data(), {8: list(range(3))}
    members = [Member({"mse": w, "log_cosh": 0.1}, SEED) for w in (0.1, 0.4, 1.5)]
    watched = Watched(everybody, frozenset({2, 8}))
    found = TRAINERS[name](made, given).train(members, watched.report, watched.halts)
    alone = expected(made, given, members, stops=everybody)
    assert_same(found, alone)
    ended = [i for i, result in enumerate(found) if len(result.reports) < 9]
    assert ended
    for epoch, standings, _ in watched.seen:
        for position in ended:
            if len(found[position].reports) <= epoch:
                assert standings[position] == found[position].metrics
    assert {found[position].outcome for position in ended} == {Outcome.COMPLETE}


@pytest.mark.parametrize("name", ["fit", *slowly(("stacked",))])
def test_who_diverged_stands_nowhere(name):
    """At the first rung after it, and there is no rung where nobody is left to go on."""
    made = problem(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), epochs=EPOCHS)
    huge = Member({"mse": 1e30, "log_cosh": 0.1}, SEED)
    watched = Watched({})
    trainer = TRAINERS[name](made, data())
    found = trainer.train([MEMBERS[1], huge], watched.report, watched.halts)
    assert [result.outcome.name for result in found] == ["COMPLETE", "DIVERGED"]
    assert all(standings[1] is None for _, standings, _ in watched.seen)
    watched = Watched({})
    trainer.train([huge, huge], watched.report, watched.halts)
    assert watched.seen == []


@pytest.mark.parametrize("make", [TRAINERS["several stacks"], *slowly((FitTrainer,))])
def test_replicas_stand_with_their_mean(make):
    """All seeds of a weight set get to a rung, and go on or stop together."""
    made, given = problem(epochs=EPOCHS, optimizer=PLAIN), data()
    watched = Watched({1: [0], 3: [2]})
    trainer = ReplicatedTrainer(make(made, given), 2)
    found = trainer.train(MEMBERS[:3], watched.report, watched.halts)
    whole = ReplicatedTrainer(FitTrainer(made, given), 2).train(MEMBERS[:3], lambda *_: True)
    assert [result.outcome.name for result in found] == ["PRUNED", "COMPLETE", "PRUNED"]
    assert [len(result.reports) for result in found] == [2, EPOCHS + 1, 4]
    assert found[0].reason == "stopped after epoch 1"
    assert [sorted(standings) for _, standings, _ in watched.seen] == [[0, 1, 2], [1, 2]]
    for epoch, standings, _ in watched.seen:
        for position, metrics in standings.items():
            assert metrics == pytest.approx(dict(whole[position].reports[epoch].metrics), rel=1e-5)
    for mine, theirs in zip(found, whole, strict=True):
        for one, other in zip(mine.reports, theirs.reports, strict=False):
            assert one.train == pytest.approx(dict(other.train), rel=1e-5)


def test_survivors_of_several_stacks_fill_one(monkeypatch):
    """So the time is saved where no smaller stack is worth compiling."""
    monkeypatch.setattr(_sizes, "WORTH_COMPILING", 1e99)
    made, given = problem(epochs=EPOCHS), data()
    trainer = StackedTrainer(made, given, size=2)
    epochs = []
    stack = trainer._stack_of(2)
    train_epoch = stack.train_epoch
    monkeypatch.setattr(
        stack, "train_epoch", lambda *args, **kw: (epochs.append(1), train_epoch(*args, **kw))
    )
    del epochs[:]
    watched = Watched({1: [0, 3], 3: [1, 4]})
    trainer.train(MEMBERS, watched.report, watched.halts)
    warm_up = trainer.form.xla  # a step of it
    assert len(epochs) == 3 * 1 + 2 * 2 + 1 * 2 + warm_up
    assert len(trainer._stacks) == 1


def test_parameters_of_who_stopped_are_gone():
    """They are those of no end."""
    made, given = problem(epochs=EPOCHS), data()
    trainer, watched = FitTrainer(made, given), Watched()
    trainer.train(MEMBERS, watched.report, watched.halts)
    assert all(np.isfinite(each).all() for each in trainer.parameters(5))
    with pytest.raises(LookupError):
        trainer.parameters(4)
