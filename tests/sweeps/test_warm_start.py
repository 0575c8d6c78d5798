"""A warm start: the front of an earlier sweep is tried first, and trained anew."""

import json
import shutil

import pytest

from lossweights.base.errors import RecipeError, SweepNotFound
from lossweights.results.folder import sweep_folder
from lossweights.results.result import SweepResult
from lossweights.search.space import LogUniform, Space
from lossweights.sweep._warm import warm_start
from lossweights.testing import FakeSweep


@pytest.fixture
def root(tmp_path):
    """A root with a finished sweep."""
    run(FakeSweep("earlier", seed=1), tmp_path, trials=24)
    return tmp_path


def run(sweep, root, **options):
    """A sweep without records."""
    return sweep.run(root=root, workers=0, tracking=False, quiet=True, **options)


def kinds(result, kind):
    """The rows of that kind."""
    return result.trials[result.trials.kind == kind]


def test_the_front_is_tried_first_and_trained_anew(root):
    """A quarter of the trials at most, the ends of the front among them; numbers are new ones."""
    later = FakeSweep("later", epochs=5, data="other data")
    result = run(later, root, trials=32, warm_start="earlier")
    warm = kinds(result, "warm")
    assert warm.number.tolist() == list(range(8))
    earlier = SweepResult.read("earlier", root).pareto
    assert set(warm["relative/b"]) <= set(earlier["relative/b"])
    assert {earlier["relative/b"].min(), earlier["relative/b"].max()} <= set(warm["relative/b"])
    assert (result.trials.outcome == "COMPLETE").all()
    assert result.finished[0].result.reports[-1].epoch == 5


def test_baselines_come_next_and_are_not_tried_twice(root):
    """One of them is what the earlier sweep found best."""
    front = SweepResult.read("earlier", root).pareto
    found = {"b": float(front["relative/b"].min())}
    today = [{"a": 1.0, **each} for each in (found, {"b": 50.5})]
    sweep = FakeSweep("later", raced=today, baselines=[{"b": 0.5}])
    result = run(sweep, root, trials=16, warm_start="earlier")
    named = kinds(result, "baseline").set_index("baseline")
    assert named["relative/b"].to_dict() == {"today": found["b"], "today-2": 50.5}
    assert named.loc["today", "number"] < 4 == named.loc["today-2", "number"]
    assert kinds(result, "start").number.tolist() == [5]
    assert kinds(result, "warm")["relative/b"].is_unique


def test_a_resumed_sweep_has_the_start_that_it_had(root):
    """How many are taken over was decided when it began."""
    whole = run(FakeSweep("whole"), root, trials=20, warm_start="earlier")
    manifest = json.loads((sweep_folder(root, "whole") / "manifest.json").read_text())
    assert manifest["warm"]["start"] == "earlier"
    assert len(manifest["warm"]["parameters"]) == 5
    more = run(FakeSweep("whole"), root, trials=24, resume=True)
    assert len(more.trials) == 24
    assert kinds(more, "warm").equals(kinds(whole, "warm"))


def test_what_cannot_be_a_start_is_refused_before_anything_is_written(root):
    """A sweep without complete trials, or without a term in common."""
    manifest = sweep_folder(root, "earlier") / "manifest.json"
    content = json.loads(manifest.read_text())
    content["terms"] = {"a": {"class": "another"}, "c": {}}
    manifest.write_text(json.dumps(content))
    with pytest.raises(RecipeError, match="two of the terms"):
        run(FakeSweep("later"), root, trials=8, warm_start="earlier")
    for path in (sweep_folder(root, "earlier") / "trials").iterdir():
        path.unlink()
    with pytest.raises(RecipeError, match="complete trials"):
        run(FakeSweep("later"), root, trials=8, warm_start="earlier")
    assert not sweep_folder(root, "later").exists()


def test_another_range_is_kept_to(root):
    """Weights beyond it go to its ends, once."""
    sweep = FakeSweep("later", space={"a": 1.0, "b": LogUniform(0.9, 1.1)})
    warm = kinds(run(sweep, root, trials=16, warm_start="earlier"), "warm")["relative/b"]
    assert warm.between(0.9, 1.1).all()
    assert warm.is_unique


def test_weights_in_the_loss_are_taken_over_where_one_sweep_has_scales(root, caplog):
    """Relative to scales they would mean something else."""
    manifest = sweep_folder(root, "earlier") / "manifest.json"
    content = json.loads(manifest.read_text())
    content["scales"] = {"a": 2.0, "b": 64.0}
    manifest.write_text(json.dumps(content))
    front = SweepResult.read("earlier", root).pareto
    warm = kinds(run(FakeSweep("later"), root, trials=32, warm_start="earlier"), "warm")
    assert set(warm["weight/b"]) <= set(front["weight/b"])
    assert "only one of the sweeps has reference scales" in caplog.text


def test_terms_that_are_all_fixed_here_are_no_start(root):
    """And the sentence says so."""
    space = Space(["a", "b", "c"], {"a": 1.0, "b": 1.0, "c": LogUniform(0.1, 10.0)})
    with pytest.raises(RecipeError, match="which are fixed here"):
        warm_start("earlier", root, space, {}, 8, None)


def test_a_sweep_that_has_begun_takes_no_other_start(root):
    """Its own may be named again."""
    run(FakeSweep("later"), root, trials=8, warm_start="earlier")
    run(FakeSweep("later"), root, trials=10, warm_start="earlier", resume=True)
    shutil.rmtree(sweep_folder(root, "earlier"))
    run(FakeSweep("later"), root, trials=12, warm_start="earlier", resume=True)
    run(FakeSweep("plain"), root, trials=8)
    for name, other in (("later", "plain"), ("plain", "earlier")):
        with pytest.raises(RecipeError, match="no other warm start"):
            run(FakeSweep(name), root, trials=14, warm_start=other, resume=True)


def test_a_start_that_is_not_there_is_refused_before_anything_is_loaded(root, monkeypatch):
    """A misspelt name costs no rehearsal."""
    monkeypatch.setattr(FakeSweep, "prepare", None)
    with pytest.raises(SweepNotFound, match="nowhere"):
        run(FakeSweep("later"), root, trials=8, warm_start="nowhere")
