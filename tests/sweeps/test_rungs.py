"""Sweeps that stop their worst trials: what is left of them, and that they can be gone on with."""

import json

import keras
import optuna
import pytest

import lossweights as lw
from lossweights.base.errors import RecipeError, SweepChanged
from lossweights.records import EpochReport
from lossweights.report.summary import print_summary
from lossweights.results.folder import read_manifest
from lossweights.search.aims import Aims
from lossweights.search.conditions import Condition
from lossweights.testing import FakeSweep

from . import tiny
from .tiny import arguments

pytestmark = pytest.mark.usefixtures("without_report")

ONE = {"cost": "minimize"}
RUN = {"tracking": False, "quiet": True, "workers": 0, "confirm": 0}


def fake(name="fake", **changes):
    """A sweep that does sums, of which most trials are beaten."""
    return FakeSweep(name, **{"epochs": 8, "objectives": ONE, "prune": True, **changes})


def table(result):
    """What counts of the trials."""
    return result.trials[["number", "outcome", "reason", "weight/b"]].to_dict("records")


def test_stopped_trials_are_told_as_such(tmp_path, capsys):
    """In the table with the rung, in the study with the values there, in summary and manifest."""
    result = fake().run(24, root=tmp_path, **RUN)
    assert len(result.trials) == 24
    stops = result.trials[result.trials["outcome"] == "PRUNED"]
    assert 8 <= len(stops) < 22
    assert set(stops["reason"]) == {f"stopped at the rung after epoch {at}" for at in (2, 4)}
    assert set(stops["number"]).isdisjoint(result.pareto["number"])
    assert read_manifest(tmp_path, "fake")["prune"] == {"at": [2, 4], "keep": 0.5}
    storage = f"sqlite:///{tmp_path}/studies/fake/study.db"
    study = optuna.load_study(study_name="fake", storage=storage)
    noted = {t.number: t.user_attrs["rungs"] for t in study.trials if "rungs" in t.user_attrs}
    complete = result.trials[result.trials["outcome"] == "COMPLETE"]
    assert set(noted) == {*stops["number"], *complete["number"]}
    assert all(set(noted[number]) == {"2", "4"} for number in complete["number"])
    print_summary(result, tmp_path)
    said = capsys.readouterr().out
    assert f"{len(stops)} pruned" in said
    assert "after epoch 2" in said


def test_best_trials_are_those_of_a_sweep_without_rungs(tmp_path):
    """Trials train as they would have, only not all of them to the end."""
    stops = fake("stops").run(8, root=tmp_path, **RUN)
    whole = fake("whole", prune=None).run(8, root=tmp_path, **RUN)
    assert stops.trials["weight/b"].tolist() == whole.trials["weight/b"].tolist()
    assert stops.best("min:cost").weights == whole.best("min:cost").weights
    assert "prune" not in read_manifest(tmp_path, "whole")


def test_no_rung_reads_what_weights_enter(tmp_path):
    """Magnitudes of the terms may be anything at all: the same trials stop."""

    def misleading(member, epoch):
        weight = member.weights["b"]
        magnitudes = {"a": 1e6 * weight, "b": 1e-6 / weight}
        cost = weight**0.5 + 8 - epoch
        return EpochReport(epoch, magnitudes, magnitudes, {"miss": 1.0, "cost": cost})

    found = [
        fake("plain").run(24, root=tmp_path, **RUN),
        fake("misled", during=misleading).run(24, root=tmp_path, **RUN),
    ]
    assert table(found[0]) == table(found[1])


def test_the_flag_holds_when_the_sweep_is_gone_on_with(tmp_path):
    """It is in the manifest, and need not be said again; another rule is refused."""
    asked = fake(prune=None)
    asked.run(10, root=tmp_path, prune=True, **RUN)
    result = fake(prune=None).run(24, root=tmp_path, resume=True, **RUN)
    assert set(result.trials["outcome"]) == {"COMPLETE", "PRUNED"}
    assert result.trials["outcome"].tolist()[10:].count("PRUNED") > 3
    with pytest.raises(SweepChanged, match=r"prune\.keep: was 0\.5, is now 0\.25"):
        fake(prune=lw.Rungs((2, 4), 0.25)).run(30, root=tmp_path, resume=True, **RUN)


def test_a_sweep_from_before_rungs_is_gone_on_with(tmp_path):
    """Its manifest says nothing of them, and all trials train to the end."""
    fake(prune=None).run(4, root=tmp_path, **RUN)
    result = fake(prune=None).run(12, root=tmp_path, resume=True, **RUN)
    assert set(result.trials["outcome"]) == {"COMPLETE"}
    with pytest.raises(SweepChanged, match="prune"):
        fake().run(16, root=tmp_path, resume=True, **RUN)


def test_a_lost_journal_costs_comparisons_alone(tmp_path):
    """What is damaged is set aside; the sweep goes on."""
    fake().run(10, root=tmp_path, **RUN)
    journal = tmp_path / "studies" / "fake" / "rungs.jsonl"
    assert json.loads(journal.read_bytes().split(b"\n")[0]) == {"wave": list(range(5))}
    journal.write_bytes(b'{"of": 5}\n' + journal.read_bytes())
    result = fake().run(24, root=tmp_path, resume=True, **RUN)
    assert len(result.trials) == 24
    assert list(journal.parent.glob("rungs.jsonl.corrupt"))


