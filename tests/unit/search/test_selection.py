"""Pareto front, knee and picks, against brute force and by hand."""

import contextlib
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.base.errors import PickError
from lossweights.search.selection import costs, knee_index, pareto_mask, pick_index

BOTH = {"rmse": "minimize", "shortfall": "minimize"}

# Few values, so that ties and equal rows are common; a few that are not finite.
cells = st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.0, math.nan, math.inf, -math.inf])
tables = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=12).map(
        lambda rows: np.array(rows, dtype=float).reshape(len(rows), width)
    )
)


def beats(a, b):
    """The definition, one number at a time."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(
        x < y for x, y in zip(a, b, strict=True)
    )


@given(tables)
def test_front_is_what_brute_force_finds(values):
    """A row is on the front if it is finite and no finite row beats it."""
    finite = [row for row in values.tolist() if all(map(math.isfinite, row))]
    wanted = [
        all(map(math.isfinite, row)) and not any(beats(other, row) for other in finite)
        for row in values.tolist()
    ]
    assert pareto_mask(values).tolist() == wanted


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_front_of_many_rows_with_ties(width):
    """Rows on a coarse grid, most of them equal to others, and beaten by few."""
    rng = np.random.default_rng(width)
    values = rng.integers(0, 9, (300, width)).astype(float)
    wanted = [not any(beats(other, row) for other in values) for row in values]
    assert pareto_mask(values).tolist() == wanted


@given(tables.filter(lambda values: np.isfinite(values).all(axis=1).any()))
def test_knee_is_a_finite_row_of_the_front(values):
    """The knee is never beaten and never non-finite."""
    assert pareto_mask(values)[knee_index(values)]


@given(tables.filter(lambda v: np.isfinite(v).all(axis=1).any()), st.sampled_from([0.25, 8.0]))
def test_knee_does_not_depend_on_units(values, factor):
    """Metres or feet, from here or from there: units and offsets change nothing."""
    assert knee_index(values * factor + 4.0) == knee_index(values)


@pytest.mark.parametrize(
    ("rows", "knee"),
    [
        ([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]], 1),
        ([[0.0, 1.0], [1.0, 0.0]], 0),  # both at distance 1: the first
        ([[5.0, 5.0]], 0),
        ([[1.0, 7.0], [1.0, 7.0]], 0),
        ([[math.nan, 0.0], [2.0, 2.0]], 1),
        ([[3.0], [1.0], [2.0]], 1),  # one objective: its minimum
        ([[0.0, 4.0, 9.0], [1.0, 4.0, 0.0], [0.1, 4.0, 1.0]], 2),  # the second does not vary
        ([[-math.inf, 0.0], [1.0, 1.0]], 1),
    ],
)
def test_knee_by_hand(rows, knee):
    """A corner of the front; without one, the nearest to the ideal point."""
    assert knee_index(rows) == knee


@pytest.mark.parametrize("rows", [[], [[math.nan, 1.0]], [[math.inf, math.inf]]])
def test_no_finite_row_has_no_knee(rows):
    """Where nothing is finite there is nothing to pick."""
    with pytest.raises(PickError):
        knee_index(np.array(rows, dtype=float).reshape(len(rows), 2))


def test_costs_turn_maximised_objectives_round():
    """What is maximised becomes its negative, so that smaller is better everywhere."""
    table = pd.DataFrame({"dice": [0.5], "rmse": [2.0], "other": ["x"]})
    assert costs(table, {"rmse": "minimize", "dice": "maximize"}).tolist() == [[2.0, -0.5]]


TABLE = pd.DataFrame(
    {
        "number": [0, 1, 2, 3],
        "kind": ["trial"] * 4,
        "driver": ["mse", None, "mse", None],
        "rmse": [1.0, 2.0, 3.0, math.nan],
        "shortfall": [0.5, 0.1, 0.05, math.nan],
        "a-metric_1.x": [4.0, 3.0, 2.0, 1.0],
    }
)


@pytest.mark.parametrize(
    ("pick", "row"),
    [
        ("knee", 1),
        ("min:rmse", 0),
        ("max:rmse", 2),
        (" min:rmse ", 0),
        ("min:a-metric_1.x", 3),
        ("min:rmse where shortfall<=0.1", 1),
        ("min:rmse where shortfall<0.1", 2),
        ("min:rmse where shortfall <= 0.1 and rmse > 2", 2),
        ("max:shortfall where rmse>=2 and rmse<3", 1),
        ("min:rmse where shortfall<=1e-1", 1),
        ("min:rmse where rmse>-1", 0),
        ("min:a-metric_1.x where shortfall<=1", 2),  # NaN satisfies nothing
        ("min:rmse   where   shortfall<=.1   and   rmse>=2", 1),
    ],
)
def test_picks_by_hand(pick, row):
    """Each form of a pick names its row."""
    assert pick_index(TABLE, BOTH, pick) == row


@pytest.mark.parametrize(
    "pick",
    [
        "",
        "best",
        "Knee",
        "knee where rmse<1",
        "min",
        "min:",
        "min rmse",
        "mean:rmse",
        "min:nope",
        "min:rmse where",
        "min:rmse where ",
        "min:rmse where shortfall",
        "min:rmse where shortfall=0.1",
        "min:rmse where shortfall==0.1",
        "min:rmse where shortfall<=",
        "min:rmse where shortfall<=x",
        "min:rmse where shortfall<=nan",
        "min:rmse where shortfall<=inf",
        "min:rmse where nope<=1",
        "min:rmse where 0.1>=shortfall",
        "min:rmse where shortfall<=0.1 or rmse<=1",
        "min:rmse where shortfall<=0.1 and",
        "min:rmse where and",
        "min:rmse where shortfall<=0.01",
        "min:rmse; import os",
        "min:kind",
        "min:driver",
        "min:rmse where kind<=1",
    ],
)
def test_bad_picks(pick):
    """What cannot be read or satisfied is a PickError that shows the pick."""
    with pytest.raises(PickError, match="Expected") as raised:
        pick_index(TABLE, BOTH, pick)
    assert "Found" in str(raised.value)


@given(st.text(max_size=40))
def test_any_text_is_a_pick_or_a_pick_error(pick):
    """No text does anything but name a row or raise PickError."""
    with contextlib.suppress(PickError):
        assert 0 <= pick_index(TABLE, BOTH, pick) < len(TABLE)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_a_pick_error(text):
    """The same for what follows ``where``."""
    with contextlib.suppress(PickError):
        assert 0 <= pick_index(TABLE, BOTH, f"min:rmse where {text}") < len(TABLE)
