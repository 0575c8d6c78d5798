"""How many members a stack has: what cache and memory hold, and this process's share of them."""

import keras
import pytest

from lossweights import cores
from lossweights.problem import Problem
from lossweights.terms import as_term
from lossweights.training import sizes


def build_model():
    """A model whose members take 68 kB each."""
    return keras.Sequential([keras.Input((32,)), keras.layers.Dense(128)])


PROBLEM = Problem(
    build_model=build_model,
    terms={"mse": as_term("mse", "mse")},
    metrics={},
    optimizer="adam",
    epochs=1,
    batch_size=1,
    probe_size=16,
    early_stopping=None,
)


@pytest.fixture
def machine(monkeypatch):
    """Sets cores, threads of this process, cache and free memory."""

    def seems(total=4, threads="", cache=32 << 20, memory=1 << 40):
        monkeypatch.setattr(cores, "available_cores", lambda: total)
        monkeypatch.setenv(cores.THREADS, threads)
        monkeypatch.setattr(sizes, "cache_bytes", lambda: cache)
        monkeypatch.setattr(sizes, "free_bytes", lambda: memory)

    return seems


@pytest.mark.parametrize(
    ("threads", "share"),
    [("", 1.0), ("0", 1.0), ("many", 1.0), ("1", 0.25), ("2", 0.5), ("4", 1.0), ("8", 1.0)],
)
def test_the_share_of_a_process_is_that_of_its_threads(machine, threads, share):
    """Without a number, and beyond the cores, it is the whole machine."""
    machine(threads=threads)
    assert cores.own_share() == share


def test_a_worker_takes_its_part_of_the_cache(machine):
    """Four workers of one core each train together as many members as one of four cores."""
    machine()
    whole = sizes.cached_members(build_model(), PROBLEM)
    machine(threads="1")
    assert sizes.cached_members(build_model(), PROBLEM) == whole // 4
    assert whole * sizes.member_bytes(build_model(), 1) <= sizes.CACHE_SHARE * (32 << 20)


def test_memory_limits_a_stack_where_it_is_scarcer_than_cache(machine):
    """A stack of one is always tried."""
    machine(memory=4 << 20)
    scarce = sizes.cached_members(build_model(), PROBLEM)
    machine(memory=4 << 20, threads="1")
    assert 1 < sizes.cached_members(build_model(), PROBLEM) * 4 == scarce
    machine(memory=0)
    assert sizes.cached_members(build_model(), PROBLEM) == 1
