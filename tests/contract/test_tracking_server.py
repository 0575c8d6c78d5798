"""A sweep that is recorded at an MLflow server, with its own artifact store, over HTTP."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

from lossweights.base.errors import RecipeError, TrackingError
from lossweights.loss.weight_set import WeightSet
from lossweights.results.folder import read_manifest, sweep_folder
from lossweights.sweep.remove import find_removal, remove_sweep
from lossweights.testing import FakeSweep
from lossweights.tracking import About, Ending, Tracker, find_record, sync_sweep

from .tracking_server import PASSWORD, USER, MlflowServer

TRIALS = 3
PICKS = {"knee.json", "min-miss.json", "min-cost.json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory, mlflow_tables):
    """One server for all of these tests: its start takes seconds."""
    made = MlflowServer(tmp_path_factory.mktemp("server"), mlflow_tables)
    yield made
    made.close()


@pytest.fixture
def password(monkeypatch):
    """User and password as MLflow reads them."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)


def run(name, root, trials=TRIALS, **options):
    """Run a sweep that does sums."""
    options = {"workers": 0, "quiet": True, **options}
    return FakeSweep(name).run(trials, root=root, **options)


def record(uri, name):
    """The experiment, the parent run and the trials' runs of a sweep."""
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(name)
    found = client.search_runs([experiment.experiment_id])
    (parent,) = [each for each in found if "lossweights.trial" not in each.data.tags]
    return experiment, parent, [each for each in found if each is not parent]


def stored(server, run):
    """The files that the server itself has of a run, by name."""
    number, folder = run.info.experiment_id, run.info.run_id
    below = server.artifacts / number / folder / "artifacts"
    return {path.name: path.read_bytes() for path in below.rglob("*") if path.is_file()}


def check_recorded(server, uri, name, root):
    """All is at the server, artifacts as the weights folder has them, and nothing is here."""
    experiment, parent, trials = record(uri, name)
    assert experiment.artifact_location == f"mlflow-artifacts:/{experiment.experiment_id}"
    assert parent.info.status == "FINISHED"
    assert len(trials) == TRIALS
    files = stored(server, parent)
    assert set(files) == PICKS
    for file, content in files.items():
        assert content == (root / "weights" / name / file).read_bytes()
    assert not (root / "artifacts").exists()
    assert not (root / "mlflow.db").exists()


def test_i12_13_artifacts_arrive_in_the_store_of_the_server(server, root):
    """The server keeps them where it was told to, and none of them are on this machine's own."""
    run("arrives", root, tracking=server.uri)
    check_recorded(server, server.uri, "arrives", root)


def test_i12_13_the_same_with_user_and_password(server, root, password):
    """MLflow's variables hold for runs and artifacts, and no file of the sweep has the password."""
    run("guarded", root, tracking=server.gate.uri)
    assert server.gate.refused == 0
    check_recorded(server, server.gate.uri, "guarded", root)
    for path in sweep_folder(root, "guarded").rglob("*"):
        assert path.is_dir() or PASSWORD.encode() not in path.read_bytes(), path


def test_i12_13_without_the_password_only_the_record_is_lost(server, root, caplog):
    """The sweep ends well and says what is missing; `sync` with the password writes it."""
    run("locked-out", root, tracking=server.gate.uri)
    assert f"{TRIALS} trials are missing" in caplog.text
    assert "401" in caplog.text
    with pytest.raises(TrackingError, match="401"):
        sync_sweep(root, "locked-out")
    os.environ.update(MLFLOW_TRACKING_USERNAME=USER, MLFLOW_TRACKING_PASSWORD=PASSWORD)
    try:
        sync_sweep(root, "locked-out")
        check_recorded(server, server.gate.uri, "locked-out", root)
    finally:
        del os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]


