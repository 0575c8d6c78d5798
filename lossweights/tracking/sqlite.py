"""The store below a root, a SQLite file: a trial in one transaction, and no wait for the disk.

MLflow commits seven times a trial, and by default each commit waits until the disk has flushed
three times: 15 ms. With a write-ahead log and ``synchronous=NORMAL`` only checkpoints flush. A
power cut can then take the last commits, never the database (https://sqlite.org/wal.html), and
what it took is written again from the result files. A killed process loses nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lossweights.tracking.points import Point, latest

# Of the tables that a finished trial is written to, as they have been since MLflow 1. A table that
# has others is of another version: then MLflow itself writes.
COLUMNS = {
    "tags": {"run_uuid", "key", "value"},
    "params": {"run_uuid", "key", "value"},
    "metrics": {"run_uuid", "key", "value", "timestamp", "step", "is_nan"},
    "latest_metrics": {"run_uuid", "key", "value", "timestamp", "step", "is_nan"},
}
# What a run is marked as ended with; a table of runs may have more.
END_COLUMNS = {"run_uuid", "status", "end_time"}
BUSY_SECONDS = 5.0  # that another process may hold the file


def hurry(path: Path) -> None:
    """Have this process wait for the disk at checkpoints alone when it commits to a database.

    Nothing changes where there can be no write-ahead log, or another process is busy with the file.

    Args:
        path: The file, which need not exist yet.
    """
    from sqlalchemy import Engine, event

    with suppress(sqlite3.Error), closing(sqlite3.connect(path, BUSY_SECONDS)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    # MLflow makes its engine itself, and has no setting for this.
    if not event.contains(Engine, "connect", _hurried(path)):
        event.listen(Engine, "connect", _hurried(path))


@dataclass(frozen=True)
class RunEnd:
    """What a run gets when its trial has ended.

    Attributes:
        id: Id of the run.
        status: Its last status, in MLflow's words.
        time: When it ended, in milliseconds since 1970.
        params: What the trial was trained with.
        tags: What became of it.
        points: Finite points of its charts.
    """

    id: str
    status: str
    time: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Sequence[Point]


def end_run(path: Path, end: RunEnd) -> bool:
    """Write the end of a run that there is, all of it or nothing; again does no harm.

    MLflow makes an object of each point and checks it three times: 20 ms of a core for a trial
    that was trained in 100.

    Args:
        path: The file.
        end: The end of the run.

    Returns:
        Whether it was done. If not, as for tables of another version, it is left to MLflow.
    """
    try:
        with closing(sqlite3.connect(path, BUSY_SECONDS)) as database, database:
            if not _has_known_tables(database):
                return False
            _hurried(path)(database, None)
            _write(database, end)
    except (sqlite3.Error, LookupError):
        return False
    return True


def _has_known_tables(database: sqlite3.Connection) -> bool:
    def columns(table: str) -> set[str]:
        return {name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")}

    known = all(columns(table) == expected for table, expected in COLUMNS.items())
    return known and columns("runs") >= END_COLUMNS


def _write(database: sqlite3.Connection, end: RunEnd) -> None:
    def rows(points: Sequence[Point]) -> list[tuple[Any, ...]]:
        # In the order of the indices: the table grows with every trial, its open pages do not.
        return sorted((p.key, p.time, p.step, end.id, p.value, False) for p in points)

    def texts(values: Mapping[str, str]) -> list[tuple[str, str, str]]:
        return [(end.id, key, value) for key, value in values.items()]

    numbers = "(key, timestamp, step, run_uuid, value, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
    words = "(run_uuid, key, value) VALUES (?, ?, ?)"
    ended = database.execute(
        "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?",
        (end.status, end.time, end.id),
    )
    if ended.rowcount != 1:
        raise LookupError(f"Expected a run {end.id}. Found none.")
    database.executemany(f"INSERT OR IGNORE INTO params {words}", texts(end.params))
    database.executemany(f"INSERT OR REPLACE INTO tags {words}", texts(end.tags))
    database.executemany(f"INSERT OR IGNORE INTO metrics {numbers}", rows(end.points))
    database.executemany(
        f"INSERT OR REPLACE INTO latest_metrics {numbers}", rows(latest(end.points))
    )


def gather(path: Path) -> None:
    """Bring all of a database into its one file, which may then be copied."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, BUSY_SECONDS)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@cache
def _hurried(path: Path) -> Callable[[Any, Any], None]:
    """What SQLAlchemy is to do with each new connection; one function a path."""

    def hurried(connection: Any, _: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        with suppress(sqlite3.Error):  # a damaged file is for MLflow to find
            (_, _, file), *_ = connection.execute("PRAGMA database_list")
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if file == str(path) and mode == "wal":
                connection.execute("PRAGMA synchronous=NORMAL")

    return hurried
