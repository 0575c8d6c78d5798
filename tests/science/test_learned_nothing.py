"""A sweep that learned nothing says so first, and promotes nothing; one that learned does not."""

import json
import warnings

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.results.result import SweepResult

BOTH = {"rmse": "minimize", "shortfall": "minimize"}


def load_data():
    """A noisy plane, 64 rows to train on."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 4))
    y = x @ np.ones((4, 1)) + 1.0 + 0.1 * rng.normal(size=(96, 1))
    return lw.Data(train=(x[:64], y[:64]), val=(x[64:], y[64:]))


def build_model():
    """One linear layer."""
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])


def sweep_of(name, objectives=BOTH, **changes):
    """A sweep over two terms."""
    return lw.Sweep(
        name=name,
        build_model=build_model,
        load_data=load_data,
        terms={"mse": "mse", "under": lw.terms.Underestimation()},
        space={"mse": lw.Fixed(1.0), "under": lw.LogUniform(1e-2, 1e2)},
        metrics={"rmse": lw.metrics.RMSE(), "shortfall": lw.metrics.Shortfall()},
        objectives=objectives,
        **changes,
    )


def run(root, sweep, trials=4, **options):
    """Run it in this process."""
    options = {"tracking": False, "confirm": 0, **options}
    return sweep.run(trials, root=root, trainer="fit", workers=0, quiet=True, **options)


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    """A sweep of two epochs of one step each, and its root."""
    root = tmp_path_factory.mktemp("nothing")
    return run(root, sweep_of("idle", epochs=2), tracking=True), root


def test_a_sweep_that_learned_nothing_says_so_first(nothing):
    """One sentence, what to change, and the figures, before the verdict as it always was."""
    result, root = nothing
    rmse = min(result.trials["rmse"])
    y = load_data().val.y
    first, rest = result.verdict.split(". ", 1)[0], result.verdict[len(result.learned_nothing) :]
    assert first.startswith("This sweep learned nothing: no trial is better than")
    assert f"rmse {rmse:.4g} at best against {np.std(y):.4g}" in result.learned_nothing
    assert "more epochs than 2, or with a larger learning rate than 0.001" in result.verdict
    assert result.learned_nothing.count(". ") == 0
    assert "trial" in rest
    told = json.loads((root / "studies" / "idle" / "verdict.json").read_text())
    assert told["sentence"] == result.verdict
    assert "learned nothing" in (root / "studies" / "idle" / "report.html").read_text()


def test_a_report_drawn_later_says_the_same(nothing):
    """What it is said by is kept in the folder of the sweep."""
    result, root = nothing
    assert SweepResult.read("idle", root).verdict == result.verdict


def test_a_sweep_that_learned_nothing_promotes_nothing(nothing):
    """Picks and model are there, no set is promoted, no model registered, and loading one warns."""
    from mlflow import MlflowClient

    from lossweights.results.folder import tracking_uri

    result, root = nothing
    folder = root / "weights" / "idle"
    assert {p.name for p in folder.iterdir() if p.suffix != ".lock"} == {
        *("knee.json", "min-rmse.json", "min-shortfall.json", "knee.keras"),
    }
    assert not (root / "weights" / "idle.json").exists()
    assert list(MlflowClient(tracking_uri=tracking_uri(root)).search_registered_models()) == []
    with pytest.warns(UserWarning, match="learned nothing"):
        loaded = lw.load("idle", root)
    assert loaded.weights == result.best("knee").weights
    with pytest.warns(UserWarning, match="larger learning rate"):
        lw.load(folder / "min-rmse.json")


def test_a_sweep_that_is_gone_on_with_until_it_learns_promotes(tmp_path):
    """The warning is gone, and the set is promoted."""
    run(tmp_path, sweep_of("later", epochs=1, optimizer=keras.optimizers.SGD(1e-4)), 2)
    learned = sweep_of("later", epochs=60, batch_size=8, optimizer=keras.optimizers.SGD(0.05))
    result = run(tmp_path, learned, resume=True, accept_change=["recipe"])
    assert result.learned_nothing == ""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "warning" not in lw.load("later", tmp_path).origin


def test_one_objective_has_its_best_as_knee(tmp_path):
    """Also in a sweep that learned nothing."""
    result = run(tmp_path, sweep_of("one", objectives={"rmse": "minimize"}, epochs=1))
    assert result.learned_nothing
    best = result.trials.loc[result.trials["rmse"].idxmin(), "number"]
    assert result.best_number("knee") == result.best_number("min:rmse") == best


COVER = {"objectives": {"shortfall": "minimize"}}


def test_an_objective_that_a_constant_satisfies_shows_nothing(tmp_path):
    """No trial can beat a shortfall of 0, so of trials whose loss fell nothing is said."""
    optimizer = keras.optimizers.SGD(0.05)
    result = run(tmp_path, sweep_of("cover", **COVER, epochs=10, optimizer=optimizer), 2)
    assert result.constants["shortfall"]["value"] == result.constants["shortfall"]["perfect"] == 0
    assert result.learned_nothing == ""


def test_nothing_is_learned_where_no_loss_falls(tmp_path):
    """Whatever the objective: then the verdicts show it."""
    optimizer = keras.optimizers.SGD(1e-7)
    result = run(tmp_path, sweep_of("still", **COVER, epochs=2, optimizer=optimizer), 3)
    assert result.learned_nothing.startswith(
        "This sweep learned nothing: the loss fell in none of 3 trials, and a constant prediction"
    )
    assert "shortfall" in result.learned_nothing
    assert "larger learning rate than 1e-07" in result.verdict
