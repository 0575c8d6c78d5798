"""`lossweights remove`: a sweep goes with all that belongs to it, and with nothing else."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from lossweights.base.errors import StoreError, SweepLocked, SweepNotFound
from lossweights.cli._app import app
from lossweights.results.folder import list_sweeps, sqlite_uri, sweep_folder, tracking_uri
from lossweights.store import Store
from lossweights.sweep.remove import find_removal, remove_sweep
from lossweights.testing import FakeSweep
from lossweights.tracking import _removal as removal_module

from .helpers import check_mlflow
from .server import Server

pytestmark = pytest.mark.faults


@pytest.fixture
def root(tmp_path, mlflow_tables):
    """A root with two sweeps, "goes" and "stays"."""
    root = tmp_path / "mlruns"
    root.mkdir()
    shutil.copy(mlflow_tables, root)
    for name in ("goes", "stays"):
        run(name, root)
    return root


def run(name, root, **options):
    """Run a sweep that does sums."""
    FakeSweep(name).run(3, root=root, workers=0, quiet=True, **options)


def call(root, *arguments, answer=None):
    """`lossweights remove goes` with what is typed; the exit code and all that is said."""
    command = ["remove", "goes", "--root", str(root), *arguments]
    said = CliRunner().invoke(app, command, input=answer)
    return said.exit_code, said.output


def contents(root):
    """Every file below a root with its bytes, but for locks and databases."""
    paths = (path for path in root.rglob("*") if path.is_file())
    return {p: p.read_bytes() for p in paths if not p.name.startswith(("lock", "mlflow", "study"))}


def of_sweep(root, name):
    """How many rows MLflow's database has of a sweep: experiments, runs, and points of runs."""
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        runs = f"SELECT run_uuid FROM tags WHERE key = 'lossweights.sweep' AND value = '{name}'"
        return [
            database.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()[0]
            for table, condition in (
                ("experiments", f"name LIKE '{name}%'"),
                ("runs", f"run_uuid IN ({runs})"),
                ("metrics", f"run_uuid IN ({runs})"),
            )
        ]


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_i12_remove_asks_and_takes_no_for_an_answer(root, answer):
    """No, nothing, or nobody there: not a file is touched."""
    before = contents(root)
    code, said = call(root, answer=answer)
    assert code == 2
    assert "Delete sweep goes: 3 trials, 4 weight sets, 4 MLflow runs? [y/N]" in said
    assert "Nothing was deleted" in said
    assert "--yes" in said
    assert contents(root) == before
    assert of_sweep(root, "goes")[:2] == [1, 4]


@pytest.mark.parametrize(("arguments", "answer"), [((), "y\n"), (("--yes",), None)])
def test_i12_remove_deletes_all_of_a_sweep_and_nothing_of_another(root, arguments, answer):
    """Folder, weight sets, runs with their points and artifacts; the name can be used again."""
    others = {path: data for path, data in contents(root).items() if "stays" in str(path)}
    stays = of_sweep(root, "stays")
    code, said = call(root, *arguments, answer=answer)
    assert code == 0, said
    assert "Deleted the sweep goes: 3 trials, 4 weight sets, 4 MLflow runs." in said
    assert ("[y/N]" in said) == (answer is not None)
    assert contents(root) == others
    assert not any("goes" in path.name for path in root.rglob("*"))
    assert list_sweeps(root) == ["stays"]
    assert of_sweep(root, "goes") == [0, 0, 0]
    assert of_sweep(root, "stays") == stays
    run("goes", root)
    check_mlflow(root, "goes")


def test_i12_remove_refuses_a_sweep_that_is_running(root):
    """Its driver still writes: nothing is deleted, neither at once nor after the question."""
    removal = find_removal("goes", root)
    before = contents(root)
    with Store.reopen(root, "goes", FakeSweep("goes").space):
        with pytest.raises(SweepLocked, match="running"):
            remove_sweep("goes", root)
        with pytest.raises(SweepLocked, match="is being driven by process"):
            removal.carry_out()
        code, said = call(root, "--yes")
    assert (code, "running" in said) == (2, True)
    assert contents(root) == before
    assert of_sweep(root, "goes")[:2] == [1, 4]


def test_i12_remove_leaves_what_others_have_in_the_experiment(root):
    """A run of the user's own stays with its artifacts, and so does the experiment."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name("goes").experiment_id
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "mine", "note.txt")
    remove_sweep("goes", root)
    assert [each.info.run_id for each in client.search_runs([experiment])] == [run]
    kept = root / "artifacts" / "goes" / run / "artifacts" / "note.txt"
    assert kept.read_text() == "mine"
    assert len(list((root / "artifacts" / "goes").iterdir())) == 1
    assert of_sweep(root, "goes") == [1, 0, 0]
    client.set_terminated(run)


def test_i12_remove_leaves_an_earlier_sweep_of_the_same_name(root):
    """Runs of a sweep whose folder somebody removed by hand are not this one's."""
    shutil.rmtree(sweep_folder(root, "goes"))
    run("goes", root)
    assert of_sweep(root, "goes")[:2] == [1, 8]
    assert find_removal("goes", root).extent.endswith("4 MLflow runs")
    remove_sweep("goes", root)
    assert of_sweep(root, "goes")[:2] == [1, 4]


