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
from lossweights.tracking.sqlite import add_points, gather, hurry

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


def test_points_count_once(root):
    """What is written again after a crash adds nothing."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    run = client.create_run(client.create_experiment("demand")).info.run_id
    assert add_points(root / "mlflow.db", run, POINTS)
    assert add_points(root / "mlflow.db", run, POINTS)
    assert [p.value for p in client.get_metric_history(run, "rmse")] == [3.0, 2.0]


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE metrics ADD COLUMN unit TEXT", "DROP TABLE metrics"]
)
def test_a_table_of_another_version_is_left_to_mlflow(root, statement):
    """Nothing is written to a table that is not the one expected."""
    path = root / "mlflow.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)
    assert not add_points(path, "0" * 32, POINTS)


def test_a_damaged_file_is_left_to_mlflow(tmp_path):
    """Neither reading nor gathering raises: MLflow says what is wrong, in its own words."""
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"this is no database" * 100)
    hurry(path)
    gather(path)
    assert not add_points(path, "0" * 32, POINTS)
    assert path.read_bytes() == b"this is no database" * 100
