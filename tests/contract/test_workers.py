"""In how many processes trials are trained, and that the measured choice is kept."""

import pytest
from keras import layers

from lossweights.data import Data
from lossweights.training import SetupRequest, TrainingSetup
from lossweights.training import _auto as auto
from lossweights.training import _kept_rates as measured
from lossweights.training import _trainers as trainers
from lossweights.training._rates import Rates
from lossweights.training._trainers import STACKS_TO_TRAIN, TRIALS_A_WORKER, Trainers

from . import models
from .parity import data, problem

CACHED = 8
RATES = Rates({4: 1.2e-3, 8: 1e-3, 16: 1.1e-3}, serial=9e-3, fit=2e-2)


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    """An empty cache folder, and a fake cache of the processor."""
    monkeypatch.setattr(measured.platformdirs, "user_cache_path", lambda *_, **__: tmp_path)
    monkeypatch.setattr(auto, "cached_members", lambda model, problem: CACHED)


@pytest.fixture
def machine(monkeypatch):
    """Sets the cores and the free memory, in bytes, that there seem to be, and counts timings."""
    timings = []

    def seems(cores=2, memory=1 << 40):
        def measure(self, ways):
            timings.append(ways)
            return RATES

        monkeypatch.setattr(trainers, "available_cores", lambda: cores)
        monkeypatch.setattr(measured, "available_cores", lambda: cores)
        monkeypatch.setattr(trainers, "free_bytes", lambda: memory)
        monkeypatch.setattr(auto._Choice, "measure", measure)
        return timings

    return seems


def test_a_few_stacks_are_trained_in_this_process_and_many_by_a_worker_a_core(machine):
    """From so many stacks on the workers are worth their start, and share what is best at once."""
    machine(cores=4)
    made = Trainers(problem(), data())
    many = STACKS_TO_TRAIN * CACHED
    few = made.choose(SetupRequest("auto", many - 1))
    assert few == TrainingSetup("stacked", 0, 8, f"a training step takes each member {RATES}")
    found = made.choose(SetupRequest("auto", many))
    assert (found.trainer, found.workers, found.members) == ("stacked", 4, 2)
    assert found.why == f"a training step takes each member {RATES}"
    assert made.choose(SetupRequest("stacked", many)).workers == 4


@pytest.mark.parametrize(("workers", "members"), [(0, 8), (1, 8), (2, 4), (3, 2), (16, 1)])
def test_workers_that_were_asked_for_share_the_members(machine, workers, members):
    """One has the whole machine; more share its cache."""
    machine()
    found = Trainers(problem(), data()).choose(SetupRequest("stacked", 1000, workers))
    assert (found.workers, found.members) == (workers, members)


def test_every_seed_counts_as_a_training(machine):
    """Twice the seeds pay for the workers with half the trials."""
    machine()
    made = Trainers(problem(), data(), seeds=2)
    many = STACKS_TO_TRAIN * CACHED // 2
    assert [made.choose(SetupRequest("stacked", n)).workers for n in (many - 1, many)] == [
        0,
        2,
    ]


def test_single_members_get_workers_too(machine):
    """One after another keeps one core busy."""
    machine()
    made = Trainers(problem(), data())
    many = TRIALS_A_WORKER * 2
    assert [made.choose(SetupRequest("fit", n)).workers for n in (many - 1, many)] == [0, 2]


@pytest.mark.parametrize(
    ("cores", "memory", "workers"), [(1, 1 << 40, 0), (8, 7 << 29, 3), (8, 1 << 30, 0)]
)
def test_no_more_workers_than_cores_and_memory_have_room_for(machine, cores, memory, workers):
    """A worker is a TensorFlow of its own, with the data."""
    machine(cores, memory)
    assert Trainers(problem(), data()).choose(SetupRequest("serial", 10_000)).workers == workers


def test_every_worker_holds_the_data(machine, monkeypatch):
    """Three gigabytes of them, and memory for two workers with as much."""
    machine(cores=8, memory=15 << 30)
    given = data()
    assert given.nbytes == sum(a.nbytes for s in (given.train, given.val) for a in (s.x, s.y))
    monkeypatch.setattr(Data, "nbytes", 3 << 30)
    assert Trainers(problem(), given).choose(SetupRequest("serial", 10_000)).workers == 2


