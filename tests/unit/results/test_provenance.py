"""What the weight sets of a result say of their training."""

import json

import pytest

import lossweights as lw
from lossweights.results.difference import differences
from lossweights.results.result import SweepResult
from lossweights.results.winner import WinnerRecord, write_winner

from ..samples import finished, save_sweep
from .contests import SEEDS
from .test_confirmation import numbers
from .test_confirmation import result as confirmed

RECIPE = {
    "optimizer": {"class": "SGD", "learning_rate": 0.05, "clipnorm": None},
    "epochs": 3,
    "early_stopping": None,
    "probe_size": 64,
}


@pytest.fixture
def result(root):
    """A sweep with a recipe, data and versions in its manifest, and a saved winner."""
    said = {"recipe": RECIPE, "data": "d1", "versions": {"keras": "3.15.1"}}
    folder = save_sweep(root, [finished(0, 3.0, 1.0), finished(1, 1.0, 1.1)], **said)
    model = {"file": "knee.keras", "sha256": "0" * 64}
    write_winner(folder, WinnerRecord({}, "", "wish", 1, model))
    return SweepResult.read("demand", root)


def test_a_trial_says_what_it_was(result):
    """Metrics, who drove, seeds, recipe without what is not set, data, versions."""
    said = result.best("min:rmse").provenance
    assert said.to_json()["measured"] == {
        "val": {"rmse": {"mean": 1.0, "seeds": 1}, "shortfall": {"mean": 1.1, "seeds": 1}}
    }
    assert said.drove["driver"] == "mse"
    assert said.drove["decrease"]["mse"] > 0.9
    assert said.seeds == (7,)
    recipe = {"optimizer": {"class": "SGD", "learning_rate": 0.05}, "epochs": 3}
    assert said.to_json()["recipe"] == recipe
    assert (said.data, dict(said.versions)) == ("d1", {"keras": "3.15.1"})
    assert said.confirmation == {}


def test_the_model_is_named_by_the_picks_whose_trial_it_is(result):
    """By whatever name they are picked; others have none."""
    assert result.best("max:shortfall").provenance.model["file"] == "knee.keras"
    assert result.best("min:rmse").provenance.model["file"] == "knee.keras"
    assert result.best("min:shortfall").provenance.model == {}


def test_a_confirmed_pick_has_intervals_on_validation_and_test_data():
    """Over the fresh seeds; ``metrics`` stay those of the trial."""
    found = confirmed({"knee": numbers(8.0), "equal": numbers(9.0, turn=1)})
    knee = found.best("knee")
    test = knee.provenance.measured["test"]["rmse"]
    assert test["low"] < test["mean"] < test["high"]
    assert test["seeds"] == 5
    assert knee.provenance.measured["val"]["rmse"]["mean"] == pytest.approx(test["mean"] + 1)
    assert knee.metrics["rmse"] == 1.0
    assert tuple(knee.provenance.confirmation["seeds"]) == SEEDS
    assert knee.provenance.confirmation["promoted"] == "knee"
    assert found.best("equal").provenance.measured["test"]["rmse"]["mean"] > test["mean"]
    assert found.best("min:shortfall").provenance.confirmation == {}


def test_sets_with_all_of_it_survive_the_file(result, tmp_path):
    """Whatever a result says of a pick is read back; and a file is small."""
    confirmed_knee = confirmed({"knee": numbers(8.0), "equal": numbers(9.0)}).best("knee")
    for weights in (result.best("min:rmse"), confirmed_knee):
        path = weights.save(tmp_path / "weights.json")
        assert lw.load(path) == weights
        assert path.stat().st_size < 4096


def test_a_difference_is_told_by_what_it_is_of(result):
    """Equal sets have none; what one set lacks is None; numbers change by a factor."""
    one, other = result.best("min:rmse"), result.best("min:shortfall")
    assert differences(one, one) == []
    found = {each.what: each for each in differences(one, other)}
    assert found["metrics.rmse"].change == "x 3"
    assert found["origin.trial"][1:] == (1, 0)
    assert found["model.file"].other is None
    assert not any(what.startswith("terms") for what in found)
    json.dumps([each._asdict() for each in found.values()], allow_nan=False)
