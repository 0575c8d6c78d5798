"""Row 9: trainers of large models are held, and timed, one at a time, within what memory allows."""

import gc
import weakref

import pytest

from lossweights.base.errors import RecipeError
from lossweights.training import (
    FitTrainer,
    Member,
    SerialTrainer,
    SetupRequest,
    StackedTrainer,
    Trainers,
)
from lossweights.training import _candidates as candidates
from lossweights.training import _sizes as sizes
from lossweights.training import _stacked as stacked
from lossweights.training import _start as start
from lossweights.training import _trainers as trainers
from lossweights.training._auto import choose_trainer

from .parity import assert_same, data, problem, train

pytestmark = pytest.mark.usefixtures("without_xla")

SEED = 3
WEIGHTS = [{"mse": 1.0, "log_cosh": w} for w in (0.1, 1.0, 10.0)]


@pytest.fixture
def large(monkeypatch):
    """Every model counts as large. Gives what is alive, and the most there was at a time."""
    gc.collect()
    gc.freeze()  # what is there already: every search for circles would go through all of it
    alive, seen = weakref.WeakSet(), {"most": 0, "checks": 0}
    for module in (candidates, start):
        monkeypatch.setattr(module, "HELD_BYTES", 0)

    def counted(make):
        def count(self, *args, **kwargs):
            gc.collect()
            seen["most"] = max(seen["most"], len(alive) + 1)
            make(self, *args, **kwargs)
            alive.add(self)

        return count

    for cls in (FitTrainer, StackedTrainer):  # one after another is a stack of one
        monkeypatch.setattr(cls, "__init__", counted(cls.__init__))
    check = stacked.check_parity

    def checked(*args):
        seen["checks"] += 1
        return check(*args)

    monkeypatch.setattr(stacked, "check_parity", checked)
    yield seen
    gc.unfreeze()


def of_one_speed(monkeypatch):
    """A step of any trainer takes a second, without training one; a stack is made for it."""

    def of_stack(self, steps, size=None):
        self._stack_of(size)
        return 1.0

    monkeypatch.setattr(StackedTrainer, "seconds_a_step", of_stack)
    for name in (SerialTrainer, FitTrainer):
        monkeypatch.setattr(name, "seconds_a_step", lambda self, steps: 1.0)


def test_only_one_of_large_ones_is_held(large, monkeypatch):
    """While they are timed, when one is chosen, and when the winner is trained by two of them."""
    of_one_speed(monkeypatch)
    made = Trainers(problem(epochs=1), data())  # numbers are not the point
    setup = made.choose(SetupRequest("auto", 16, 0))
    assert large["checks"] == 2  # of a stack and of one after another; none is checked again
    trainer = made.make(setup.trainer, setup.members)
    train(trainer, [Member(weights, SEED) for weights in WEIGHTS])
    del trainer
    for name in ("fit", setup.trainer):
        made.trained(name, Member(WEIGHTS[0], SEED), setup.members or 1)
    assert large == {"most": 1, "checks": 2}


def test_they_train_as_small_ones_do(large):
    """What is given up and made again costs no digit."""
    members = [Member(weights, seed) for seed in (SEED, SEED + 1) for weights in WEIGHTS[:2]]
    results = {}
    for name in ("fit", "serial", "stacked"):
        made = Trainers(problem(epochs=2), data())
        results[name] = train(made.make(name, 2), members)
    assert_same(results["serial"], results["fit"])
    assert_same(results["stacked"], results["fit"])


def test_each_stack_is_given_up_when_it_has_been_timed(large, monkeypatch):
    """One size beside another would be more than the largest needs."""
    of_one_speed(monkeypatch)
    held, seconds_a_step = [], StackedTrainer.seconds_a_step

    def timed(self, steps, size=None):
        found = seconds_a_step(self, steps, size)
        held.append((size, {key[0] for key in self._stacks}))
        return found

    monkeypatch.setattr(StackedTrainer, "seconds_a_step", timed)
    made = candidates.Candidates(problem(), data())
    choose_trainer(made, trials=16)
    assert [sizes for size, sizes in held if size == 4] == [{4}] * 3
    assert [sizes for size, sizes in held if size == 8] == [{8}] * 3


@pytest.fixture
def member(monkeypatch):
    """A member of the problem takes 100 MB, this process holds 1 GB, and 64 GB are free."""
    monkeypatch.setattr(candidates, "member_bytes", lambda model, batch_size: 100 << 20)
    for module in (sizes, trainers):
        monkeypatch.setattr(module, "held_bytes", lambda: 1 << 30)
        monkeypatch.setattr(module, "free_bytes", lambda: 64 << 30)
    monkeypatch.setattr(sizes, "member_bytes", lambda model, batch_size: 100 << 20)
    monkeypatch.setattr(sizes, "cache_bytes", lambda: 1 << 40)


def test_sizes_beyond_the_limit_are_never_tried(member, monkeypatch):
    """Of 3 GB one is held, and a quarter of the rest is for stacks: five members, or four."""
    timed = []

    def of_stack(self, steps, size=None):
        timed.append(size)
        return 1.0

    monkeypatch.setattr(StackedTrainer, "seconds_a_step", of_stack)
    for name in (SerialTrainer, FitTrainer):
        monkeypatch.setattr(name, "seconds_a_step", lambda self, steps: 9.0)
    setup = Trainers(problem(), data()).choose(SetupRequest("auto", 1000, 0, memory=3 << 30))
    assert (setup.members, max(timed)) == (4, 4)


def test_workers_share_the_limit(member):
    """Each takes a gigabyte for TensorFlow and 400 MB to train; 4 GB are left."""
    request = SetupRequest("serial", 10_000, memory=5 << 30)
    made = Trainers(problem(), data())
    assert made.choose(request).workers == min(2, trainers.available_cores())
    assert made.choose(SetupRequest("serial", 10_000, memory=2 << 30)).workers == 0


def test_a_limit_below_one_training_is_refused(member):
    """With what it takes: 1 GB is held, and a training takes 400 MB."""
    made = Trainers(problem(), data())
    with pytest.raises(RecipeError, match=r"at least 1\.4 GiB.*Found 1\.0 GiB"):
        made.choose(SetupRequest("fit", 8, memory=1 << 30))


def test_a_machine_without_room_is_warned_of(member, monkeypatch, caplog):
    """It may still do: what is free is an estimate."""
    monkeypatch.setattr(trainers, "free_bytes", lambda: 200 << 20)
    Trainers(problem(), data()).choose(SetupRequest("fit", 8))
    assert "takes about 400.0 MiB of memory, of which 200.0 MiB is free" in caplog.text
