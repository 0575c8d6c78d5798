"""Where MLflow's UI shows a sweep: the ids that its addresses are made of."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from lossweights.foreign.mlflow_names import PARENT_RUN
from lossweights.tracking._sqlite import BUSY_SECONDS


class Page(NamedTuple):
    """The experiment and the parent run of a sweep, as MLflow numbers them."""

    experiment: str
    run: str

    def links(self, server: str) -> tuple[str, str]:
        """Addresses of the sweep's own page and of the table of its trials.

        Without the last words the UI opens in the mode for language models, which shows neither.

        >>> Page("1", "ab12").links("http://127.0.0.1:5000/")[1]
        'http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning'
        """
        trials = f"{server.rstrip('/')}/#/experiments/{self.experiment}/runs"
        mode = "?workflowType=machine_learning"
        return f"{trials}/{self.run}{mode}", f"{trials}{mode}"


def find_page(root: Path, sweep: str) -> Page | None:
    """Where the database below a root has a sweep, or ``None`` if it has not.

    The database is only read, and MLflow, which takes a second to load, is not needed.
    """
    path = root.resolve() / "mlflow.db"
    if not path.exists():
        return None
    address = f"{path.as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True)) as database:
            found = database.execute(PARENT_RUN, (sweep,)).fetchone()
    except sqlite3.Error:  # damaged or of another version: MLflow says so when it opens it
        return None
    return None if found is None else Page(str(found[0]), str(found[1]))