def test_i12_13_a_model_and_its_registered_version_come_from_the_server(
    server, root, tmp_path, monkeypatch
):
    """The winner's file, of megabytes, is registered from its run and downloaded whole."""
    content = os.urandom(6 << 20)
    model = root / "weights" / "modelled" / "knee.keras"
    model.parent.mkdir(parents=True)
    model.write_bytes(content)
    client = registered(server.uri, root, "modelled", model)
    version = client.get_model_version("modelled", "1")
    assert version.source.startswith("mlflow-artifacts:/")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)  # where MLflow looks for models
    got = Path(download_artifacts(artifact_uri="models:/modelled/1", dst_path=str(tmp_path)))
    assert (got / "knee.keras").read_bytes() == content


def test_i15_the_winner_is_a_logged_model_of_the_server_and_registered_if_asked_for(
    server, root, monkeypatch
):
    """Its files are the server's own; a registry of others fills with ``--register`` alone."""
    folder = root / "studies" / "won" / "model"
    folder.mkdir(parents=True)
    WeightSet({"a": 1.0, "b": 2.0}, name="won@knee").save(folder / "weights.json")
    (folder / "MLmodel").write_text("flavors: {}\n")
    about = About(script="/home/me/won.py", made={"user": "me", "commit": "c0ffee"}, data="d" * 64)
    client = MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
    for register in (False, False, True, True):  # again does nothing twice
        tracker = Tracker(root, "won", "then", server.uri, about)
        tracker.start({})
        tracker.finish(Ending("FINISHED", "done", model=folder, register=register))
        assert tracker.error is None
        registered_now = client.search_model_versions("name = 'won'")
        assert len(registered_now) == int(register)
    (model,) = client.search_logged_models([tracker.experiment_id])
    assert model.artifact_location.startswith("mlflow-artifacts:/")
    stored = server.artifacts.rglob(f"{model.model_id}/artifacts/*")
    assert sorted(path.name for path in stored) == ["MLmodel", "weights.json"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)  # where MLflow looks for models
    got = Path(download_artifacts(artifact_uri="models:/won@champion"))
    assert WeightSet.read(got / "weights.json").weights == {"a": 1.0, "b": 2.0}
    _, parent, _ = record(server.uri, "won")
    assert parent.inputs.dataset_inputs[0].dataset.digest == "d" * 16
    assert parent.data.tags["mlflow.source.name"] == "/home/me/won.py"
    assert parent.info.user_id == "me"
    removal = find_record(root, "won", "then", server.uri)
    assert (removal.runs, removal.versions) == (1, 1)
    removal.remove()
    assert client.search_registered_models("name = 'won'") == []
    assert client.search_logged_models([tracker.experiment_id]) == []


def registered(uri, root, name, model):
    """A sweep's record with one artifact, of which a version of a registered model was made."""
    tracker = Tracker(root, name, "then", uri)
    tracker.start({})
    tracker.finish(Ending("FINISHED", "done", [model]))
    assert tracker.error is None
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    _, parent, _ = record(uri, name)
    client.create_registered_model(name)
    client.create_model_version(name, parent.info.artifact_uri, run_id=parent.info.run_id)
    return client


def test_i12_13_a_server_that_takes_no_files_has_no_run_that_goes_on_for_ever(
    server, root, monkeypatch, caplog
):
    """The parent run is ended all the same, and what is missing is said."""

    def refuse(self, path, artifact_path=None):
        raise PermissionError("no room for files")

    monkeypatch.setattr(MlflowArtifactsRepository, "log_artifact", refuse)
    run("no-files", root, tracking=server.uri)
    assert record(server.uri, "no-files")[1].info.status == "FINISHED"
    assert "no room for files" in caplog.text


