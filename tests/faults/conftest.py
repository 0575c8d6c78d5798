"""Fixtures of the fault tests; after each of them nothing may be left running or half done."""

import shutil

import pytest

from .helpers import PLAIN, Scripted, check_mlflow, check_sweep, children


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path, fake_programs, keras_programs):
    """After every test: no child process is left, no trial runs, no MLflow run is open, every
    database is sound, and result files, study and MLflow agree.
    """
    yield
    assert children((*fake_programs.pids, *keras_programs.pids)) == {}
    for manifest in sorted(tmp_path.rglob("studies/*/manifest.json")):
        root, name = manifest.parents[2], manifest.parent.name
        check_sweep(root, name)
        if (root / "mlflow.db").exists():
            check_mlflow(root, name, complete=False)


@pytest.fixture
def scripted(tmp_path, _nothing_left, fake_programs):
    """Makes launch scripts, each in a folder of its own with a root of its own.

    A test that kills a driver and starts no other says ``settle=True``.
    """
    made = []

    def make(body=PLAIN, name="fake", settle=False):
        made.append(
            (Scripted(tmp_path / f"scripted-{len(made)}", fake_programs, body, name), settle)
        )
        return made[-1][0]

    yield make
    for script, settle in made:
        script.close()
        if settle:
            script.settle()


@pytest.fixture
def tracked(scripted, mlflow_tables):
    """Like `scripted`, with MLflow's tables in the root."""

    def make(body=PLAIN, name="fake"):
        script = scripted(body, name)
        script.root.mkdir()
        shutil.copy(mlflow_tables, script.root)
        return script

    return make


@pytest.fixture
def mlflow_server(tracked, monkeypatch):
    """An MLflow server on the database below the root of a script.

    It runs in this process and on its cores, so it may well be slow: nothing gives it up for that.
    """
    from .server import Server

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # the tracker's own limit is shorter
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    servers = []

    def make(script):
        servers.append(Server(script.root))
        return servers[-1]

    yield make
    for server in servers:
        server.close()
