"""The winner in MLflow: saved as its models are, logged once, registered where it may be."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import keras
import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from lossweights.cli import app
from lossweights.loss.weight_set import WeightSet
from lossweights.results.folder import tracking_uri
from lossweights.results.promotion import with_history
from lossweights.results.weights import promoted_path
from lossweights.testing import FakeSweep
from lossweights.tracking import Ending, Tracker, find_record, record_promotion, save_model

STARTED = "2026-01-02T03:04:05.678+00:00"
X = np.arange(24, dtype="float32").reshape(8, 3)

pytestmark = pytest.mark.usefixtures("databases_closed")


def weight_set(under=0.5):
    """The weight set of a winner."""
    origin = {"sweep": "demand", "trial": 3, "pick": "knee"}
    return WeightSet({"mse": 1.0, "under": under}, name="demand@knee", origin=origin)


@pytest.fixture(scope="module")
def model():
    """A model of one layer."""
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """That model as MLflow saves it."""
    return save_model(model, tmp_path_factory.mktemp("saved") / "model", weight_set(), X)


def end(root, folder, uri=None, *, register=False):
    """End a sweep of which this model is left."""
    tracker = Tracker(root, "demand", STARTED, uri)
    tracker.start({})
    tracker.finish(Ending("FINISHED", "done", model=folder, register=register))
    assert tracker.error is None
    return tracker


def client_of(root):
    """MLflow on the store below a root."""
    return MlflowClient(tracking_uri=tracking_uri(root), registry_uri=tracking_uri(root))


def test_mlflow_loads_it_with_signature_example_and_weight_set(model, saved):
    """By its flavour for Keras, and by the one that checks its input."""
    loaded = mlflow.keras.load_model(str(saved))
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    whole = mlflow.pyfunc.load_model(str(saved))
    np.testing.assert_allclose(whole.predict(X), model.predict(X, verbose=0))
    with pytest.raises(mlflow.MlflowException, match="shape"):
        whole.predict(X[:, :2])
    info = mlflow.models.get_model_info(str(saved))
    assert info.signature.inputs.inputs[0].shape == (-1, 3)
    assert info.signature.outputs.inputs[0].shape == (-1, 2)
    example = mlflow.models.Model.load(str(saved)).load_input_example(str(saved))
    np.testing.assert_array_equal(example, X[:3])
    assert WeightSet.read(saved / "weights.json") == weight_set()
    assert info.metadata == {"lossweights": {"mse": 1.0, "under": 0.5}}


@pytest.mark.parametrize("kind", [dict, list, tuple])
def test_models_of_several_inputs_and_outputs_have_them_by_name(tmp_path, kind):
    """A signature knows no lists: the names are those of the model's inputs."""
    a, b = (keras.Input((width,), name=name) for name, width in (("a", 3), ("b", 1)))
    outputs = {"p": keras.layers.Dense(1)(a), "q": keras.layers.Dense(2)(b)}
    model = keras.Model({"a": a, "b": b} if kind is dict else [a, b], outputs)
    arrays = {"a": X, "b": X[:, :1]}
    inputs = arrays if kind is dict else kind(arrays.values())
    folder = save_model(model, tmp_path / "model", weight_set(), inputs)
    signature = mlflow.models.get_model_info(str(folder)).signature
    assert signature.inputs.input_names() == ["a", "b"]
    assert signature.outputs.input_names() == ["p", "q"]


class Sum(keras.Model):
    """A model of two inputs that have no names."""

    def call(self, inputs):
        """Their sum."""
        return inputs[0] + inputs[1]


def test_a_model_whose_input_mlflow_cannot_describe_is_saved_without(tmp_path):
    """It is one all the same, with its weight set."""
    model = Sum()
    model([X, X])
    folder = save_model(model, tmp_path / "model", weight_set(), [X, X])
    assert mlflow.models.get_model_info(str(folder)).signature is None
    assert WeightSet.read(folder / "weights.json") == weight_set()


def test_the_winner_is_a_logged_model_and_registered_below_the_root(root_with_tables, saved):
    """Of the parent run, under the sweep's name, as champion; a second time adds nothing."""
    root = root_with_tables
    tracker = end(root, saved)
    client = client_of(root)
    (logged,) = client.search_logged_models([tracker.experiment_id])
    assert logged.status == "READY"
    assert logged.source_run_id == tracker.parent_id
    assert logged.params == {"weight/mse": "1.0", "weight/under": "0.5"}
    (output,) = client.get_run(tracker.parent_id).outputs.model_outputs
    assert output.model_id == logged.model_id
    champion = client.get_model_version_by_alias("demand", "champion")
    assert (int(champion.version), champion.run_id) == (1, tracker.parent_id)
    assert champion.description == "demand@knee"
    assert champion.source == logged.artifact_location
    assert list((root / "artifacts" / "demand").rglob("MLmodel"))
    end(root, saved)
    assert len(client.search_logged_models([tracker.experiment_id])) == 1
    assert len(client.search_model_versions("name = 'demand'")) == 1


