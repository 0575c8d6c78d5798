"""The number of members, and what trains them, from rates that a fake machine has."""

import keras
import pytest

from lossweights.training import FitTrainer, SerialTrainer, StackedTrainer
from lossweights.training import _auto as auto
from lossweights.training._candidates import Candidates
from lossweights.training._rates import Rates

from . import models
from .parity import data, problem

MANY = 10_000  # trials


@pytest.fixture
def machine(monkeypatch):
    """Sets how long a step takes: of a stack by its size, of one after another, of `model.fit`."""
    timed = []

    def seems(stacked=lambda size: 1.0, serial=20.0, fit=30.0, cached=16, room=1 << 20):
        def of_stack(self, steps, size=None):
            timed.append(size)
            return size * stacked(size)

        monkeypatch.setattr(StackedTrainer, "seconds_a_step", of_stack)
        monkeypatch.setattr(SerialTrainer, "seconds_a_step", lambda self, steps: serial)
        monkeypatch.setattr(FitTrainer, "seconds_a_step", lambda self, steps: fit)
        monkeypatch.setattr(auto, "cached_members", lambda model, problem: cached)
        monkeypatch.setattr(auto, "most_members", lambda model, problem, limit: room)
        return timed

    return seems


@pytest.fixture(scope="module")
def candidates():
    """The trainers of a dense net; what is chosen leaves them as they are."""
    return Candidates(problem(), data())


def choose(candidates, trials=MANY, **options):
    """The name and the number of members."""
    chosen = auto.choose_trainer(candidates, trials=trials, **options)
    return chosen.name, chosen.members


class Kept:
    """Where rates are kept."""

    def __init__(self, rates=None):
        self.rates = rates

    def __call__(self):
        """Found."""
        return self

    def load(self):
        """What was kept."""
        return self.rates

    def keep(self, rates):
        """Keep it."""
        self.rates = rates
        return rates


def test_the_size_that_the_cache_suggests_stands_unless_another_is_clearly_faster(
    machine, candidates
):
    """A tenth is noise; another run would find it the other way round."""
    timed = machine(lambda size: {8: 1.2, 16: 1.0, 32: 0.9}[size])
    assert choose(candidates) == ("stacked", 16)
    assert set(timed) == {8, 16, 32}