@pytest.mark.parametrize(("memory", "workers"), [(15, 8), (8, 5), (4, 0)])
def test_data_that_are_shared_take_room_once(machine, monkeypatch, memory, workers):
    """For the worker that loads its own; those to measure on are each worker's, and small here."""
    machine(cores=8, memory=(memory << 30) + (1 << 29))
    monkeypatch.setattr(Data, "nbytes", 3 << 30)
    monkeypatch.setattr(trainers, "are_shared", lambda data: True)
    assert Trainers(problem(), data()).choose(SetupRequest("serial", 10_000)).workers == workers


def test_beside_a_gpu_there_are_no_workers(machine, monkeypatch):
    """One process keeps it busy."""
    machine(cores=8)
    monkeypatch.setattr(trainers, "_gpus", lambda: ["GPU"])
    assert Trainers(problem(), data()).choose(SetupRequest("serial", 10_000)).workers == 0


def test_of_several_gpus_each_has_a_worker(machine, monkeypatch):
    """With all of the members that are best for one card, but for the sampler's turns."""
    machine(cores=1)
    monkeypatch.setattr(trainers, "_gpus", lambda: ["GPU"] * 4)
    monkeypatch.setattr(trainers, "visible_gpus", lambda: ["0", "1", "2", "3"])
    made = Trainers(problem(), data())
    many, few = (made.choose(SetupRequest("stacked", n)) for n in (1000, 64))
    assert (many.workers, many.members) == (4, 8)
    assert (few.workers, few.members) == (4, 4)
    assert made.choose(SetupRequest("serial", TRIALS_A_WORKER * 4 - 1)).workers == 0


def test_gpus_that_cannot_be_told_apart_have_no_workers(machine, monkeypatch):
    """Each worker would take the first one."""
    machine(cores=8)
    monkeypatch.setattr(trainers, "_gpus", lambda: ["GPU"] * 2)
    monkeypatch.setattr(trainers, "visible_gpus", list)
    assert Trainers(problem(), data()).choose(SetupRequest("serial", 10_000)).workers == 0


def test_a_trainer_that_needs_no_choice_is_not_built(machine):
    """Workers that were asked for build it themselves."""
    machine()
    made = Trainers(problem(), data())
    assert made.choose(SetupRequest("fit", 10_000, 2)) == TrainingSetup("fit", 2, 1)
    assert made._candidates._built == {}


def measured_for(timings, *, trials=1000, name="auto", **changes):
    """How often it was timed for a problem with these changes."""
    before = len(timings)
    parts = {"recipe": {"batch_size": changes.get("batch_size")}}
    made = Trainers(problem(**changes), data(), description=parts)
    assert made.choose(SetupRequest(name, trials, 0)).trainer == "stacked"
    return len(timings) - before


def test_what_was_measured_is_kept_for_the_next_sweep_of_this_problem(machine):
    """Whatever decides what is timed, or how long it takes, is measured anew."""
    timings = machine()

    def wide():
        return models.sequential((models.FEATURES,), layers.Dense(9), layers.Dense(2))

    assert measured_for(timings) == 1
    assert measured_for(timings) == 0
    assert measured_for(timings, trials=1023) == 0  # a stack may have as many members
    assert measured_for(timings, trials=1024) == 1
    assert measured_for(timings, name="stacked") == 1
    assert measured_for(timings, batch_size=4) == 1
    assert measured_for(timings, build_model=wide) == 1
    machine(cores=3)
    assert measured_for(timings) == 1
    machine(cores=2)
    assert measured_for(timings) == 0


def test_a_sweep_with_a_time_limit_gets_a_worker(machine):
    """Only that can be ended; what the worker trains is not held here."""
    machine()
    made = Trainers(problem(), data())
    found = made.choose(SetupRequest("auto", 8, None, 1))
    assert (found.trainer, found.workers, found.members) == ("stacked", 1, 8)
    assert made._candidates._built == {}
    assert Trainers(problem(), data()).choose(SetupRequest("auto", 1000, None, 1)).workers == 2
