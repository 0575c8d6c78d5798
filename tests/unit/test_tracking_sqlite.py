"""MLflow's file below the root: fast to write, and the same to everybody who reads it."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from mlflow import MlflowClient

from lossweights.folder import sqlite_uri, tracking_uri
from lossweights.tracking import Ending, Tracker
from lossweights.tracking.points import Point
from lossweights.tracking.sqlite import COLUMNS, RunEnd, end_run, gather, hurry

from .samples import finished

STARTED = "2026-01-02T03:04:05.678+00:00"
POINTS = [Point("rmse", 3.0, 0, 1000), Point("rmse", 2.0, 1, 1001)]

pytestmark = pytest.mark.usefixtures("databases_closed")


@pytest.fixture
def root(root_with_tables):
    """A root in which MLflow has its tables."""
    return root_with_tables


def track(root, uri=None):
    """Record two trials as a sweep does."""
    tracker = Tracker(root, "demand", STARTED, uri)
    tracker.start({})
    for number in range(2):
        trial = finished(number)
        times = tuple(range(1000, 1000 + len(trial.result.reports)))
        tracker.trial_ended(replace(trial, times=times))
    tracker.finish(Ending("FINISHED", "mse drove training."))
    assert tracker.error is None


def recorded(uri):
    """All that MLflow gives of the trials: tags, parameters, latest values and histories."""
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("demand")
    found = {}
    for run in client.search_runs([experiment.experiment_id], "tags.`lossweights.trial` != ''"):
        histories = {
            key: sorted(
                (point.step, point.timestamp, point.value)
                for point in client.get_metric_history(run.info.run_id, key)
            )
            for key in run.data.metrics
        }
        tags = {key: v for key, v in run.data.tags.items() if key != "mlflow.parentRunId"}
        found[tags["lossweights.trial"]] = (tags, run.data.params, run.data.metrics, histories)
    return found


def test_what_is_recorded_is_what_mlflow_itself_would_have_written(root, tmp_path):
    """A store elsewhere gets every point through MLflow; both read the same, point by point."""
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copy(root / "mlflow.db", elsewhere)
    track(root)
    track(tmp_path / "other", sqlite_uri(elsewhere))
    own = recorded(tracking_uri(root))
    assert set(own) == {"0", "1"}
    assert len(own["0"][3]["rmse"]) > 1
    assert own == recorded(sqlite_uri(elsewhere))


def test_after_a_sweep_the_one_file_holds_everything(root, tmp_path):
    """A copy of mlflow.db alone, while the process lives, has all the runs."""
    track(root)
    copied = tmp_path / "copy.db"
    shutil.copy(root / "mlflow.db", copied)
    assert recorded(sqlite_uri(copied)) == recorded(tracking_uri(root))


def test_only_the_given_file_is_hurried(tmp_path):
    """Another database in the same process still waits for the disk at every commit."""
    from sqlalchemy import create_engine, text

    mine, other = tmp_path / "mine.db", tmp_path / "other.db"
    hurry(mine)
    with closing(sqlite3.connect(other)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    found = []
    for path in (mine, other):
        engine = create_engine(sqlite_uri(path))
        with engine.connect() as connection:
            found.append(connection.execute(text("PRAGMA synchronous")).scalar())
        engine.dispose()
    assert found == [1, 2]  # NORMAL, FULL


def begun(root):
    """A run as MLflow makes it, and the end it is to have."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    run = client.create_run(client.create_experiment("demand"), tags={"kind": "old"})
    tags = {"kind": "new", "state": "COMPLETE"}
    return client, RunEnd(run.info.run_id, "FINISHED", 1001, {"seed": "0"}, tags, POINTS)


def contents(path):
    """Every row of every table that a run is written to."""
    with closing(sqlite3.connect(path)) as database:
        return {
            table: sorted(map(repr, database.execute(f"SELECT * FROM {table}")))
            for table in ("runs", *COLUMNS)
        }


def test_an_end_counts_once(root):
    """What is written again after a crash adds nothing."""
    client, end = begun(root)
    assert end_run(root / "mlflow.db", end)
    once = contents(root / "mlflow.db")
    assert end_run(root / "mlflow.db", end)
    assert contents(root / "mlflow.db") == once
    run = client.get_run(end.id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 1001)
    assert run.data.params == {"seed": "0"}
    assert run.data.tags["kind"] == "new"
    assert run.data.metrics == {"rmse": 2.0}
    assert [p.value for p in client.get_metric_history(end.id, "rmse")] == [3.0, 2.0]


def test_an_end_replaces_what_was_written_while_the_trial_trained(root):
    """The value in MLflow's tables is the last epoch's, whatever was there before."""
    client, end = begun(root)
    client.log_metric(end.id, "rmse", 3.0, timestamp=1000, step=0)
    assert end_run(root / "mlflow.db", end)
    assert client.get_run(end.id).data.metrics == {"rmse": 2.0}
    assert [p.value for p in client.get_metric_history(end.id, "rmse")] == [3.0, 2.0]


@pytest.mark.parametrize("table", COLUMNS)
@pytest.mark.parametrize("change", ["ALTER TABLE {} ADD COLUMN unit TEXT", "DROP TABLE {}"])
def test_a_table_of_another_version_is_left_to_mlflow(root, table, change):
    """Nothing is written when any of the tables is not the one expected."""
    _, end = begun(root)
    path = root / "mlflow.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(change.format(table))
    assert not end_run(path, end)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT status, end_time FROM runs").fetchall() == [
            ("RUNNING", None)
        ]


def test_a_run_that_is_not_there_is_left_to_mlflow(root):
    """No rows are left without a run."""
    _, end = begun(root)
    before = contents(root / "mlflow.db")
    assert not end_run(root / "mlflow.db", replace(end, id="0" * 32))
    assert contents(root / "mlflow.db") == before


def test_a_damaged_file_is_left_to_mlflow(tmp_path):
    """Neither reading nor gathering raises: MLflow says what is wrong, in its own words."""
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"this is no database" * 100)
    hurry(path)
    gather(path)
    assert not end_run(path, RunEnd("0" * 32, "FINISHED", 1, {}, {}, POINTS))
    assert path.read_bytes() == b"this is no database" * 100
