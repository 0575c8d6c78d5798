"""The store below a root, a SQLite file: trials in one transaction, no wait for the disk.

MLflow commits seven times a trial, and by default each commit waits until the disk has flushed
three times: 15 ms. With a write-ahead log and ``synchronous=NORMAL`` only checkpoints flush. A
power cut can then take the last commits, never the database (https://sqlite.org/wal.html), and
what it took is written again from the result files. A killed process loses nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossweights.foreign.mlflow_names import (
    EXPERIMENT_ID,
    EXPERIMENT_TABLES,
    RUN_ID,
    has_known_tables,
    of_runs,
    tables_of_runs,
)
from lossweights.tracking._points import Point, latest

BUSY_SECONDS = 5.0  # that another process may hold the file


@contextmanager
def hurried(path: Path) -> Iterator[None]:
    """Within this context this process waits for the disk at checkpoints alone, in one database.

    Nothing changes where there can be no write-ahead log, or another process is busy with the file.

    Args:
        path: The file, which need not exist yet.
    """
    from sqlalchemy import Engine, event

    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        database.execute("PRAGMA journal_mode=WAL")

    def connected(connection: Any, _: Any) -> None:
        _hurry(connection, path)

    # MLflow makes its engine itself, and has no setting for this.
    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)


@dataclass(frozen=True)
class RunRecord:
    """All of a run whose trial has ended.

    Attributes:
        id: Id of the run, of 32 hexadecimal digits.
        experiment_id: Id of the experiment that it is in.
        name: What it is called.
        artifact_uri: Where its artifacts would be.
        status: How it ended, in MLflow's words.
        start: When it began, in milliseconds since 1970.
        end: When it ended.
        params: What the trial was trained with.
        tags: What it is and what became of it.
        points: Finite points of its charts.
    """

    id: str
    experiment_id: str
    name: str
    artifact_uri: str
    status: str
    start: int
    end: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Sequence[Point]


def write_runs(path: Path, runs: Sequence[RunRecord]) -> bool:
    """Write runs, all of them or nothing; those that have begun are ended. Again does no harm.

    MLflow makes an object of each point and checks it three times: 28 ms of a core for a trial
    that was trained in 100.

    Args:
        path: The file.
        runs: The runs.

    Returns:
        Whether it was done. If not, as for tables of another version, it is left to MLflow.
    """
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
            _hurry(database, path)
            database.execute("PRAGMA foreign_keys=ON")
            if not has_known_tables(database):
                return False
            with database:
                for run in runs:
                    _write(database, run)
    except (sqlite3.Error, LookupError):
        return False
    return True


def _write(database: sqlite3.Connection, run: RunRecord) -> None:
    def rows(points: Sequence[Point]) -> list[tuple[Any, ...]]:
        # In the order of the indices: the table grows with every trial, its open pages do not.
        return sorted((p.key, p.time, p.step, run.id, p.value, False) for p in points)

    def texts(values: Mapping[str, str]) -> list[tuple[str, str, str]]:
        return [(run.id, key, value) for key, value in values.items()]

    numbers = "(key, timestamp, step, run_uuid, value, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
    words = "(run_uuid, key, value) VALUES (?, ?, ?)"
    database.execute(
        "INSERT INTO runs (run_uuid, name, experiment_id, artifact_uri, start_time, "
        "user_id, lifecycle_stage, source_type, source_name, source_version, entry_point_name) "
        "VALUES (?, ?, ?, ?, ?, 'unknown', 'active', 'UNKNOWN', '', '', '') "
        "ON CONFLICT (run_uuid) DO NOTHING",
        (run.id, run.name, int(run.experiment_id), run.artifact_uri, run.start),
    )
    changed = database.execute(
        "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ? AND lifecycle_stage = 'active'"
        " AND experiment_id IN (SELECT experiment_id FROM experiments"
        " WHERE lifecycle_stage = 'active')",
        (run.status, run.end, run.id),
    )
    if changed.rowcount != 1:
        raise LookupError(f"Expected a run {run.id} that nobody has deleted.")
    tags = {**run.tags, "mlflow.runName": run.name}
    database.executemany(f"INSERT OR REPLACE INTO tags {words}", texts(tags))
    database.executemany(f"INSERT OR IGNORE INTO params {words}", texts(run.params))
    database.executemany(f"INSERT OR IGNORE INTO metrics {numbers}", rows(run.points))
    database.executemany(
        f"INSERT OR REPLACE INTO latest_metrics {numbers}", rows(latest(run.points))
    )


def erase_runs(path: Path, runs: Sequence[str], experiment_id: str | None) -> bool:
    """Erase runs, and an experiment that holds no others: all of it or nothing.

    Args:
        path: The file.
        runs: Ids of the runs.
        experiment_id: Id of the experiment, or ``None`` to keep it.

    Returns:
        Whether it was done. If not, as where something of others hangs on them, all is as before.
    """
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
            database.execute("PRAGMA foreign_keys=ON")
            with database:
                ours = [(run,) for run in runs]
                for statement in of_runs(database):
                    database.executemany(statement, ours)
                for table in tables_of_runs(database):
                    database.executemany(f"DELETE FROM {table} WHERE {RUN_ID} = ?", ours)
                for table in EXPERIMENT_TABLES if experiment_id is not None else ():
                    database.execute(
                        f"DELETE FROM {table} WHERE {EXPERIMENT_ID} = ?", [experiment_id]
                    )
    except sqlite3.Error:
        return False
    return True


def gather(path: Path) -> None:
    """Bring all of a database into its one file, which may then be copied."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _hurry(connection: Any, path: Path) -> None:
    """Have a connection wait at checkpoints alone, if it is one to this file."""
    if not isinstance(connection, sqlite3.Connection):
        return
    with suppress(sqlite3.Error):  # a damaged file is for MLflow to find
        (_, _, file), *_ = connection.execute("PRAGMA database_list")
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        if file == str(path) and mode == "wal":
            connection.execute("PRAGMA synchronous=NORMAL")