def test_keras_models_stop_at_rungs_too(tmp_path):
    """Also several seeds, by their mean; what a trial spends is what its seeds do."""
    sweep = lw.Sweep(
        **arguments(
            name="seeds", epochs=4, objectives={"rmse": "minimize"}, prune=lw.Rungs(at=(1,)),
            seeds=2, build_model=tiny.build_model,
        )
    )  # fmt: skip
    result = sweep.run(8, root=tmp_path, trainer="serial", **RUN)
    by_outcome = result.trials.groupby("outcome")["seconds"]
    assert by_outcome.count().to_dict() == {"COMPLETE": 4, "PRUNED": 4}
    finished = [f.result for f in result.finished.values()]
    at_rung = [f.reports[1].metrics["rmse"] for f in finished]
    best = sorted(range(8), key=at_rung.__getitem__)[:4]
    assert [i for i, f in enumerate(finished) if f.outcome.name == "COMPLETE"] == sorted(best)


def test_what_does_not_fit_is_refused_at_once(tmp_path):
    """Late rungs, callbacks, and pruners of several objectives or of nothing to save."""
    median = optuna.pruners.MedianPruner()
    with pytest.raises(RecipeError, match="before the last of 2 epochs"):
        lw.Sweep(**arguments(prune=lw.Rungs(at=(2,))))
    with pytest.raises(RecipeError, match="no callbacks"):
        lw.Sweep(**arguments(prune=True, callbacks=lambda: [keras.callbacks.TerminateOnNaN()]))
    with pytest.raises(RecipeError, match="one objective"):
        lw.Sweep(**arguments(prune=median))
    with pytest.raises(RecipeError, match="at least 2 epochs"):
        lw.Sweep(**arguments(prune=median, epochs=1, objectives={"rmse": "minimize"}))
    with pytest.raises(RecipeError, match=r"lw\.Rungs"):
        lw.Sweep(**arguments(prune=0.5))
    sweep = lw.Sweep(**arguments(callbacks=lambda: [keras.callbacks.TerminateOnNaN()]))
    with pytest.raises(RecipeError, match="no callbacks"):
        sweep.run(2, root=tmp_path, prune=True, trainer="fit", **RUN)


def test_a_pruner_of_optuna_may_decide(tmp_path):
    """It is in the manifest, and another one is refused."""

    def make(factor):
        pruner = optuna.pruners.SuccessiveHalvingPruner(reduction_factor=factor)
        return fake(prune=pruner)

    result = make(2).run(12, root=tmp_path, **RUN)
    assert "PRUNED" in set(result.trials["outcome"])
    result = make(2).run(16, root=tmp_path, resume=True, **RUN)
    assert len(result.trials) == 16
    with pytest.raises(SweepChanged, match="reduction_factor"):
        make(3).run(20, root=tmp_path, resume=True, **RUN)


def test_what_meets_a_constraint_is_not_stopped_for_its_cost(tmp_path):
    """The constraint is at odds with the only objective: still trials that meet it get to the end.

    The fake sweep's ``miss`` falls as its ``cost`` rises.
    """
    whole = fake("whole", prune=None).run(24, root=tmp_path, **RUN)
    bound = float(whole.trials["miss"].quantile(0.3))
    aims = Aims(constraints=(Condition("miss", "<=", bound),))
    result = fake("aimed", aims=aims).run(24, root=tmp_path, **RUN)
    assert "PRUNED" in set(result.trials["outcome"])
    complete = result.trials[result.trials["outcome"] == "COMPLETE"]
    assert (complete["miss"] <= bound).sum() >= 4
    assert result.best("min:cost").metrics["miss"] <= bound


def test_rungs_can_be_taken_back(tmp_path):
    """``prune=False`` says so; ``None`` says nothing, and the rungs stay."""
    fake().run(10, root=tmp_path, **RUN)
    with pytest.raises(SweepChanged, match="prune"):
        fake(prune=False).run(16, root=tmp_path, resume=True, **RUN)
    options = {**RUN, "resume": True, "accept_change": ["prune"]}
    with pytest.raises(RecipeError, match="no --prune"):
        fake(prune=False).run(16, root=tmp_path, prune=True, **options)
    result = fake(prune=False).run(16, root=tmp_path, **options)
    assert set(result.trials["outcome"][10:]) == {"COMPLETE"}
    assert "prune" not in read_manifest(tmp_path, "fake")


def test_models_that_differ_wait_for_no_one_in_the_serial_trainer(tmp_path):
    """Refused at once, also where the rungs were asked for by the run."""

    def build_model(hp):
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(hp["units"])])

    hyper = {"units": lw.Choice({"few": 2, "many": 5})}
    sweep = lw.Sweep(**arguments(build_model=build_model, hyper=hyper))
    with pytest.raises(RecipeError, match=r"\('auto', 'fit'\), where trials stop early"):
        sweep.run(2, root=tmp_path, prune=True, trainer="serial", **RUN)


SPACES = {
    "simplex": lw.Simplex(),
    "uniform": {"a": 1.0, "b": lw.Uniform(0.1, 10.0)},
    "ramp": {"a": 1.0, "b": lw.Ramp(lw.LogUniform(0.01, 100.0), epochs=3)},
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_rungs_and_stops_in_any_space(tmp_path, space):
    """Gone on with it stops and samples what it would have."""
    whole = fake(space=space).run(24, root=tmp_path / "whole", **RUN)
    fake(space=space).run(16, root=tmp_path / "parts", **RUN)
    parts = fake(space=space).run(24, root=tmp_path / "parts", resume=True, **RUN)
    assert {"COMPLETE", "PRUNED"} == set(whole.trials["outcome"])
    assert table(parts) == table(whole)
