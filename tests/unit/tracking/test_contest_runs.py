"""Trainings beside the trials are child runs of their own, each once, whoever recorded it."""

import pytest
from mlflow import MlflowClient

from lossweights.results.contest import Contestant
from lossweights.results.folder import tracking_uri
from lossweights.store import ContestJournal
from lossweights.tracking import Ending, Tracker, sync_sweep

from ..contests import EQUAL, KNEE, MOVES, outing
from ..samples import finished, manifest, save_sweep

TRIAL = "000 mse 1, under 0.5"
STARTED = manifest()["created"]

pytestmark = pytest.mark.usefixtures("databases_closed")


def track(root, pairs):
    """Record a trial and these trainings as a sweep does."""
    tracker = Tracker(root, "demand", STARTED)
    tracker.start({})
    tracker.trial_ended(finished(0))
    for contestant, training in pairs:
        tracker.outing_ended(contestant, training)
    tracker.finish(Ending("FINISHED", "done"))
    assert tracker.error is None
    assert tracker.unwritten == []


def runs(root):
    """All runs by name."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name("demand")
    found = client.search_runs([experiment.experiment_id])
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run for run in found}


def test_they_say_what_they_are(root_with_tables):
    """Kind, contestant, role, look and seed; weights and method; and metrics on test data."""
    track(
        root_with_tables,
        [
            (MOVES, outing(MOVES, 0, 0)),
            (KNEE, outing(KNEE, 3, 1, cost=7.0)),
            (EQUAL, outing(EQUAL, 5, 2)),
        ],
    )
    found = runs(root_with_tables)
    parent = found["demand"].info.run_id
    assert sorted(found) == [
        TRIAL,
        "demand",
        "dwa",
        "equal, seed 5 of look 2",
        "knee, seed 3",
    ]
    beside, knee = found["dwa"].data, found["knee, seed 3"].data
    assert beside.tags["lossweights.kind"] == "baseline"
    assert "DWA" in beside.params["method"]
    assert not [key for key in beside.tags if key.startswith("test/")]
    assert knee.tags["lossweights.kind"] == "confirm"
    assert knee.tags["lossweights.contestant"] == "knee"
    assert knee.tags["lossweights.role"] == "pick"
    assert knee.tags["lossweights.of_trial"] == "3"
    assert knee.tags["lossweights.look"] == "1"
    assert knee.params["seed"] == "3"
    assert knee.params["weight/b"] == knee.params["relative/b"] == "0.5"
    assert knee.tags["test/cost"] == "7.0"
    assert knee.metrics["7 metrics/cost"] == outing(KNEE, 3).result.metrics["cost"]
    for name in ("dwa", "knee, seed 3", TRIAL):
        assert found[name].data.tags["mlflow.parentRunId"] == parent
        assert found[name].info.status == "FINISHED"


def test_sync_completes_the_record_and_doubles_nothing(root_with_tables):
    """From the journal, which has all of it."""
    folder = save_sweep(root_with_tables, [finished(0)], tracking=None, shown={})
    journal = ContestJournal(folder)
    journal.begin(1, [KNEE, EQUAL], [1])
    journal.keep([outing(KNEE), outing(EQUAL)])
    track(root_with_tables, [(KNEE, outing(KNEE))])
    assert "equal, seed 1" not in runs(root_with_tables)
    sync_sweep(root_with_tables, "demand")
    before = {name: run.info.run_id for name, run in runs(root_with_tables).items()}
    assert set(before) == {"demand", TRIAL, "knee, seed 1", "equal, seed 1"}
    sync_sweep(root_with_tables, "demand")
    assert {name: run.info.run_id for name, run in runs(root_with_tables).items()} == before


def test_names_of_any_kind_are_found_again(root_with_tables):
    """Picks have spaces, colons and signs."""
    pick = Contestant("min:rmse where shortfall<=0.1", "pick", KNEE.weights, trial=1)
    track(root_with_tables, [(pick, outing(pick))])
    first = runs(root_with_tables)
    track(root_with_tables, [(pick, outing(pick))])
    assert set(runs(root_with_tables)) == set(first)