def test_i12_14_the_users_own_address_is_used_and_said(server, root, monkeypatch, capfd):
    """`MLFLOW_TRACKING_URI` counts where no address is given; a resumed sweep stays there."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    run("from-environment", root, quiet=False)
    first = capfd.readouterr().err.splitlines()[0]
    assert first == f"Recording in MLflow at {server.uri}, as MLFLOW_TRACKING_URI says."
    check_recorded(server, server.uri, "from-environment", root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    run("from-environment", root, trials=TRIALS + 2, resume=True, quiet=False)
    first = capfd.readouterr().err.splitlines()[0]
    assert first == f"Recording in MLflow at {server.uri}."
    assert len(record(server.uri, "from-environment")[2]) == TRIALS + 2
    assert not (root / "mlflow.db").exists()


def test_i12_14_an_address_with_a_password_is_kept_without_and_found_again(
    server, root, monkeypatch
):
    """The manifest names the place alone; the environment's address has what opens it."""
    open_uri = server.gate.uri.replace("//", f"//{USER}:{PASSWORD.replace(' ', '%20')}@")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", open_uri)
    run("in-the-address", root)
    assert read_manifest(root, "in-the-address")["tracking"] == server.gate.uri
    run("in-the-address", root, trials=TRIALS + 1, resume=True)
    assert len(record(open_uri, "in-the-address")[2]) == TRIALS + 1
    assert "Found: 0" not in remove_sweep("in-the-address", root)
    assert MlflowClient(tracking_uri=open_uri).get_experiment_by_name("in-the-address") is None


QUIET = """
import logging, os, sys
from lossweights.testing import FakeSweep
before = dict(os.environ)
FakeSweep(sys.argv[1]).run(3, root=sys.argv[2], tracking=sys.argv[3], workers=0, quiet=True)
import mlflow
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
assert logging.getLogger("mlflow").level == logging.INFO, logging.getLogger("mlflow").level
mlflow.set_tracking_uri(sys.argv[3])
mlflow.set_experiment("user's own " + sys.argv[1])
with mlflow.start_run():
    pass
"""


def test_i12_15_quiet_is_quiet_over_http_and_all_is_put_back(server, root, monkeypatch):
    """Not a line from the sweep; afterwards MLflow prints for the user's run as it always does."""
    for key in ("MLFLOW_LOGGING_LEVEL", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"):
        monkeypatch.delenv(key, raising=False)
    arguments = [sys.executable, "-W", "ignore", "-c", QUIET, "hushed", str(root), server.uri]
    told = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    views = [line for line in told.stdout.splitlines() if "View run" in line]
    assert len(views) == 1, told.stdout  # of the user's own run, after the sweep
    lines = told.stderr.splitlines()
    assert len(lines) == 1, told.stderr
    assert "does not exist. Creating a new experiment" in lines[0]


def test_i12_15_what_the_user_has_set_stays_set(server, root, monkeypatch, capfd):
    """Who wants MLflow's lines gets them, and his level of logging is never touched."""
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "false")
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    logger = logging.getLogger("mlflow")
    before, seen = logger.level, []
    trial_ended = Tracker.trial_ended

    def spy(self, finished):
        seen.append((logger.level, os.environ["MLFLOW_LOGGING_LEVEL"]))
        trial_ended(self, finished)

    monkeypatch.setattr(Tracker, "trial_ended", spy)
    run("outspoken", root, tracking=server.uri)
    assert set(seen) == {(before, "ERROR")}
    assert capfd.readouterr().out.count("View run") == TRIALS + 1
    assert os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] == "false"


def test_i12_15_several_trackers_at_once_put_all_back(server, root, monkeypatch):
    """What one tracker needs is there until the last is closed."""
    monkeypatch.delenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", raising=False)
    one, two = (Tracker(root, name, "then", server.uri) for name in ("one", "two"))
    one.start({})
    two.start({})
    one.finish(Ending("FINISHED", ""))
    assert os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] == "true"
    two.finish(Ending("FINISHED", ""))
    assert "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT" not in os.environ


