"""A result read from its folder: table, front, picks, and weight sets that load back."""

import json
import math

import numpy as np
import pytest

import lossweights as lw
from lossweights.base.errors import (
    InvalidName,
    PickError,
    StoreError,
    SweepNotFound,
    WeightSetError,
)
from lossweights.records import Outcome
from lossweights.results.result import SweepResult
from lossweights.results.weights import model_path, pick_path, promoted_path

from ..samples import finished, save_sweep

TRIALS = [
    finished(0, 3.0, 1.0, kind="baseline"),
    finished(1, 1.0, 3.0, driver="under", under=2.0),
    finished(2, 1.5, 1.5),
    finished(3, 4.0, 4.0),
    finished(4, 0.1, 0.1, outcome=Outcome.DIVERGED, reason="term mse was not finite"),
    finished(5, 0.1, 0.1, outcome=Outcome.FAILED, reason="boom"),
    finished(6, 0.1, 0.1, outcome=Outcome.PRUNED, reason="stopped after epoch 1"),
]


@pytest.fixture
def result(root):
    """A sweep of seven trials: four complete, three of them on the front."""
    save_sweep(root, TRIALS, scales={"mse": 10.0, "under": 4.0})
    return SweepResult.read("demand", root)


def test_table_has_a_row_each_trial_and_the_documented_columns(result):
    """The table says of each trial what was sampled, how it ended and what it measured."""
    table = result.trials
    assert table["number"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert table["kind"].tolist() == ["baseline"] + ["trial"] * 6
    assert table["outcome"].tolist()[3:] == ["COMPLETE", "DIVERGED", "FAILED", "PRUNED"]
    assert table["driver"].tolist()[:2] == ["mse", "under"]
    assert table["weight/under"].tolist()[:3] == [0.5, 2.0, 0.5]
    assert table["relative/under"].tolist()[:3] == [2.0, 8.0, 2.0]
    assert table["relative/mse"].tolist() == [10.0] * 7
    assert table["rmse"].tolist()[:4] == pytest.approx([3.0, 1.0, 1.5, 4.0])
    assert table["reason"][5] == "boom"
    decrease = table[["decrease/mse", "decrease/under"]].sum(axis=1)
    np.testing.assert_allclose(decrease[:4], 1.0)


def test_only_complete_trials_have_metrics(result):
    """What did not train to the end has no number that could be compared."""
    assert result.trials.loc[4:, ["rmse", "shortfall"]].isna().all(axis=None)


def test_front_is_of_complete_trials_sorted_by_the_first_objective(result):
    """Better numbers of trials that did not complete are nowhere."""
    assert result.pareto["number"].tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("pick", "number"),
    [("knee", 2), ("min:rmse", 1), ("min:shortfall", 0), ("max:rmse", 3),
     ("min:rmse where shortfall<=2", 2), ("min:weight/under", 0), ("max:number", 3),
     ("max:seconds", 0)],
)  # fmt: skip
def test_picks_name_complete_trials(result, pick, number):
    """No pick, by whatever column, names a trial that did not complete."""
    best = result.best(pick)
    assert best.origin == {"sweep": "demand", "trial": number, "pick": pick, "seed": 7}
    assert best.name == f"demand@{pick}"
    assert best.weights == TRIALS[number].result.weights
    assert best.scales == {"mse": 10.0, "under": 4.0}
    assert best.metrics == TRIALS[number].result.metrics


def test_bad_pick_is_a_pick_error(result):
    """The grammar of picks is that of `lossweights.search.selection`."""
    for pick in ("best", "min:nope", "min:outcome", "min:rmse where shortfall<=0.2"):
        with pytest.raises(PickError):
            result.best(pick)


def test_verdict_counts_drivers_and_names_the_best(result):
    """One sentence: who drove how many, and who the best one."""
    assert "mse" in result.verdict
    assert "under" in result.verdict
    assert "in the best trial (2)" in result.verdict


@pytest.mark.parametrize(
    "trials",
    [[], [finished(0, outcome=Outcome.FAILED)], [finished(0, outcome=Outcome.DIVERGED)]],
    ids=["none", "failed", "diverged"],
)
def test_without_a_complete_trial_everything_but_picks_works(root, trials):
    """A sweep that has nothing to show yet can still be read, listed and reported."""
    save_sweep(root, trials)
    result = SweepResult.read("demand", root)
    assert len(result.trials) == len(trials)
    assert len(result.pareto) == 0
    assert result.verdict
    with pytest.raises(PickError, match="Expected a completed trial"):
        result.best()


