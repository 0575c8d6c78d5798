"""A common factor that is searched for nothing, and the remedy."""

import pytest

from lossweights.search.redundant import free_factor, redundant_scale
from lossweights.search.space import Fixed, LogUniform, Simplex, Space, Uniform

FREE = LogUniform(0.01, 100.0)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"a": FREE, "b": FREE}, "a"),
        ({"a": Uniform(0, 1), "b": FREE}, "a"),
        ({"a": Fixed(0.0), "b": FREE}, "b"),
        ({"a": FREE, "b": 1.0}, None),
        (Simplex(), None),
    ],
    ids=["free", "uniform", "off", "anchored", "simplex"],
)
def test_where_the_factor_is_free(spec, name):
    """Unless a weight above 0 is fixed, or all share a total."""
    space = Space(["a", "b"], spec)
    assert free_factor(space) == name
    assert bool(redundant_scale(space, "Adam")) == (name is not None)


@pytest.mark.parametrize(
    ("part", "value"), [(FREE, "1.0"), (LogUniform(10, 1000), "100.0"), (Uniform(2, 4), "3.0")]
)
def test_the_remedy_lies_in_the_range(part, value):
    """So that it can be pasted."""
    said = redundant_scale(Space(["a", "b"], {"a": part, "b": FREE}), "Adam")
    assert f'("a": lw.Fixed({value})) or use lw.Simplex()' in said
