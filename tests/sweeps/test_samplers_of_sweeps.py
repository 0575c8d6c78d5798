"""``Sweep(sampler=...)``: what samples is part of a sweep, and is gone on with."""

import json

import optuna
import pytest

import lossweights as lw
from lossweights.base.errors import RecipeError, SweepChanged
from lossweights.records import EpochReport, Outcome
from lossweights.results.folder import list_results, read_manifest
from lossweights.search.samplers import DEFAULT
from lossweights.testing import FakeSweep

from .tiny import arguments

TRIALS = 24


def parameters(root, name="fake"):
    """What was tried, by number."""
    results = list_results(root / "studies" / name)
    return [dict(results[number].asked.parameters) for number in sorted(results)]


def run(root, trials=TRIALS, *, resume=False, accept=(), **options):
    """A fake sweep in this process."""
    sweep = FakeSweep("fake", **options)
    return sweep.run(
        trials, root=root, workers=0, tracking=False, quiet=True, resume=resume,
        accept_change=accept,
    )  # fmt: skip


def seeded(seed):
    """A foreign sampler."""
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)


@pytest.mark.parametrize("sampler", [None, "tpe", seeded], ids=["default", "by name", "foreign"])
def test_a_resumed_sweep_keeps_its_sampler(tmp_path, sampler):
    """It samples what it would have without a stop, and its manifest says what samples."""
    run(tmp_path / "whole", sampler=sampler)
    for trials in (10, 18, TRIALS):
        run(tmp_path / "parts", trials, resume=trials > 10, sampler=sampler)
    assert parameters(tmp_path / "parts") == parameters(tmp_path / "whole")
    named = read_manifest(tmp_path / "parts", "fake")["sampler"]
    assert named == {None: DEFAULT, "tpe": "tpe"}.get(
        sampler, "optuna.samplers._tpe.sampler.TPESampler(n_startup_trials=4), seeded"
    )


def test_a_sweep_that_names_none_goes_on_with_what_it_had(tmp_path):
    """The declaration may leave it out: the manifest decides, not the default of today."""
    run(tmp_path, 10, sampler="filler")
    run(tmp_path, 12, resume=True)
    assert read_manifest(tmp_path, "fake")["sampler"] == "filler"


def test_another_sampler_is_refused_unless_it_is_accepted(tmp_path):
    """With what it was and what it would be; so is none where the one before was foreign."""
    run(tmp_path, 4, sampler="tpe")
    with pytest.raises(SweepChanged, match="sampler: was 'tpe', is now 'sobol'"):
        run(tmp_path, 6, resume=True, sampler="sobol")
    run(tmp_path, 6, resume=True, sampler="sobol", accept=["sampler"])
    run(tmp_path, 8, resume=True, sampler=seeded, accept=["sampler"])
    with pytest.raises(SweepChanged, match=r"TPESampler.*, seeded"):
        run(tmp_path, 10, resume=True)


def test_a_folder_of_an_earlier_version_goes_on_with_its_tpe(tmp_path):
    """Its manifest names no sampler: there was one, and it samples what it would have then."""
    run(tmp_path / "whole", sampler="tpe")
    run(tmp_path / "old", 18, sampler="tpe")
    path = tmp_path / "old" / "studies" / "fake" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["sampler"]
    path.write_text(json.dumps(manifest))
    run(tmp_path / "old", resume=True)
    assert parameters(tmp_path / "old") == parameters(tmp_path / "whole")
    with pytest.raises(SweepChanged, match="sampler: was 'tpe', is now 'thompson'"):
        run(tmp_path / "old", 30, resume=True, sampler="thompson")


def explodes(member, epoch):
    """Half of the space cannot be trained."""
    if epoch == 2 and member.weights["b"] > 1.0:
        magnitudes = {"a": 1.0, "b": float("nan")}
        return EpochReport(epoch, magnitudes, magnitudes, {"miss": 1.0, "cost": 1.0})
    return None


@pytest.mark.parametrize("objectives", [None, {"miss": "minimize"}], ids=["two", "one"])
def test_what_diverges_is_hardly_asked_for_again(tmp_path, objectives):
    """Of the last half of 64 trials at most 15 % diverge, in stacks of 16.

    The least miss is at the border, where the search is drawn.
    """
    run(tmp_path, 64, during=explodes, capacity=16, objectives=objectives)
    results = list_results(tmp_path / "studies" / "fake")
    outcomes = [results[number].result.outcome for number in sorted(results)]
    assert outcomes[:16].count(Outcome.DIVERGED) >= 6
    assert outcomes[32:].count(Outcome.DIVERGED) <= 0.15 * 32


class TestDeclarations:
    """What `lossweights.Sweep` takes."""

    @pytest.mark.parametrize("sampler", ["tpe", "thompson", seeded])
    def test_samplers_by_name_and_of_others(self, sampler):
        """They are kept as they are given."""
        assert lw.Sweep(**arguments(sampler=sampler)).sampler is sampler

    @pytest.mark.parametrize("sampler", ["TPE", 1, [1]])
    def test_what_is_no_sampler(self, sampler):
        """Refused where the sweep is made."""
        with pytest.raises(RecipeError):
            lw.Sweep(**arguments(sampler=sampler))


def test_a_grid_ends_the_sweep_when_it_has_been_tried(tmp_path, caplog):
    """In order and with what there is, as `optimize` of Optuna does."""
    grid = optuna.samplers.GridSampler({"b": [0.1, 1.0, 10.0]})
    result = run(tmp_path, sampler=grid)
    assert set(result.trials["weight/b"]) >= {0.1, 1.0, 10.0}
    assert (result.trials.outcome == "COMPLETE").all()
    assert len(result.trials) < TRIALS
    assert f"nothing more to ask for, so the sweep is done after {len(result.trials)} of" in (
        caplog.text
    )


def test_other_arguments_of_a_sampler_are_another_sampler(tmp_path):
    """Earlier versions wrote none, and go on."""
    run(tmp_path, 4, sampler=seeded)

    def other(seed):
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=40)

    with pytest.raises(SweepChanged, match=r"n_startup_trials=4\), seeded.*n_startup_trials=40"):
        run(tmp_path, 6, resume=True, sampler=other)
    path = tmp_path / "studies" / "fake" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["sampler"] = "optuna.samplers._tpe.sampler.TPESampler, seeded"
    path.write_text(json.dumps(manifest))
    assert len(run(tmp_path, 6, resume=True, sampler=other).trials) == 6
    with pytest.raises(SweepChanged, match="sampler"):
        run(tmp_path, 8, resume=True, sampler="tpe")


class Broken(optuna.samplers.RandomSampler):
    """Raises in the middle of a sweep."""

    def sample_independent(self, study, trial, name, part):
        """Raise after a few."""
        if trial.number > 8:
            raise ValueError("no more")
        return super().sample_independent(study, trial, name, part)


def test_a_sampler_that_raises_ends_the_sweep_with_a_sentence(tmp_path):
    """What was trained is kept, and another sampler goes on."""
    with pytest.raises(RecipeError, match=r"Broken.*ValueError: no more.*--accept-change sampler"):
        run(tmp_path, sampler=Broken(seed=0))
    result = run(tmp_path, resume=True, sampler="tpe", accept=["sampler"])
    assert len(result.trials[result.trials.outcome == "COMPLETE"]) == TRIALS
