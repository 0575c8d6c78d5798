"""Which term drove each trial, noted in the study for others that show it, once it is judged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from lossweights.base.errors import StoreError

# Optuna takes 1.6 ms for each attribute, of a trial that took 20 to train.
NOTE = "INSERT OR REPLACE INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)"
SECONDS = 60  # that a reader may hold the database


def note_drivers(path: Path, drivers: Mapping[int, str | None]) -> None:
    """Note the drivers of trials as their attribute ``driver``, by their numbers.

    Args:
        path: File of the study, of a sweep that this process holds.
        drivers: The term that drove, or ``None`` where no single one did.

    Raises:
        StoreError: The file cannot be written.
    """
    try:
        with closing(sqlite3.connect(path, timeout=SECONDS)) as database, database:
            ids = dict(database.execute("SELECT number, trial_id FROM trials"))
            rows = [
                (ids[number], "driver", json.dumps(driver))
                for number, driver in drivers.items()
                if number in ids
            ]
            database.executemany(NOTE, rows)
    except sqlite3.Error as error:
        raise StoreError(
            f"Cannot note in {path} which term drove each trial: {error}. Check the disk's free "
            f"space, and whether another program holds the file."
        ) from error
