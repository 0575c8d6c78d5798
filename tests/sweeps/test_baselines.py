"""Baselines in a whole sweep: which are trials, how they are marked, and that they stay."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

import lossweights as lw
from lossweights.base.errors import RecipeError, SweepChanged, WeightError
from lossweights.results.folder import sweep_folder, tracking_uri
from lossweights.search.space import LogUniform, Uniform
from lossweights.sweep._options import RunOptions
from lossweights.sweep._run import run_sweep
from lossweights.testing import FakeSweep

from . import tiny

TODAY = {"a": 1.0, "b": 4.0}
SPACE = {"a": 1.0, "b": Uniform(0.0, 10.0)}


def run(sweep, root, trials=6, *, baselines=None, **options):
    """A sweep of sums, without records."""
    told = {"root": Path(root), "workers": 0, "tracking": False, "quiet": True, **options}
    return run_sweep(sweep, RunOptions(trials=trials, baselines=baselines, **told))


def manifest(root):
    """The manifest of the sweep."""
    return json.loads((sweep_folder(Path(root), "fake") / "manifest.json").read_text())


def test_those_inside_the_space_are_the_first_trials(root):
    """Counted and told like others, under their names; what is outside is no trial."""
    result = run(FakeSweep("fake", raced=["all", TODAY], space=SPACE), root)
    names = {0: "today", 1: "equal", 2: "without:b"}
    assert result.trials["baseline"].dropna().to_dict() == names
    assert result.trials["kind"].tolist() == ["baseline"] * 3 + ["trial"] * 3
    assert result.trials["relative/b"].tolist()[:3] == [4.0, 1.0, 0.0]
    said = manifest(root)["contest"]
    inside = {name for name, each in said.items() if "parameters" in each}
    assert inside == {"today", "equal", "without:b"}
    assert {"without:a", "uncertainty", "encodec"} <= set(said) - inside


def test_a_baseline_may_win(root):
    """It is picked as any other trial, and the pick says what it is."""
    sweep = FakeSweep("fake", raced=[TODAY], objectives={"miss": "minimize"})
    result = run(sweep, root, trials=1)
    assert result.best("min:miss").origin["baseline"] == "today"


def test_mlflow_marks_them(root):
    """By a tag with the name, beside the kind."""
    root.mkdir()
    run(FakeSweep("fake", raced="default", baselines=[{"b": 2.0}]), root, trials=3, tracking=True)
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name("fake")
    tags = [r.data.tags for r in client.search_runs([experiment.experiment_id])]
    marked = {
        t["lossweights.trial"]: (t["lossweights.kind"], t.get("lossweights.baseline"))
        for t in tags
        if "lossweights.trial" in t
    }
    assert marked == {"0": ("baseline", "equal"), "1": ("start", None), "2": ("trial", None)}


def test_what_a_run_asks_for_replaces_what_was_declared(root):
    """On its command line, in the names of the declaration; a resumed sweep keeps it."""
    sweep = FakeSweep("fake", raced=["default", TODAY])
    result = run(sweep, root, trials=2, baselines="today,dwa")
    assert result.trials["baseline"].dropna().to_dict() == {0: "today"}
    assert list(manifest(root)["contest"]) == ["today", "dwa"]
    run(sweep, root, trials=5, resume=True)
    assert list(manifest(root)["contest"]) == ["today", "dwa"]
    with pytest.raises(SweepChanged, match="contest"):
        run(sweep, root, trials=6, resume=True, baselines="none")
    with pytest.raises(RecipeError, match="eqal"):
        run(FakeSweep("other"), root, baselines="eqal")
    assert not sweep_folder(Path(root), "other").exists()


def test_without_baselines_a_sweep_starts_as_before(root):
    """With equal weights and the corners, which are no baselines."""
    sweep = lw.Sweep(**tiny.arguments(baselines="none"))
    assert sweep.contest_baselines.entries == ()
    assert sweep.baselines == [{"under": 1.0}, {"under": 0.01}, {"under": 100.0}]


def test_another_declaration_is_another_sweep(root):
    """Also where no trial is another: the contest is."""
    run(FakeSweep("fake", raced="uncertainty"), root, trials=2)
    with pytest.raises(SweepChanged, match=r"contest\.uncertainty"):
        run(FakeSweep("fake", raced="dwa"), root, trials=3, resume=True)
    result = run(FakeSweep("fake", raced="dwa"), root, 3, resume=True, accept_change=["contest"])
    assert len(result.trials) == 3
    assert list(manifest(root)["contest"]) == ["dwa"]


@pytest.mark.parametrize("spec", [SPACE, {"a": 1.0, "b": LogUniform(0.1, 10.0)}])
def test_sweeps_of_earlier_versions_go_on(root, spec):
    """They had no contest: nothing that is raced by default now is a change of theirs."""
    run(FakeSweep("fake", space=spec, baselines=[{"b": 1.0}]), root, trials=1)
    path = sweep_folder(Path(root), "fake") / "manifest.json"
    old = {key: value for key, value in manifest(root).items() if key != "contest"}
    path.write_text(json.dumps(old))
    result = run(FakeSweep("fake", space=spec, raced="default"), root, trials=4, resume=True)
    assert len(result.trials) == 4
    assert result.trials["baseline"].isna().all()
    assert "contest" not in manifest(root)


def test_a_baseline_that_the_scales_make_too_large_is_refused(root):
    """Before anything is written."""
    scales = {"mse": 1e-20, "under": 1.0}
    sweep = lw.Sweep(**tiny.arguments(baselines=[{"mse": 1e30, "under": 1.0}], scales=scales))
    with pytest.raises(WeightError, match="the baseline 'today'"):
        sweep.run(trials=1, root=root, workers=0, trainer="serial", tracking=False, quiet=True)
    assert not sweep_folder(Path(root), "tiny").exists()


def test_workers_load_sweeps_with_methods(root):
    """The description of the sweep is the same wherever it is declared."""
    one, other = (
        lw.Sweep(**tiny.arguments(baselines=["all", lw.adaptive.DWA(1.0)])) for _ in range(2)
    )
    assert one.contest_baselines.to_json(one.space) == other.contest_baselines.to_json(other.space)