@pytest.mark.parametrize("best", [1, 2, 4, 8, 32, 64, 128, 512])
def test_sizes_are_doubled_or_halved_as_long_as_that_is_clearly_faster(machine, candidates, best):
    """Each doubling away from the best size takes twice as long; one beyond it is tried."""
    timed = machine(lambda size: max(size / best, best / size), serial=1000.0)
    assert choose(candidates) == ("stacked", max(best, 2))  # a stack of one is the serial trainer
    assert max(timed) == max(2 * best, 32)
    assert min(timed) == max(2, min(best // 2, 8))


def test_a_named_stack_has_two_members_at_least(machine, candidates):
    """Where memory has room for them; one is what the serial trainer trains."""
    timed = machine(lambda size: float(size), cached=1)
    assert choose(candidates, name="stacked") == ("stacked", 2)
    assert set(timed) == {2, 4}
    machine(cached=1, room=1)
    assert choose(Candidates(problem(), data()), name="stacked") == ("stacked", 1)


def test_memory_bounds_what_is_tried(machine, candidates):
    """However fast a larger stack would be."""
    timed = machine(lambda size: 1 / size, room=64)
    assert choose(candidates) == ("stacked", 64)
    assert max(timed) == 64


@pytest.mark.parametrize(("trials", "members"), [(10_000, 256), (400, 64), (64, 16)])
def test_the_sampler_gets_its_turns(machine, candidates, trials, members):
    """A quarter of the trials is asked for at once at most."""
    machine(lambda size: 1 / size, room=256)
    assert choose(candidates, trials=trials) == ("stacked", members)


@pytest.mark.parametrize(
    ("serial", "fit", "name"),
    [
        (0.7, 0.7, "serial"),
        (0.9, 0.9, "stacked"),
        (9.0, 0.7, "fit"),
        (0.7, 0.5, "fit"),
        (0.7, 0.6, "serial"),
    ],
)
def test_what_is_clearly_faster_than_a_stack_is_taken(machine, candidates, serial, fit, name):
    """One after another in one graph, or Keras itself; all train the same."""
    machine(serial=serial, fit=fit)
    assert choose(candidates)[0] == name


def test_a_member_that_fills_the_cache_trains_alone_unless_a_stack_is_clearly_faster(machine):
    """The cache suggests; what was measured decides."""
    timed = machine(cached=1, serial=1.0, fit=1.0)
    assert choose(Candidates(problem(), data())) == ("serial", 1)
    assert set(timed) == {2, 4}
    machine(lambda size: 1 / size, cached=1, serial=1.0, fit=1.0, room=8)
    assert choose(Candidates(problem(), data())) == ("stacked", 8)
    timed.clear()
    assert choose(Candidates(problem(), data()), trials=auto.FEW_TRIALS - 1) == ("serial", 1)
    machine(cached=1, room=1, serial=2.0, fit=1.0)
    assert choose(Candidates(problem(), data())) == ("fit", 1)
    assert timed == []


def test_few_trials_are_not_timed(machine, candidates):
    """It takes longer to time them than they can gain."""
    timed = machine(cached=16)
    assert choose(candidates, trials=auto.FEW_TRIALS - 1) == ("stacked", 8)
    assert timed == []
    assert choose(candidates, trials=auto.FEW_TRIALS) == ("stacked", 8)
    assert set(timed) == {4, 8}


def test_what_is_known_is_not_timed_again(machine, candidates):
    """Nor does it count for a sweep that would not have been timed, so that reruns are alike."""
    timed = machine()
    kept = Kept(Rates({8: 2.0, 16: 1.0, 32: 0.5}, serial=9.0, fit=9.0))
    assert choose(candidates, find_kept=kept) == ("stacked", 32)
    assert choose(candidates, trials=auto.FEW_TRIALS - 1, find_kept=kept) == ("stacked", 8)
    assert timed == []
    nothing = Kept()
    assert choose(candidates, find_kept=nothing) == ("stacked", 16)
    assert sorted(nothing.rates.stacked) == [8, 16, 32]


def test_what_is_known_of_a_model_that_only_fit_trains_does_not_count(machine):
    """It was another model: one that looked the same from outside."""
    machine()
    candidates = Candidates(problem(optimizer=keras.optimizers.Lamb()), data())
    assert choose(candidates, find_kept=Kept(Rates({16: 1.0}, serial=9.0, fit=9.0))) == ("fit", 1)


def test_to_leave_the_usual_size_takes_two_looks(machine, candidates):
    """What was faster once, while something else kept the machine busy, is not."""
    looks = []

    def stacked(size):
        looks.append(size)
        return 0.5 if size == 32 and looks.count(32) < 4 else 1.0

    machine(stacked, room=32)
    assert choose(candidates) == ("stacked", 16)
    assert looks.count(32) == 6  # in each look two calls, then a turn


def test_what_cannot_be_timed_is_not_taken(machine, candidates):
    """A larger stack may lack memory; without any rate the usual one is taken."""

    def stacked(size):
        if size > 16:
            raise MemoryError
        return 1.0

    machine(stacked)
    assert choose(candidates) == ("stacked", 16)
    machine(lambda size: 1 / 0)
    assert choose(candidates, name="stacked") == ("stacked", 16)


def test_timing_a_model_without_a_stack_compares_what_is_left(machine):
    """A loop over time with masks cannot be vectorised."""
    timed = machine(serial=2.0, fit=1.0)
    assert choose(Candidates(problem(models.masked_gru), data(models.masked_gru))) == ("fit", 1)
    assert timed == []