def test_another_winner_is_another_version(root_with_tables, saved, model, tmp_path):
    """After more trials; it is the champion now."""
    root = root_with_tables
    end(root, saved)
    end(root, save_model(model, tmp_path / "model", weight_set(0.25), X))
    client = client_of(root)
    assert int(client.get_model_version_by_alias("demand", "champion").version) == 2
    assert len(client.search_model_versions("name = 'demand'")) == 2


def test_a_name_that_somebody_else_has_registered_is_left_alone(root_with_tables, saved, caplog):
    """It is said, with the way to do it all the same."""
    root = root_with_tables
    client = client_of(root)
    client.create_registered_model("demand")
    end(root, saved)
    assert client.search_model_versions("name = 'demand'") == []
    assert "somebody else has registered a model as 'demand'" in caplog.text
    assert "sync demand" in caplog.text
    assert "--register" in caplog.text
    end(root, saved, register=True)
    assert len(client.search_model_versions("name = 'demand'")) == 1


def test_sync_registers_the_winner_where_it_is_asked_to(root_with_tables, saved):
    """Under a name that is somebody else's already; once, however often it is asked."""
    root = root_with_tables
    FakeSweep("demand").run(1, root=root, workers=0, quiet=True, tracking=False)
    folder = root / "studies" / "demand"
    shutil.copytree(saved, folder / "model")
    replace(Ending.read(folder), model=folder / "model").save(folder)
    client = client_of(root)
    client.create_registered_model("demand")
    for flags, versions in (([], 0), (["--register"], 1), (["--register"], 1)):
        done = CliRunner().invoke(app, ["sync", "demand", "--root", str(root), *flags])
        assert done.exit_code == 0, done.output
        assert len(client.search_model_versions("name = 'demand'")) == versions
    assert (
        client.get_model_version_by_alias("demand", "champion").tags["lossweights.pick"] == "knee"
    )


def test_the_champion_stays_what_a_person_promoted(root_with_tables, saved, model, tmp_path):
    """A later winner is a version beside it, and the alias moves to the weights of a set alone."""
    root = root_with_tables
    end(root, saved)
    entry = {"at": "2026-01-02T03:04:05+00:00", "pick": "knee", "why": "agreed"}
    with_history(weight_set(), [entry]).save(promoted_path(root, "demand"))
    end(root, save_model(model, tmp_path / "model", weight_set(0.25), X))
    client = client_of(root)
    assert len(client.search_model_versions("name = 'demand'")) == 2
    assert int(client.get_model_version_by_alias("demand", "champion").version) == 1
    assert "version 2" in record_promotion("demand", weight_set(0.25), root, None)
    assert "version 1" in record_promotion("demand", weight_set(), root, None)
    assert "stays" in record_promotion("demand", weight_set(0.125), root, None)


def test_what_the_user_has_set_stays_and_his_registry_gets_nothing(
    root_with_tables, saved, tmp_path, model
):
    """Addresses, the active run and autologging are as before, and nothing of ours is there."""
    theirs = f"sqlite:///{tmp_path / 'theirs.db'}"
    mlflow.set_tracking_uri(tracking_uri(root_with_tables))
    mlflow.set_registry_uri(theirs)
    try:
        mlflow.set_experiment("theirs")
        with mlflow.start_run() as run:
            save_model(model, tmp_path / "model", weight_set(), X)
            end(root_with_tables, saved)
            assert mlflow.active_run().info.run_id == run.info.run_id
            assert mlflow.get_registry_uri() == theirs
            assert mlflow.get_tracking_uri() == tracking_uri(root_with_tables)
            mine = mlflow.get_run(run.info.run_id)
            assert (mine.data.metrics, mine.data.params) == ({}, {})
            assert not mine.outputs.model_outputs
    finally:
        mlflow.set_tracking_uri(None)  # another address would go into the environment and stay
        mlflow.set_registry_uri(None)
    assert not (tmp_path / "theirs.db").exists()
    assert client_of(root_with_tables).get_registered_model("demand")


def test_removing_a_sweep_takes_its_models_and_its_name(root_with_tables, saved):
    """Versions, logged models, their files, data and registered name are gone; others' stay."""
    root = root_with_tables
    tracker = end(root, saved)
    client = client_of(root)
    client.create_registered_model("theirs")
    record = find_record(root, "demand", STARTED)
    assert (record.runs, record.versions) == (1, 1)
    record.remove()
    assert [each.name for each in client.search_registered_models()] == ["theirs"]
    assert not list((root / "artifacts").rglob("*.keras"))
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        tables = ("runs", "inputs", "logged_models", "logged_model_tags", "model_versions")
        left = {t: database.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}
    assert left == dict.fromkeys(tables, 0)
    assert client.get_experiment_by_name("demand") is None
    assert tracker.experiment_id is not None
