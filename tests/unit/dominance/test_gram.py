"""What a Gram matrix says, against gradients written out as vectors."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.dominance.gram import (
    contributions,
    cosines,
    gradient_norms,
    gram_metrics,
    gram_table,
    norm_shares,
)
from lossweights.dominance.shares import decrease_shares

seeds = st.integers(0, 10_000)


def gradients(seed, terms=4, size=7):
    """Random gradients and weights of a few terms."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(terms, size)) * 10 ** rng.uniform(-2, 2, (terms, 1)), 10 ** rng.uniform(
        -2, 2, terms
    )


@given(seeds)
def test_norms_shares_and_cosines_are_those_of_the_vectors(seed):
    """Each from its definition, on random gradients."""
    g, w = gradients(seed)
    lengths = np.linalg.norm(g, axis=1)
    np.testing.assert_allclose(gradient_norms(g @ g.T), lengths)
    np.testing.assert_allclose(norm_shares(w, g @ g.T), w * lengths / (w * lengths).sum())
    unit = g / lengths[:, None]
    np.testing.assert_allclose(cosines(g @ g.T), unit @ unit.T, atol=1e-12)


@given(seeds)
def test_contributions_are_projections_on_the_step(seed):
    """The part of term i in a gradient step is ``<w_i g_i, g> / <g, g>``; they sum to 1."""
    g, w = gradients(seed)
    total = w @ g
    expected = (w[:, None] * g) @ total / (total @ total)
    found = contributions(w, g @ g.T)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    assert found.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(contributions(1000 * w, g @ g.T), found)


def test_many_matrices_are_a_ratio_of_sums():
    """A step that is a hundred times longer counts ten thousand times more."""
    large, small = 100.0**2 * np.diag([3.0, 1.0]), np.diag([0.0, 1.0])
    found = contributions([1.0, 1.0], [large, small])
    np.testing.assert_allclose(found, [30000 / 40001, 10001 / 40001])
    moved = contributions([[1.0, 0.0], [1.0, 1.0]], [large, small])
    np.testing.assert_allclose(moved, [30000 / 30001, 1 / 30001])


def test_conflict_and_duplicates():
    """Opposite gradients: cosine -1, and the weaker one contributes less than nothing."""
    g = np.array([[2.0, 0.0], [-1.0, 0.0]])
    assert cosines(g @ g.T)[0, 1] == -1.0
    assert contributions([1.0, 1.0], g @ g.T).tolist() == [2.0, -1.0]
    twice = np.array([[2.0, 1.0], [2.0, 1.0]])
    assert cosines(twice @ twice.T)[0, 1] == pytest.approx(1.0)
    np.testing.assert_allclose(contributions([0.25, 0.75], twice @ twice.T), [0.25, 0.75])


def test_what_is_not_defined_is_nan():
    """A term without gradient has no angle; at a stationary point nothing contributes."""
    assert np.isnan(cosines(np.diag([1.0, 0.0]))[0, 1])
    assert np.isnan(contributions([1.0, 1.0], np.zeros((2, 2)))).all()
    assert np.isnan(norm_shares([1.0, 1.0], np.zeros((2, 2)))).all()
    stationary = [[1.0, -1.0], [-1.0, 1.0]]
    assert np.isnan(contributions([1.0, 1.0], stationary)).all()
    assert norm_shares([1.0, 1.0], stationary).tolist() == [0.5, 0.5]


def test_summed_contributions_are_decrease_shares():
    """Three squared errors of a linear model under small steps: D to three digits."""
    rng = np.random.default_rng(3)
    x, target = rng.normal(size=(3, 50, 6)), rng.normal(size=(3, 50))
    w, t, grams, rows = np.array([1.0, 0.5, 0.2]), np.zeros(6), [], []
    for _ in range(3000):
        error = x @ t - target
        g = 2 * np.einsum("in,inj->ij", error, x) / 50
        grams.append(g @ g.T)
        rows.append((error**2).mean(axis=1))
        t = t - 1e-3 * w @ g
    D = decrease_shares(w, rows[0], rows[-1])
    np.testing.assert_allclose(contributions(w, grams), D, atol=1e-3)
    mean_of_ratios = np.mean([contributions(w, gram) for gram in grams], axis=0)
    assert np.abs(mean_of_ratios - D).max() > 0.05  # what must not be done


def test_points_have_names_that_every_tracker_takes():
    """Letters, digits, ``_ - . /`` and spaces: all that MLflow allows on every platform."""
    g, _ = gradients(0, terms=3)
    found = gram_metrics({"mse": 1.0, "under-2": 0.5, "b.c": 2.0}, g @ g.T)
    assert len(found) == 3 + 3 + 3 + 3
    assert all(re.fullmatch(r"[\w./ -]+", name) for name in found)
    assert found["cosine/mse/b.c"] == pytest.approx(cosines(g @ g.T)[0, 2])
    assert found["gradnorm/under-2"] == pytest.approx(np.linalg.norm(g[1]))
    assert sum(found[f"contribution/{n}"] for n in ("mse", "under-2", "b.c")) == pytest.approx(1)


def test_a_matrix_by_names():
    """Row by row, as reports keep it."""
    assert gram_table(["a", "b"], [[1.0, 2.0], [2.0, 4.0]]) == {
        "a": {"a": 1.0, "b": 2.0},
        "b": {"a": 2.0, "b": 4.0},
    }
