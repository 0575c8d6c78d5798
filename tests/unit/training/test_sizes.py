"""How many members a stack may have: what cache and memory hold."""

import keras
import pytest

from lossweights.terms import as_term
from lossweights.training import _sizes as sizes
from lossweights.training.problem import Problem


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
    """Sets cache, free memory, and the memory of a graphics card."""

    def seems(cache=32 << 20, memory=1 << 40, card=None):
        monkeypatch.setattr(sizes, "cache_bytes", lambda: cache)
        monkeypatch.setattr(sizes, "free_bytes", lambda: memory)
        monkeypatch.setattr(sizes, "gpu_bytes", lambda: card)

    return seems


def test_the_cache_holds_as_many_members_as_fit_in_its_share(machine):
    """Twice as many would not."""
    machine()
    members = sizes.cached_members(build_model(), PROBLEM)
    bytes_needed = members * sizes.member_bytes(build_model(), 1)
    assert bytes_needed <= sizes.CACHE_SHARE * (32 << 20) < 2 * bytes_needed
    machine(cache=0)
    assert sizes.cached_members(build_model(), PROBLEM) == 1


def test_on_a_gpu_its_memory_counts(machine):
    """It is where measuring begins, and what no stack goes beyond."""
    machine(cache=0, card=16 << 30)
    begin, most = (
        function(build_model(), PROBLEM) for function in (sizes.cached_members, sizes.most_members)
    )
    assert begin == sizes.power_of_two(
        sizes.GPU_SHARE * (16 << 30) / sizes.member_bytes(build_model(), 1)
    )
    assert 1 < begin < most
    machine(card=4 << 20)
    assert sizes.most_members(build_model(), PROBLEM) * sizes.member_bytes(build_model(), 1) <= (
        sizes.MEMORY_SHARE * (4 << 20)
    )


def test_memory_limits_a_stack_where_it_is_scarcer_than_cache(machine):
    """A stack of one is always tried."""
    machine(memory=4 << 20)
    most = sizes.most_members(build_model(), PROBLEM)
    assert 1 < most * sizes.member_bytes(build_model(), 1) <= sizes.MEMORY_SHARE * (4 << 20)
    assert sizes.cached_members(build_model(), PROBLEM) == most
    machine(memory=0)
    assert sizes.most_members(build_model(), PROBLEM) == 1
