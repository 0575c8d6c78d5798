"""Predictions of metrics from weights: right where trials are, unsure where none is."""

import json

import numpy as np
import pandas as pd
import pytest

from lossweights.results.surrogate import LEAST_TRIALS, MOST_TRIALS, fit_surrogate

TERMS = ["mse", "under", "boundary"]


def table(count, noise=0.0, seed=0):
    """Trials whose metrics are smooth in the logarithms of two weights."""
    rng = np.random.default_rng(seed)
    u, b = rng.uniform(-2, 2, (2, count))
    return pd.DataFrame(
        {
            "number": range(count),
            "relative/mse": 1.0,
            "relative/under": 10**u,
            "relative/boundary": 10**b,
            "rmse": 60 + 10 * np.tanh(u) + rng.normal(0, noise, count),
            "shortfall": np.exp(2 - 1.5 * u),
        }
    )


def test_it_predicts_what_it_has_not_seen():
    """Within its own interval, and with the error that it tells of itself."""
    trials, fresh = table(60, noise=0.2), table(200, noise=0.2, seed=1)
    found = fit_surrogate(trials, TERMS, ["rmse", "shortfall"])
    assert found.terms == ("under", "boundary")
    assert found.fixed == {"mse": 1.0}
    weights = fresh[["relative/under", "relative/boundary"]].to_numpy()
    middle, low, high = found.predict("rmse", weights)
    assert np.sqrt(np.mean((middle - fresh["rmse"]) ** 2)) < 0.5
    assert 0.85 < np.mean((fresh["rmse"] > low) & (fresh["rmse"] < high)) <= 1.0
    assert 0.1 < found.predictors["rmse"].error < 0.6
    assert found.predictors["rmse"].explained > 0.97
    assert found.predictors["shortfall"].log
    assert (found.predict("shortfall", weights)[1] > 0).all()


def test_a_learning_rate_beside_weights_is_learned_from():
    """What follows the rate is no noise; names that were chosen, and numbers of 0, are left out."""
    trials, rng = table(60), np.random.default_rng(2)
    trials["hyper/learning_rate"] = 10 ** rng.uniform(-4, -2, 60)
    trials["hyper/weight_decay"] = 0.0
    trials["term/region"] = rng.choice(["dice", "tversky"], 60)
    trials["rmse"] += 5 * np.log10(trials["hyper/learning_rate"])
    found = fit_surrogate(trials, TERMS, ["rmse"])
    assert found.terms == ("under", "boundary", "hyper/learning_rate")
    assert found.predictors["rmse"].explained > 0.95
    at = np.array([[1.0, 1.0, 1e-4], [1.0, 1.0, 1e-2]])
    assert np.diff(found.predict("rmse", at)[0]) == pytest.approx(10, abs=1)


def test_noise_is_not_explained():
    """Where weights say nothing of a metric, what is left out cannot be predicted."""
    trials = table(60)
    trials["rmse"] = np.random.default_rng(0).normal(size=60)
    found = fit_surrogate(trials, TERMS, ["rmse"])
    assert found.predictors["rmse"].explained < 0.2


def test_beyond_the_trials_it_is_unsure():
    """The interval is far wider than among them."""
    found = fit_surrogate(table(60, noise=0.1), TERMS, ["rmse"])
    inside, outside = (np.array([[w, w]]) for w in (1.0, 1e6))
    width = [np.subtract(*found.predict("rmse", at)[:0:-1])[0] for at in (inside, outside)]
    assert width[1] > 5 * width[0]


@pytest.mark.parametrize("count", [0, 1, LEAST_TRIALS - 1])
def test_few_trials_predict_nothing(count):
    """Nor do they fail."""
    assert fit_surrogate(table(count), TERMS, ["rmse"]) is None


def test_weights_of_zero_and_metrics_with_gaps_are_left_out():
    """A logarithm of 0 is no place, and what was not measured is not predicted."""
    trials = table(30)
    trials.loc[:9, "relative/under"] = 0.0
    trials["gaps"] = [np.nan, 1.0, 2.0] * 10
    found = fit_surrogate(trials, TERMS, ["rmse", "gaps"])
    assert len(found.points) == 20
    assert list(found.predictors) == ["rmse"]


def test_of_many_trials_some_are_enough():
    """Those of the front are among them; the numbers are plain JSON."""
    trials = table(400, noise=0.1)
    front = list(range(0, 400, 40))
    found = fit_surrogate(trials, TERMS, ["rmse"], front)
    assert len(found.points) == MOST_TRIALS
    on = trials.iloc[front][["relative/under", "relative/boundary"]].to_numpy()
    assert (
        np.abs(found._unit(on)[:, None] - found.points[None]).sum(axis=2).min(axis=1) < 1e-9
    ).all()
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert len(told["metrics"]["rmse"]["factor"]) == MOST_TRIALS
