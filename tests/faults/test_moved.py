"""A project or its root that was moved or renamed after a sweep: everything still opens."""

import json
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

import lossweights as lw
from lossweights.cli._app import app
from lossweights.cli._script import load_sweep
from lossweights.results.folder import tracking_uri
from lossweights.tracking import Ending, settle_moved

from .helpers import HEAD, TAIL, check_mlflow
from .server import Server

pytestmark = pytest.mark.faults

BODY = """
def during(member, epoch):
    return None

sweep = FakeSweep("fake", during=during)
"""
PICKS = {"knee.json", "min-miss.json", "min-cost.json"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory, mlflow_tables):
    """A project with a script and the sweep that it ran, in a process that has ended since."""
    project = tmp_path_factory.mktemp("ran") / "project"
    (project / "sweeps").mkdir(parents=True)
    (project / "mlruns").mkdir()
    shutil.copy(mlflow_tables, project / "mlruns")
    script = project / "sweeps" / "fake.py"
    script.write_text(HEAD + BODY + TAIL)
    command = [sys.executable, script, "--trials", "3", "--workers", "0", "--quiet"]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=120)
    return project


@pytest.fixture
def project(ran, tmp_path):
    """The same as if it had run here: its files say so, and no MLflow in this process knows it."""
    project = Path(shutil.copytree(ran, tmp_path / "project"))
    manifest = project / "mlruns" / "studies" / "fake" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(ran), str(project)))
    assert settle_moved(project / "mlruns")
    return project


def call(*arguments, root):
    """A command as a user gives it; all that it said."""
    said = CliRunner().invoke(app, [*arguments, "--root", str(root)])
    assert said.exit_code == 0, said.output
    return said.output


def files_of_parent(root):
    """What MLflow gives of the parent run's artifacts, through its server's own handlers."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name("fake")
    condition = "tags.`lossweights.kind` = 'sweep'"
    (parent,) = client.search_runs([experiment.experiment_id], condition)
    server, found = Server(root), {}
    try:
        for name in PICKS:
            asked = f"{server.uri}/get-artifact?path={name}&run_uuid={parent.info.run_id}"
            with urllib.request.urlopen(asked) as answer:
                found[name] = json.loads(answer.read())
    finally:
        server.close()
    return found


def saved(root):
    """The weight sets as the sweep saved them."""
    return {name: json.loads((root / "weights" / "fake" / name).read_bytes()) for name in PICKS}


@pytest.mark.parametrize("what", ["project", "root", "both"])
def test_i12_moved_sweeps_open_as_before(project, what):
    """Report, list, status, load, resume, sync and MLflow's UI: nothing looks where it was."""
    before = saved(project / "mlruns")
    name = "mlruns"
    if what in ("root", "both"):
        name = "results of may"
        (project / "mlruns").rename(project / name)
    if what in ("project", "both"):
        project = project.rename(project.parent / "renamed project")
    root = project / name
    assert "were moved here from" in call("report", "fake", root=root)
    assert "were moved here from" not in call("report", "fake", root=root), "said twice"
    assert files_of_parent(root) == before
    assert "fake" in call("list", root=root)
    assert "3 of 3" in call("status", "fake", root=root)
    assert lw.load("fake", root) == lw.load("fake@knee", root)
    assert "3 trials of fake are in" in call("sync", "fake", root=root)
    call("resume", "fake", "--trials", "5", "--workers", "0", "--quiet", root=root)
    check_mlflow(root)
    assert files_of_parent(root) == saved(root)
    manifest = json.loads((root / "studies" / "fake" / "manifest.json").read_bytes())
    assert (manifest["script"], manifest["root"]) == (
        str(project / "sweeps" / "fake.py"),
        str(root),
    )
    assert {path.name for path in project.parent.iterdir()} == {project.name}
    assert {path.name for path in project.iterdir()} - {"__pycache__"} == {"sweeps", name}


def test_i12_moved_resume_alone_finds_script_and_artifacts(project, caplog):
    """The first thing that is done after a move may be going on with the sweep; it is said once."""
    root = project.rename(project.parent / "elsewhere") / "mlruns"
    call("resume", "fake", "--trials", "4", "--workers", "0", "--quiet", root=root)
    assert caplog.text.count("were moved here from") == 1
    assert files_of_parent(root) == saved(root)


def test_i12_moved_before_sync_its_ending_has_its_files(project):
    """A sweep that could not be recorded is recorded where it is now, weight sets and all."""
    with closing(sqlite3.connect(project / "mlruns" / "mlflow.db")) as database, database:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
            database.execute(f"DELETE FROM {table}")
        database.execute("DELETE FROM experiment_tags")
        database.execute("DELETE FROM experiments WHERE name = 'fake'")
    shutil.rmtree(project / "mlruns" / "artifacts")
    root = (project / "mlruns").rename(project / "moved")
    ending = Ending.read(root / "studies" / "fake")
    assert all(path.is_file() and path.is_relative_to(root) for path in ending.artifacts)
    call("sync", "fake", root=root)
    assert files_of_parent(root) == saved(root)


def test_i12_moved_a_copy_has_its_own_artifacts(project):
    """A copied root reads what was copied, and the original is not touched."""
    root, copy = project / "mlruns", project.parent / "backup"
    shutil.copytree(root, copy)
    original = (root / "mlflow.db").read_bytes()
    assert settle_moved(root) == ""
    assert str(root) in settle_moved(copy)
    assert settle_moved(copy) == ""
    assert (root / "mlflow.db").read_bytes() == original
    shutil.rmtree(root)
    assert files_of_parent(copy) == saved(copy)


def test_i12_moved_is_not_said_of_a_database_that_another_root_records_to(project):
    """Artifacts of a sweep lie below its own root, also if its runs are in the database of another;
    and what is of others in the database stays as it is.
    """
    root, other = project / "mlruns", project / "other"
    client = MlflowClient(tracking_uri=tracking_uri(root))
    client.create_experiment("of somebody", "file:///nowhere/artifacts/of somebody")
    sweep = load_sweep(project / "sweeps" / "fake.py")
    sweep.run(2, name="away", root=other, tracking=tracking_uri(root), workers=0, quiet=True)
    before = locations(root)
    assert settle_moved(root) == ""
    assert locations(root) == before
    assert before["away"] == (other / "artifacts" / "away").as_uri()


def locations(root):
    """Where MLflow has the artifacts of each experiment."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    return {each.name: each.artifact_location for each in client.search_experiments()}


@pytest.mark.parametrize("how", ["none", "damaged", "another version"])
def test_i12_moved_leaves_alone_what_it_does_not_know(project, how):
    """No database, none that can be read, none with the tables of MLflow 3: MLflow says so."""
    root = (project / "mlruns").rename(project / "moved")
    path = root / "mlflow.db"
    if how == "none":
        path.unlink()
    elif how == "damaged":
        path.write_bytes(b"this is no database" * 100)
    else:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("ALTER TABLE experiments RENAME TO projects")
    before = path.read_bytes() if path.exists() else None
    assert settle_moved(root) == ""
    assert (path.read_bytes() if path.exists() else None) == before
    path.unlink(missing_ok=True)
    shutil.rmtree(root / "studies")
