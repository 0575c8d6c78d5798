"""MLflow's file below the root: fast to write, and the same to everybody who reads it."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from mlflow import MlflowClient

from lossweights.foreign.mlflow_names import COLUMNS
from lossweights.results.folder import sqlite_uri, tracking_uri
from lossweights.tracking import Ending, Tracker
from lossweights.tracking import _runs as runs_module
from lossweights.tracking._points import Point
from lossweights.tracking._sqlite import RunRecord, gather, hurried, write_runs

from ..samples import finished

STARTED = "2026-01-02T03:04:05.678+00:00"
RUN = "0" * 32
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
        info = {key: str(v).replace(run.info.run_id, "ID") for key, v in dict(run.info).items()}
        info["artifact_uri"] = info["artifact_uri"].partition("/mlruns/")[2]
        data = run.data.params, run.data.metrics
        found[tags["lossweights.trial"]] = (info, tags, *data, histories)
    return found


def test_what_is_recorded_is_what_mlflow_itself_would_have_written(root, tmp_path, monkeypatch):
    """A store elsewhere gets every point through MLflow; both read the same, point by point."""
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copy(root / "mlflow.db", elsewhere)
    write_runs, written = runs_module.write_runs, []

    def spy(path, runs):
        written.append(write_runs(path, runs))
        return written[-1]

    monkeypatch.setattr(runs_module, "write_runs", spy)
    track(root)
    assert written
    assert all(written)
    written.clear()
    track(tmp_path / "other" / "mlruns", sqlite_uri(elsewhere))
    assert not written
    own = recorded(tracking_uri(root))
    assert set(own) == {"0", "1"}
    assert len(own["0"][-1]["7 metrics/rmse"]) > 1
    assert own == recorded(sqlite_uri(elsewhere))


def test_after_a_sweep_the_one_file_holds_everything(root, tmp_path):
    """A copy of mlflow.db alone, while the process lives, has all the runs."""
    track(root)
    copied = tmp_path / "copy.db"
    shutil.copy(root / "mlflow.db", copied)
    assert recorded(sqlite_uri(copied)) == recorded(tracking_uri(root))


def test_only_the_given_file_is_hurried(tmp_path):
    """Another database in the same process still waits for the disk at every commit."""
    from sqlalchemy import create_engine

    mine, other = tmp_path / "mine.db", tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    engines = [create_engine(sqlite_uri(path)) for path in (mine, other)]

    def found():
        return [synchronous(engine) for engine in engines]

    with hurried(mine):
        assert found() == [1, 2]  # NORMAL, FULL
    assert found() == [2, 2], "it stayed hurried"


def synchronous(engine):
    """How a new connection waits for the disk."""
    from sqlalchemy import text

    with engine.connect() as connection:
        level = connection.execute(text("PRAGMA synchronous")).scalar()
    engine.dispose()
    return level


def listeners():
    """How many functions SQLAlchemy calls for a new connection of an engine that is made now."""
    from sqlalchemy import create_engine

    return len(list(create_engine("sqlite://").pool.dispatch.connect))


def test_trackers_leave_no_listener_behind(root):
    """However many trackers a process has had, SQLAlchemy calls none of them any more."""
    before = listeners()
    for _ in range(3):
        track(root)
        assert listeners() == before
    one, two = hurried(root / "mlflow.db"), hurried(root / "mlflow.db")
    with one:
        with two:
            assert listeners() == before + 2
        assert listeners() == before + 1
    assert listeners() == before


def record(experiment, run=RUN):
    """A run with a history of two points."""
    return RunRecord(
        id=run,
        experiment_id=experiment,
        name="trial 0000",
        artifact_uri=f"file:///artifacts/{run}/artifacts",
        status="FINISHED",
        start=1000,
        end=1001,
        params={"seed": "0"},
        tags={"kind": "new", "state": "COMPLETE"},
        points=POINTS,
    )


@pytest.fixture
def client(root):
    """MLflow on the file below the root."""
    return MlflowClient(tracking_uri=tracking_uri(root))


@pytest.fixture
def experiment(client):
    """The id of an experiment."""
    return client.create_experiment("demand")


def contents(path):
    """Every row of every table that there is of those a run is written to."""
    with closing(sqlite3.connect(path)) as database:
        there = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        return {
            table: sorted(map(repr, database.execute(f"SELECT * FROM {table}")))
            for table in COLUMNS
            if table in there
        }


def test_a_run_counts_once(root, client, experiment):
    """What is written again after a crash adds nothing."""
    path = root / "mlflow.db"
    assert write_runs(path, [record(experiment), record(experiment, "1" * 32)])
    once = contents(path)
    assert write_runs(path, [record(experiment)])
    assert contents(path) == once
    run = client.get_run(RUN)
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("FINISHED", 1000, 1001)
    assert run.data.params == {"seed": "0"}
    assert run.data.tags == {
        "kind": "new", "state": "COMPLETE", "mlflow.runName": "trial 0000"
    }  # fmt: skip
    assert run.data.metrics == {"rmse": 2.0}
    assert [p.value for p in client.get_metric_history(RUN, "rmse")] == [3.0, 2.0]


def test_a_run_that_has_begun_is_ended(root, client, experiment):
    """What MLflow wrote while the trial trained stays; the value in its tables is the last."""
    begun = client.create_run(experiment, start_time=5, run_name="trial 0000", tags={"kind": "old"})
    run = begun.info.run_id
    client.log_metric(run, "rmse", 3.0, timestamp=1000, step=0)
    assert write_runs(root / "mlflow.db", [record(experiment, run)])
    ended = client.get_run(run)
    assert (ended.info.status, ended.info.start_time, ended.info.end_time) == ("FINISHED", 5, 1001)
    assert ended.info.artifact_uri == begun.info.artifact_uri
    assert ended.data.tags["kind"] == "new"
    assert ended.data.metrics == {"rmse": 2.0}
    assert [p.value for p in client.get_metric_history(run, "rmse")] == [3.0, 2.0]


@pytest.mark.parametrize("table", COLUMNS)
@pytest.mark.parametrize("change", ["ALTER TABLE {} ADD COLUMN unit TEXT", "DROP TABLE {}"])
def test_a_table_of_another_version_is_left_to_mlflow(root, experiment, table, change):
    """Nothing is written when any of the tables is not the one expected."""
    path = root / "mlflow.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(change.format(table))
    before = contents(path)
    assert not write_runs(path, [record(experiment)])
    assert contents(path) == before


@pytest.mark.parametrize("deleted", ["run", "experiment", "nothing"])
def test_what_somebody_has_deleted_is_left_to_mlflow(root, client, experiment, deleted):
    """MLflow refuses it, and says so."""
    run = client.create_run(experiment).info.run_id
    if deleted == "run":
        client.delete_run(run)
    if deleted == "experiment":
        client.delete_experiment(experiment)
    before = contents(root / "mlflow.db")
    assert write_runs(root / "mlflow.db", [record(experiment, run)]) == (deleted == "nothing")
    assert (contents(root / "mlflow.db") == before) == (deleted != "nothing")


def test_no_run_without_an_experiment(root):
    """Nothing is left of a run that nobody would find."""
    before = contents(root / "mlflow.db")
    assert not write_runs(root / "mlflow.db", [record("999")])
    assert contents(root / "mlflow.db") == before


def test_of_several_runs_all_are_written_or_none(root, experiment):
    """A run that the tables refuse leaves nothing of those before it."""
    before = contents(root / "mlflow.db")
    refused = replace(record(experiment, "1" * 32), status="NO STATUS OF MLFLOW")
    assert not write_runs(root / "mlflow.db", [record(experiment), refused])
    assert contents(root / "mlflow.db") == before


def test_a_damaged_file_is_left_to_mlflow(tmp_path):
    """Neither reading nor gathering raises: MLflow says what is wrong, in its own words."""
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"this is no database" * 100)
    with hurried(path):
        gather(path)
    assert not write_runs(path, [record("1")])
    assert path.read_bytes() == b"this is no database" * 100
