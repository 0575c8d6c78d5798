"""F29 and F30: what MLflow finds from other times, a file store or tables of another version."""

import logging
import sqlite3
from contextlib import closing

import pytest

from .helpers import check_mlflow

pytestmark = pytest.mark.faults


def test_f29_a_leftover_file_store_in_the_working_folder_is_no_matter(tracked, monkeypatch):
    """It flips MLflow's default to a store that it then refuses; our address is explicit."""
    script = tracked()
    leftover = script.folder / "mlruns" / "0"
    leftover.mkdir(parents=True)
    (leftover / "meta.yaml").write_text("artifact_location: x\nexperiment_id: '0'\n")
    monkeypatch.chdir(script.folder)
    script.run(3, workers=0, tracking=True)
    check_mlflow(script.root)
    assert not (script.folder / "mlflow.db").exists()


def set_version(root, version=None):
    """The version that MLflow's tables say they have; change it if told to."""
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        (before,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        if version is not None:
            database.execute("UPDATE alembic_version SET version_num = ?", [version])
            database.commit()
    return before


@pytest.mark.parametrize("version", ["000000000000", "ffffffffffff"])
def test_f30_tables_of_another_version_cost_the_record_only(tracked, caplog, version):
    """MLflow's own words with its upgrade command; the sweep runs, and can do without tracking."""
    script = tracked()
    before = set_version(script.root, version)
    with caplog.at_level(logging.WARNING, logger="lossweights"):
        script.run(3, workers=0, tracking=True)
    assert "out-of-date database schema" in caplog.text
    assert "mlflow db upgrade" in caplog.text
    assert "back up" in caplog.text
    assert script.outcomes() == {"COMPLETE": 3}
    script.run(4, workers=0, tracking=False, resume=True)
    set_version(script.root, before)
    script.run(5, workers=0, tracking=True, resume=True)
    check_mlflow(script.root)
