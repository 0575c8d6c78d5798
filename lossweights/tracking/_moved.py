"""A root that was moved or renamed: its database still names the artifacts where they were."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lossweights.foreign.mlflow_names import LOCATIONS, columns
from lossweights.tracking._sqlite import BUSY_SECONDS


def settle_moved(root: Path) -> str:
    """Have MLflow's database below a root name its artifacts where they are now.

    MLflow keeps whole addresses, ``file:///home/me/project/mlruns/artifacts/...``. Of the
    experiments of our sweeps those are changed that name another root, if the artifacts lie below
    this one or that other root is gone. Nothing else is changed; again does no harm.

    Args:
        root: Folder of the sweeps.

    Returns:
        A sentence on what was changed, empty if nothing was.
    """
    path, here = root.resolve() / "mlflow.db", root.resolve().as_uri()
    if not path.exists():
        return ""
    left: set[str] = set()
    # A database that is damaged, busy or of another version is left to MLflow, which says so.
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        moved = _moved(database, root.resolve(), here)
        if not moved:
            return ""
        with database:
            for name, there in moved.items():
                old, new = (f"{place}/artifacts/{name}" for place in (there, here))
                for table, column in LOCATIONS:
                    if column in columns(database, table):
                        _change(database, table, column, old, new)
        left = set(moved.values())
    if not left:
        return ""
    places = ", ".join(sorted(unquote(urlsplit(each).path) for each in left))
    return f"The sweeps were moved here from {places}: MLflow finds their artifacts in {root} now."


def _moved(database: sqlite3.Connection, root: Path, here: str) -> dict[str, str]:
    """The root as it was, as an address, for each sweep that names another one than this."""
    rows = database.execute(
        "SELECT name, artifact_location FROM experiments WHERE name IN "
        "(SELECT value FROM tags WHERE key = 'lossweights.sweep')"
    )
    found = {}
    for name, location in rows:
        there, slash, rest = str(location).rpartition(f"/artifacts/{name}")
        if not slash or rest or there == here or not there.startswith("file:"):
            continue
        gone = not Path(unquote(urlsplit(there).path)).exists()
        if gone or (root / "artifacts" / name).exists():
            found[name] = there
    return found


def _change(database: sqlite3.Connection, table: str, column: str, old: str, new: str) -> None:
    database.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
        (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
    )
