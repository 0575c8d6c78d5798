"""What is relied on of MLflow that it does not promise: tables and columns of its database.

There is no public way to write a whole run at once, to say that artifacts lie in another folder
now, or to erase a run rather than hide it. So these tables are read and written, in the file below
a root alone, which nobody but MLflow and we have made. Whoever uses them looks first whether they
are as they are named here; where they are not, MLflow's own way is taken, or all stays as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

# Of the tables that a finished trial is written to, as MLflow 3 has them.
_TEXTS = {"run_uuid", "key", "value"}
_NUMBERS = {"run_uuid", "key", "value", "timestamp", "step", "is_nan"}
COLUMNS: Mapping[str, set[str]] = {
    "runs": {
        *("run_uuid", "name", "experiment_id", "artifact_uri", "user_id", "lifecycle_stage"),
        *("status", "start_time", "end_time", "deleted_time"),
        *("source_type", "source_name", "source_version", "entry_point_name"),
    },
    "tags": _TEXTS,
    "params": _TEXTS,
    "metrics": _NUMBERS,
    "latest_metrics": _NUMBERS,
}

# Where MLflow keeps addresses of artifacts: whole ones, so they name the folder as it was called.
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)

# What belongs to a run or an experiment and would hold it when its row goes.
RUN_ID, EXPERIMENT_ID = "run_uuid", "experiment_id"
EXPERIMENT_TABLES = ("experiment_tags", "experiments")

# Experiment and id of the run that stands for a sweep: the latest, if a name was used again.
PARENT_RUN = """
    SELECT runs.experiment_id, runs.run_uuid FROM runs
    JOIN tags AS sweep ON sweep.run_uuid = runs.run_uuid AND sweep.key = 'lossweights.sweep'
    JOIN tags AS kind ON kind.run_uuid = runs.run_uuid AND kind.key = 'lossweights.kind'
    WHERE sweep.value = ? AND kind.value = 'sweep' AND runs.lifecycle_stage = 'active'
    ORDER BY runs.start_time DESC LIMIT 1
"""


def columns(database: sqlite3.Connection, table: str) -> set[str]:
    """The columns of a table; none if there is no such table."""
    return {name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")}


def has_known_tables(database: sqlite3.Connection) -> bool:
    """Whether a finished trial can be written: the tables are those of MLflow 3."""
    return all(columns(database, table) == expected for table, expected in COLUMNS.items())


def tables_of_runs(database: sqlite3.Connection) -> list[str]:
    """The tables with something of a run, that of the runs last."""
    names = [
        name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
    ]
    found = [name for name in names if name != "runs" and RUN_ID in columns(database, name)]
    return [*found, "runs"]


def of_runs(database: sqlite3.Connection) -> list[str]:
    """Statements that erase what a run points to by another name: its data and logged models."""
    inputs = "SELECT input_uuid FROM inputs WHERE ? IN (source_id, destination_id)"
    models = "SELECT model_id FROM logged_models WHERE source_run_id = ?"
    found = {
        "input_tags": f"DELETE FROM input_tags WHERE input_uuid IN ({inputs})",
        "inputs": "DELETE FROM inputs WHERE ? IN (source_id, destination_id)",
        **{
            f"logged_model_{part}": f"DELETE FROM logged_model_{part} WHERE model_id IN ({models})"
            for part in ("metrics", "params", "tags")
        },
        "logged_models": "DELETE FROM logged_models WHERE source_run_id = ?",
    }
    return [statement for table, statement in found.items() if columns(database, table)]


def artifact_repository(address: str, tracking_uri: str) -> Any:
    """Where the artifacts of a run are put now; MLflow's client remembers where they were."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(address, tracking_uri=tracking_uri)
