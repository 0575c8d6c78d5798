"""The store below a root, a SQLite file, without a wait for the disk at every commit.

MLflow commits seven times a trial, and by default each commit waits until the disk has flushed
three times: 15 ms. With a write-ahead log and ``synchronous=NORMAL`` only checkpoints flush. A
power cut can then take the last commits, never the database (https://sqlite.org/wal.html), and
what it took is written again from the result files. A killed process loses nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

from lossweights.tracking.points import Point

# Of the table that holds every point of every run; as it has been since MLflow 1.
COLUMNS = ("run_uuid", "key", "value", "timestamp", "step", "is_nan")
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


def add_points(path: Path, run_id: str, points: Iterable[Point]) -> bool:
    """Add points to the history of a run, each once; the latest of a key is not for here.

    MLflow makes an object of each point and checks it three times, 40 times what the disk takes.

    Args:
        path: The file.
        run_id: A run that there is.
        points: Finite points of keys that MLflow has accepted.

    Returns:
        Whether it was done. If not, as for a table of another version, it is left to MLflow.
    """
    rows = [(run_id, point.key, point.value, point.time, point.step, False) for point in points]
    insert = f"INSERT OR IGNORE INTO metrics ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?)"
    try:
        with closing(sqlite3.connect(path, BUSY_SECONDS)) as database, database:
            found = {name for _, name, *_ in database.execute("PRAGMA table_info(metrics)")}
            if found == set(COLUMNS):
                _hurried(path)(database, None)
                database.executemany(insert, rows)
    except sqlite3.Error:
        return False
    return found == set(COLUMNS)


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
