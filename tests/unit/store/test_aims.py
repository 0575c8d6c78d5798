"""Constraints in the study on disk and in what the sampler learns."""

import optuna
import pytest

from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.results.folder import Finished
from lossweights.search._lessons import TRAINS
from lossweights.search.aims import Aims
from lossweights.search.conditions import Condition
from lossweights.search.space import LogUniform, Space
from lossweights.store import Store

from ..samples import manifest

SPACE = Space(["mse", "under"], {"mse": 1.0, "under": LogUniform(1e-2, 1e2)})
AIMS = Aims((Condition("rmse", "<=", 0.5),), (Condition("shortfall", "<=", 4.0),))


def create(root, aims=AIMS, **changes):
    """A new sweep with aims."""
    return Store.create(root, manifest("demand", seed=0, baselines=[], **aims.to_json()), SPACE)


def trained(asked, outcome=Outcome.COMPLETE):
    """The more weight, the larger the one metric and the smaller the other."""
    weights = SPACE.weights(asked.parameters)
    metrics = {"rmse": weights["under"], "shortfall": 1.0 / weights["under"]}
    return TrialResult(weights, 0, outcome, (EpochReport(1, weights, weights, metrics),))


def run(store, trials, outcome=Outcome.COMPLETE):
    """Ask and tell; what was asked."""
    asked = []
    while store.finished() < trials:
        asked.append(store.ask())
        store.tell(asked[-1], trained(asked[-1], outcome))
    return [dict(each.parameters) for each in asked]


def study(root):
    """The study, as a reader such as optuna-dashboard opens it."""
    return optuna.load_study(
        study_name="demand", storage=f"sqlite:///{root}/studies/demand/study.db"
    )


def test_the_study_on_disk_has_the_constraints(root):
    """By their names, and Optuna itself tells the feasible trials from the others by them."""
    with create(root) as store:
        run(store, 20)
    trials = study(root).trials
    for trial in trials:
        metrics = dict(zip(("rmse", "shortfall"), trial.values, strict=True))
        assert trial.constraints == pytest.approx(AIMS.violations(metrics))
    named = {trial.number for trial in study(root).best_trials}
    assert named == {
        t.number for t in trials if t.values[0] <= 0.5 and t.values[1] <= 4.0
    }  # all are on the front
    assert named


def test_a_trial_without_an_end_has_none_on_disk_and_comes_last(root):
    """The sampler hears that nothing trains there, which ranks below any that did."""
    with create(root) as store:
        run(store, 1, Outcome.DIVERGED)
        run(store, 2)
        learned = store.sampler._learned
    assert study(root).trials[0].constraints == {}
    assert learned[0].constraints == {TRAINS: 1.0}
    assert TRAINS not in learned[1].constraints


def test_a_trial_that_was_stopped_counts_by_what_it_had_reached(root):
    """For the sampler; the study on disk has constraints of complete trials alone."""
    with create(root) as store:
        asked = store.ask()
        store.tell(asked, trained(asked, Outcome.PRUNED))
        learned = store.sampler._learned[0]
    expected = AIMS.violations(trained(asked).metrics)
    assert list(learned.constraints.values()) == pytest.approx(list(expected.values()))
    assert study(root).trials[0].constraints == {}


@pytest.mark.parametrize("damaged", [False, True])
def test_a_resumed_sweep_samples_the_same(root, tmp_path, damaged):
    """What is learned again follows from result files and manifest, also if the study is lost."""
    with create(tmp_path / "whole") as store:
        whole = run(store, 22)
    with create(root) as store:
        parts = run(store, 18)
    if damaged:
        (root / "studies/demand/study.db").write_bytes(b"no study")
    with Store.reopen(root, "demand", SPACE) as store:
        parts += run(store, 22)
    assert parts == whole
    assert [t.constraints for t in study(root).trials] == [
        t.constraints for t in study(tmp_path / "whole").trials
    ]


def test_without_aims_nothing_is_written_and_they_change_the_sweep(root, tmp_path):
    """A sweep without them is what it was; with them it looks elsewhere."""
    with create(root, Aims()) as store:
        without = run(store, 20)
    with create(tmp_path / "aimed") as store:
        assert run(store, 20) != without
    assert all(trial.constraints == {} for trial in study(root).trials)


def test_other_aims_count_from_when_they_are_changed(root):
    """Trials of before keep what the study says of them; what is learned of them is new."""
    with create(root) as store:
        run(store, 2)
    tighter = Aims(constraints=(Condition("shortfall", "<=", 2.0),))
    with Store.reopen(root, "demand", SPACE) as store:
        kept = {k: v for k, v in store.manifest.items() if k != "wish"}
        store.change_manifest({**kept, **tighter.to_json()})
        store.learn(store.take_history()[0])
        assert len(store.sampler._learned[0].constraints) == 1
        asked = store.ask()
        store.keep(Finished(asked, trained(asked)))
    names = [list(trial.constraints) for trial in study(root).trials]
    assert names == [[str(AIMS.constraints[0]), "wish rmse<=0.5"]] * 2 + [["shortfall<=2"]]