def test_maximised_objective(root):
    """The front and the picks follow the direction of each objective."""
    save_sweep(root, TRIALS, objectives={"rmse": "maximize", "shortfall": "minimize"})
    result = SweepResult.read("demand", root)
    assert result.pareto["number"].tolist() == [0, 3]
    assert result.standard_picks == ["knee", "max:rmse", "min:shortfall"]


def test_saved_picks_load_back(result, root):
    """Every saved pick and the promoted set come back equal to what the result says."""
    paths = result.save_picks(root)
    assert list(paths) == ["knee", "min:rmse", "min:shortfall"]
    for pick, path in paths.items():
        assert path == pick_path(root, "demand", pick)
        assert lw.load(f"demand@{pick}", root) == result.best(pick)
        assert lw.load(path) == result.best(pick)
        assert lw.load(str(path), root="elsewhere") == result.best(pick)
    assert lw.load("demand", root) == result.best("knee")
    assert model_path(root, "demand").parent == paths["knee"].parent


def test_the_longest_names_can_be_saved(root):
    """A metric may have 64 letters, and its pick still is a file."""
    metric = "m" * 64
    trial = finished(0)
    for report in trial.result.reports:
        report.metrics[metric] = 1.0
    save_sweep(root, [trial], name="s" * 64, objectives={metric: "minimize"})
    paths = SweepResult.read("s" * 64, root).save_picks(root)
    assert lw.load(f"{'s' * 64}@min:{metric}", root) == lw.WeightSet.read(paths[f"min:{metric}"])


@pytest.mark.parametrize("name", ["other", "other@knee"])
def test_unknown_set_lists_the_known_ones(result, root, name):
    """A set that is not there is a SweepNotFound that shows those that are."""
    result.save_picks(root)
    with pytest.raises(SweepNotFound, match=r"demand@knee.*lossweights best"):
        lw.load(name, root)


@pytest.mark.parametrize("pick", ["max:rmse", "min:rmse where shortfall<=2", "knee"])
def test_a_pick_that_was_not_saved_is_picked(result, root, pick):
    """A name and any pick is a reference, whether the sweep saved it or not."""
    assert lw.load(f"demand@{pick}", root) == result.best(pick)
    with pytest.raises(PickError):
        lw.load("demand@other", root)


@pytest.mark.parametrize(
    "name",
    ["", "@", "@knee", "../x", "demand@../x", "demand@min:../x", "a/b", "demand@a@b", "a\0b"],
)
def test_names_cannot_leave_the_root(result, root, name):
    """A name is a name: nothing that is read lies outside of the root."""
    result.save_picks(root)
    with pytest.raises((InvalidName, SweepNotFound, PickError)):
        lw.load(name, root)


def test_damaged_set_is_refused(result, root):
    """A weight set that was edited is not loaded by its name either."""
    result.save_picks(root)
    path = promoted_path(root, "demand")
    path.write_text(path.read_text().replace('"mse": 1.0', '"mse": 1.5'))
    with pytest.raises(WeightSetError, match="edited or damaged"):
        lw.load("demand", root)


@pytest.mark.parametrize("key", ["objectives", "scales", "terms"])
def test_manifest_without_a_needed_key_is_a_store_error(root, key):
    """A manifest that lost a part is named, with the part."""
    folder = save_sweep(root, TRIALS)
    value = json.loads((folder / "manifest.json").read_text())
    del value[key]
    (folder / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(StoreError, match=key):
        SweepResult.read("demand", root)


def test_no_sweep_of_this_name(root):
    """Reading what is not there says so and makes nothing."""
    with pytest.raises(SweepNotFound):
        SweepResult.read("demand", root)
    assert not root.exists()


def test_result_without_scales_has_relative_weights_all_the_same(root):
    """Without scales the relative weight is the weight."""
    save_sweep(root, TRIALS[:2])
    table = SweepResult.read("demand", root).trials
    assert table["relative/under"].tolist() == table["weight/under"].tolist()
    assert not any(math.isnan(value) for value in table["relative/under"])
