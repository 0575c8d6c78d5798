"""Sweeps that train each weight set on several folds, and what counts of several trainings."""

from pathlib import Path

import numpy as np
import pytest

import lossweights as lw
from lossweights.base.errors import DataError, RecipeError, SweepChanged
from lossweights.results.folder import list_results

from .tiny import arguments, load_data

SCRIPT = f"""
import sys
import lossweights as lw
sys.path.insert(0, {str(Path(__file__).parent)!r})
from tiny import arguments

sweep = lw.Sweep(**arguments(folds=3, stat="worst"))
"""
OPTIONS = {"tracking": False, "quiet": True, "confirm": 0, "workers": 0}


def rolling():
    """The rows of the tiny sweep as a series."""
    data = load_data()
    x, y = (np.concatenate([getattr(p, k) for p in (data.train, data.val)]) for k in "xy")
    return lw.Data.folds((x, y), 3, horizon=8)


def test_a_sweep_on_folds_from_worker_to_report(tmp_path):
    """A worker trains them as this process does; the winner is saved with the last fold's numbers,
    tables have standard errors, and a resumed sweep goes on only with the same folds.
    """
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    one = lw.Sweep(**arguments(folds=3, stat="worst"))
    here = one.run(3, root=tmp_path / "here", trainer="stacked", **OPTIONS)
    in_worker = {**OPTIONS, "workers": 1, "script": script}
    there = one.run(3, root=tmp_path, trainer="fit", **in_worker)
    for name in ("rmse", "shortfall"):
        assert there.trials[name].tolist() == pytest.approx(here.trials[name].tolist(), rel=1e-4)
    for finished in list_results(tmp_path / "studies" / "tiny").values():
        result = finished.result
        assert [replica.fold for replica in result.replicas] == [2, 0, 1]
        assert result.metrics["rmse"] == max(r.metrics["rmse"] for r in result.replicas)
    assert "stderr/rmse" not in there.trials
    assert list(tmp_path.rglob("*.keras"))
    assert "is not what" not in (tmp_path / "studies" / "tiny" / "report.html").read_text("utf-8")
    one.run(4, root=tmp_path, resume=True, **OPTIONS)
    for changes in ({"folds": 4, "stat": "worst"}, {"folds": 3}):
        with pytest.raises(SweepChanged, match=r"recipe\.(folds|stat)"):
            lw.Sweep(**arguments(**changes)).run(5, root=tmp_path, resume=True, **OPTIONS)


def test_rolling_origins_with_rungs(tmp_path):
    """What stops at a rung has been trained on the last fold alone."""
    sweep = lw.Sweep(**arguments(load_data=rolling, prune=lw.Rungs(at=(1,), keep=0.5)))
    result = sweep.run(6, root=tmp_path, trainer="stacked", **OPTIONS)
    replicas = [
        len(finished.result.replicas)
        for finished in list_results(tmp_path / "studies" / "tiny").values()
    ]
    assert sorted(set(replicas)) == [1, 3]
    assert result.trials["stderr/rmse"].notna().any()


def prepared(**changes):
    """What is known of the tiny sweep before it runs."""
    sweep = lw.Sweep(**arguments(**changes))
    return sweep.prepare(rehearse=True)


def test_what_is_known_before_is_a_mean_over_the_folds():
    """The best constant of each fold, and the magnitudes of the mean prediction."""
    whole = prepared(load_data=rolling)
    found = [prepared(load_data=lambda part=part: part) for part in rolling()]
    for name in ("rmse", "shortfall"):
        values = [each.constants[name]["value"] for each in found]
        assert whole.constants[name]["value"] == pytest.approx(np.mean(values))
    assert whole.baseline["mse"] == pytest.approx(np.mean([each.baseline["mse"] for each in found]))
    assert whole.scales == found[-1].scales
    assert whole.description["recipe"]["folds"] == 3
    plain = prepared()
    assert not {"folds", "stat"} & set(plain.description["recipe"])


def test_what_cannot_be_is_refused():
    """Two divisions, no data, a statistic of one training, and one that there is not."""
    for changes, error, message in (
        ({"load_data": rolling, "folds": 2}, DataError, "Leave out folds="),
        ({"load_data": list}, DataError, r"lw\.Data\. Found list"),
        ({"stat": "worst"}, RecipeError, "seeds= or folds="),
        ({"stat": "best", "seeds": 2}, RecipeError, "'mean', 'median', 'worst'"),
        ({"folds": 1}, RecipeError, "folds"),
    ):
        with pytest.raises(error, match=message):
            prepared(**changes)


def test_the_time_of_all_trainings_is_told():
    """A plan counts folds and seeds."""
    time = lw.Sweep(**arguments(folds=3, seeds=2)).plan(trials=4).time
    assert "4 trials x 2 seeds x 3 folds" in str(time)