def test_i12_remove_takes_what_a_server_has_of_a_sweep_and_nothing_else(server, root):
    """Runs and versions of models go, others' stay, and the name is free."""
    run("goes", root, tracking=server.uri)
    client = MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
    experiment, parent, _ = record(server.uri, "goes")
    foreign = client.create_run(experiment.experiment_id, run_name="of a colleague").info.run_id
    client.create_registered_model("shared-model")
    for run_id in (parent.info.run_id, foreign):
        client.create_model_version("shared-model", f"runs:/{run_id}/knee.json", run_id=run_id)
    removal = find_removal("goes", root)
    assert removal.extent == "3 trials, 4 weight sets, 4 MLflow runs, 1 model version"
    removal.carry_out()
    assert [each.info.run_id for each in client.search_runs([experiment.experiment_id])] == [
        foreign
    ]
    assert [v.run_id for v in client.search_model_versions("name = 'shared-model'")] == [foreign]
    assert not sweep_folder(root, "goes").exists()
    run("goes", root, tracking=server.uri)
    client.delete_run(foreign)
    assert len(record(server.uri, "goes")[2]) == TRIALS
    remove_sweep("goes", root)
    assert client.get_run(foreign).info.lifecycle_stage == "deleted"


def test_i12_remove_frees_the_name_at_a_server_where_deleting_would_keep_it(server, root):
    """MLflow keeps the name of what is in its trash: the experiment is renamed before it goes."""
    client = MlflowClient(tracking_uri=server.uri)
    run("again", root, tracking=server.uri)
    first = record(server.uri, "again")[0].experiment_id
    remove_sweep("again", root)
    assert client.get_experiment_by_name("again") is None
    gone = client.get_experiment(first)
    assert (gone.name, gone.lifecycle_stage) == (f"again-removed-{first}", "deleted")
    run("again", root, tracking=server.uri)
    second = record(server.uri, "again")[0].experiment_id
    assert second != first
    client.delete_experiment(second)  # as somebody does in the UI, and the name stays taken
    remove_sweep("again", root)
    run("again", root, tracking=server.uri)
    assert len(record(server.uri, "again")[2]) == TRIALS


def test_i12_remove_from_a_server_that_is_down_deletes_nothing(server, root, password):
    """The error says how to go on: again later, or without the runs."""
    run("stays", root, tracking=server.gate.uri)
    server.gate.shut = True
    try:
        with pytest.raises(TrackingError, match=r"remove stays .*--no-tracking"):
            find_removal("stays", root)
        server.gate.shut = False
        removal = find_removal("stays", root)
        server.gate.shut = True
        with pytest.raises(TrackingError, match="still here"):
            removal.carry_out()
    finally:
        server.gate.shut = False
    assert set(PICKS) <= {path.name for path in (root / "weights" / "stays").iterdir()}
    assert len(record(server.uri, "stays")[2]) == TRIALS
    remove_sweep("stays", root)
    assert MlflowClient(tracking_uri=server.uri).get_experiment_by_name("stays") is None


def test_i12_remove_goes_on_where_it_was_cut_off(server, root, monkeypatch):
    """Between renaming and deleting the server went away: the second try finds what is left."""
    run("cut", root, tracking=server.uri)
    number = record(server.uri, "cut")[0].experiment_id
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "delete_experiment", lambda *_: 1 / 0)
        with pytest.raises(TrackingError, match="ZeroDivisionError"):
            remove_sweep("cut", root)
    client = MlflowClient(tracking_uri=server.uri)
    assert client.get_experiment(number).name == f"cut-removed-{number}"
    assert find_removal("cut", root).extent == "3 trials, 4 weight sets, 4 MLflow runs"
    remove_sweep("cut", root)
    assert client.get_experiment(number).lifecycle_stage == "deleted"


def test_i12_14_a_file_store_that_is_asked_for_is_refused(root):
    """MLflow 3 writes none: better said before training than afterwards."""
    with pytest.raises(RecipeError, match="file store"):
        run("folder", root, tracking=(root / "elsewhere").as_uri())