def test_i12_remove_can_leave_the_runs(root):
    """`--no-tracking` asks nothing of MLflow and deletes nothing there."""
    code, said = call(root, "--yes", "--no-tracking")
    assert code == 0, said
    assert "0 MLflow runs" in said
    assert of_sweep(root, "goes")[:2] == [1, 4]
    assert list_sweeps(root) == ["stays"]


def test_i12_remove_from_the_trash(root):
    """An experiment that somebody has deleted in the UI goes as well, and frees its name."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    client.delete_experiment(client.get_experiment_by_name("goes").experiment_id)
    assert find_removal("goes", root).extent.endswith("0 MLflow runs")
    remove_sweep("goes", root)
    assert of_sweep(root, "goes") == [0, 0, 0]
    run("goes", root)
    check_mlflow(root, "goes")


def test_i12_remove_where_runs_cannot_be_erased_they_are_in_the_trash(root, monkeypatch):
    """Tables of another version are left to MLflow; the name is free all the same."""
    monkeypatch.setattr(removal_module, "erase_runs", lambda *_: False)
    remove_sweep("goes", root)
    client = MlflowClient(tracking_uri=tracking_uri(root))
    assert client.get_experiment_by_name("goes") is None
    assert of_sweep(root, "goes")[:2] == [1, 4]
    run("goes", root)
    check_mlflow(root, "goes")


def test_i12_remove_takes_also_what_another_database_has(root, tmp_path, mlflow_tables):
    """A sweep may be recorded elsewhere, and its artifacts are below its root all the same."""
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copy(mlflow_tables, elsewhere)
    run("far", root, tracking=sqlite_uri(elsewhere))
    assert any((root / "artifacts" / "far").rglob("knee.json"))
    assert find_removal("far", root).extent == "3 trials, 4 weight sets, 4 MLflow runs"
    remove_sweep("far", root)
    assert not (root / "artifacts" / "far").exists()
    assert MlflowClient(tracking_uri=sqlite_uri(elsewhere)).get_experiment_by_name("far") is None


@pytest.mark.parametrize(
    ("folder", "told", "left"),
    [
        ("artifacts", "All else of it is still here", "3 trials, 4 weight sets, 4 MLflow runs"),
        ("weights", "What MLflow had of it is gone", "3 trials, 3 weight sets, 0 MLflow runs"),
        ("trials", "What MLflow had of it is gone", "3 trials, 0 weight sets, 0 MLflow runs"),
    ],
)
def test_i12_remove_that_cannot_delete_a_file_can_be_done_again(
    root, monkeypatch, folder, told, left
):
    """It says what is gone and what is left; the sweep is one until its last file is gone."""
    rmtree = shutil.rmtree

    def refuse(path, *arguments, **options):
        if folder in path.relative_to(root).parts:
            raise PermissionError(13, "Permission denied", str(path))
        rmtree(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        with pytest.raises(StoreError, match=f"Permission denied.*{told}"):
            remove_sweep("goes", root)
    assert list_sweeps(root) == ["goes", "stays"]
    assert find_removal("goes", root).extent == left
    remove_sweep("goes", root)
    assert list_sweeps(root) == ["stays"]


def test_i12_remove_of_what_is_not_there_names_what_is(root):
    """A misspelt name deletes nothing."""
    with pytest.raises(SweepNotFound, match="'goes', 'stays'"):
        remove_sweep("gone", root)
    assert not sweep_folder(root, "gone").exists()


def test_i12_remove_a_sweep_that_was_never_recorded(tmp_path):
    """Without MLflow there is nothing to ask it, and no database is made."""
    root = tmp_path / "bare"
    run("goes", root, tracking=False)
    assert remove_sweep("goes", root) == (
        "Deleted the sweep goes: 3 trials, 4 weight sets, 0 MLflow runs."
    )
    assert not (root / "mlflow.db").exists()


def test_i12_remove_counts_once_what_a_server_reads_from_the_same_database(root):
    """Who looks at the root with `mlflow server` and records there has one record, not two."""
    server = Server(root)
    try:
        run("served", root, tracking=server.uri)
        assert find_removal("served", root).extent == "3 trials, 4 weight sets, 4 MLflow runs"
        remove_sweep("served", root)
    finally:
        server.close()
    assert of_sweep(root, "served") == [0, 0, 0]
