"""From a finished sweep to a training elsewhere: every step of it, with a real sweep of seconds."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import lossweights as lw
from lossweights.base.errors import (
    RecipeError,
    StoreError,
    SweepNotFound,
    TrackingError,
    WeightSetError,
)
from lossweights.cli import app
from lossweights.loss.provenance import Provenance
from lossweights.results.folder import read_manifest, sweep_folder, tracking_uri
from lossweights.results.promotion import promote
from lossweights.results.result import SweepResult
from lossweights.sweep._describe import describe_problem
from lossweights.sweep.export_model import export_model
from lossweights.sweep.reproduce import Likeness, reproduce
from lossweights.testing import FakeSweep
from lossweights.tracking import record_promotion, register_model, sync_sweep

from .tiny import arguments, build_model, load_data

QUIET = {"quiet": True, "workers": 0}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep that was confirmed and recorded, and its root."""
    root = tmp_path_factory.mktemp("reuse") / "mlruns"
    sweep = lw.Sweep(**arguments(optimizer=keras.optimizers.SGD(0.05, momentum=0.5)))
    result = sweep.run(4, root=root, trainer="serial", confirm=2, **QUIET)
    sync_sweep(root, sweep.name)  # on a busy machine not all may be recorded when it ends
    return sweep, result, root


@pytest.fixture
def promoted(swept):
    """Its promoted set, which a test may not change."""
    return lw.load("tiny", swept[2])


def test_the_promoted_set_has_model_and_test_metrics(promoted):
    """All that the sweep knows of it, read from one file."""
    said = promoted.provenance
    assert {*said.measured} == {"val", "test"}
    assert said.measured["test"]["rmse"]["seeds"] == 2
    assert said.recipe["optimizer"]["momentum"] == 0.5
    assert said.versions["keras"] == keras.__version__
    assert said.model["file"].endswith(".keras")


def test_a_model_compiled_by_the_set_trains_as_its_trial_did(promoted):
    """Optimizer, learning rate and loss are those of the sweep: the same steps give the winner."""
    keras.utils.set_random_seed(promoted.origin["seed"])
    model = build_model()
    promoted.compile(model)
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == np.float32(0.05)
    assert model.optimizer.momentum == 0.5
    x, y = load_data().train.x, load_data().train.y
    history = model.fit(x, y, epochs=2, batch_size=16, verbose=0).history
    assert history["loss"][1] < history["loss"][0]


@pytest.mark.parametrize(
    ("given", "rate", "kind"),
    [("sgd", 0.05, "SGD"), ("adam", 0.001, "Adam"), (None, 0.05, "SGD")],
)
def test_what_was_chosen_counts_for_any_optimizer(promoted, given, rate, kind):
    """A name is set as the sweep's if that is of its class; what the sweep chose counts anyhow."""
    model = build_model()
    promoted.compile(model, given)
    assert type(model.optimizer).__name__ == kind
    assert float(model.optimizer.learning_rate.numpy()) == np.float32(rate)
    chosen = lw.WeightSet(
        promoted.weights,
        terms=promoted.terms,
        chosen={"hyper/learning_rate": 0.25, "term/under/factor": 3.0},
        provenance=promoted.provenance,
    )
    for optimizer in (given, keras.optimizers.get(given or "rmsprop")):
        chosen.compile(model, optimizer)
        assert float(model.optimizer.learning_rate.numpy()) == np.float32(0.25)


def test_without_an_optimizer_one_has_to_be_given():
    """A set made by hand has none; the error says what to write."""
    terms = {"mse": {"class": "MeanSquaredError"}}
    with pytest.raises(WeightSetError, match=r"compile\(model, optimizer=\.\.\.\)"):
        lw.WeightSet({"mse": 1.0}, terms=terms).compile(build_model())


def test_a_schedule_of_keras_is_made_again():
    """A learning rate that changes from step to step is part of the recipe; one's own is not."""
    decay = keras.optimizers.schedules.CosineDecay(0.05, 6)
    made, terms = build_model(), {"mse": {"class": "MeanSquaredError"}}
    for optimizer in (keras.optimizers.Adam(decay), keras.optimizers.Adam(lambda: 0.1)):
        problem = lw.Sweep(**arguments(optimizer=optimizer)).problem
        recipe = {"optimizer": describe_problem(problem, load_data())["recipe"]["optimizer"]}
        weights = lw.WeightSet({"mse": 1.0}, terms=terms, provenance=Provenance(recipe=recipe))
        if optimizer._learning_rate is decay:
            weights.compile(made)
            assert made.optimizer._learning_rate.get_config() == decay.get_config()
    with pytest.raises(WeightSetError, match="code of your own"):
        weights.compile(made)


def test_the_trained_winner_is_gone_on_from(swept, promoted, tmp_path):
    """The model has the metrics of the set; it is refused if it is another file by now."""
    model, val = promoted.model(), load_data().val
    found = float(np.sqrt(np.mean((model.predict(val.x, verbose=0) - val.y) ** 2)))
    assert found == pytest.approx(promoted.metrics["rmse"], rel=1e-5)
    promoted.compile(model)
    model.fit(val.x, val.y, epochs=1, verbose=0)
    path = shutil.copy(swept[2] / "weights" / "tiny.json", tmp_path)
    with pytest.raises(WeightSetError, match="Bring it there"):
        lw.load(path).model()
    (tmp_path / promoted.provenance.model["file"]).write_bytes(b"another")
    with pytest.raises(WeightSetError, match="another file"):
        lw.load(path).model()
    with pytest.raises(WeightSetError, match="keeps the model of what it promotes"):
        lw.WeightSet({"mse": 1.0}).model()


PLAIN = """
import json, sys
sys.modules["lossweights"] = None
import keras, numpy as np
print(json.dumps(keras.models.load_model(sys.argv[1]).predict(np.ones((2, 3)), verbose=0).tolist()))
"""


def test_the_exported_model_runs_in_plain_keras(swept, promoted, tmp_path):
    """In a fresh process in which this package cannot be imported."""
    path = export_model(swept[1], None, tmp_path / "out.keras")
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, path], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    expected = promoted.model().predict(np.ones((2, 3)), verbose=0)
    np.testing.assert_array_equal(json.loads(done.stdout.splitlines()[-1]), expected)


def test_the_model_as_a_saved_model(swept, promoted, tmp_path):
    """TensorFlow alone serves it."""
    import tensorflow as tf

    path = export_model(swept[1], None, tmp_path / "served", "savedmodel")
    loaded = tf.saved_model.load(str(path))
    served = loaded.serve(tf.ones((2, 3)))
    expected = promoted.model().predict(np.ones((2, 3)), verbose=0)
    np.testing.assert_allclose(served, expected, rtol=1e-6)


def test_the_model_as_onnx(swept, promoted, tmp_path):
    """By the command, for any number of rows; the standard's own evaluator reads it."""
    onnx = pytest.importorskip("onnx", reason="pip install 'lossweights[onnx]'")
    pytest.importorskip("tf2onnx", reason="pip install 'lossweights[onnx]'")
    from onnx.reference import ReferenceEvaluator

    to = tmp_path / "out.onnx"
    call("export", "tiny", "--model", to, "--format", "onnx", "--root", swept[2])
    onnx.checker.check_model(onnx.load(to))
    x = np.arange(6, dtype="float32").reshape(2, 3)
    evaluator = ReferenceEvaluator(onnx.load(to))
    (found,) = evaluator.run(None, {evaluator.input_names[0]: x})
    np.testing.assert_allclose(found, promoted.model().predict(x, verbose=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'tf2onnx'"), r"pip install 'lossweights\[onnx\]'"),
        (ValueError("no such operation"), "no such operation.*--format keras"),
        (OSError("no space left"), "no space left.*Check the disk"),
    ],
    ids=["no library", "no counterpart", "no space"],
)
def test_what_cannot_be_exported_says_why_and_leaves_nothing(
    swept, tmp_path, monkeypatch, error, said
):
    """Whatever Keras raises, it is a sentence, and no half file stays."""

    def export(_model, to, **_):
        Path(to).write_bytes(b"half")
        raise error

    monkeypatch.setattr(keras.Model, "export", export)
    with pytest.raises((RecipeError, StoreError), match=said):
        export_model(swept[1], None, tmp_path / "out.onnx", "onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_runs_of_mlflow_are_references(swept, promoted):
    """The run of the sweep is its promoted set, that of a trial its own weights."""
    from mlflow import MlflowClient

    root = swept[2]
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    parent = runs["tiny"].info.run_id
    assert lw.load(f"runs:/{parent}", root) == promoted
    assert lw.load(f"runs:/{parent}/min-rmse.json", root) == swept[1].best("min:rmse")
    trial = next(run for run in runs.values() if run.data.tags.get("lossweights.trial") == "2")
    found = lw.load(f"runs:/{trial.info.run_id}", root)
    assert found.weights == swept[1].finished[2].result.weights
    assert found.loss().weights == found.weights
    with pytest.raises(SweepNotFound, match=r"knee\.json"):
        lw.load(f"runs:/{parent}/other.json", root)
    with pytest.raises(TrackingError):
        lw.load("runs:/0123", root)
    with pytest.raises(SweepNotFound, match=r"mlflow\.db"):
        lw.load(f"runs:/{parent}", root / "elsewhere")

    # The winner is registered by itself; the alias moves with the promotion.
    assert lw.load("models:/tiny@champion", root) == promoted
    other = swept[1].best("min:rmse")
    said = register_model("tiny", other, promoted.model(), root, None)
    assert said == f"models:/tiny/2 is {other.name}."
    assert lw.load("models:/tiny@champion", root) == other
    assert "version 1" in record_promotion("tiny", promoted, root, None)
    assert lw.load("models:/tiny@champion", root) == promoted
    assert "version 2" in record_promotion("tiny", other, root, None)
    assert "stays" in record_promotion("tiny", lw.WeightSet({"mse": 1.0}), root, None)


def test_a_pick_is_reproduced_bit_for_bit(swept):
    """On the same machine with the same versions, by the trainer that trained it."""
    sweep, result, root = swept
    found = reproduce(sweep, result, result.first_pick, read_manifest(root, "tiny"))
    assert found.likeness is Likeness.EQUAL
    assert found.first is None
    assert found.changed == ()
    assert found.sentence.endswith("is reproduced bit for bit.")


def test_what_is_not_reproduced_says_where_it_parts(swept, monkeypatch):
    """Other data are told, and the first number that they change."""
    sweep, result, root = swept
    monkeypatch.setenv("TINY_SHIFT", "3")
    found = reproduce(sweep, result, "min:rmse", read_manifest(root, "tiny"))
    assert found.likeness is Likeness.OTHER
    assert found.first.epoch == 0
    assert found.changed == ("data",)
    assert "The first difference is after epoch 0, mse on training data: " in found.sentence
    json.dumps(found.to_json(), allow_nan=False)


def nudged(member, epoch):
    """A little less than it was, from the second epoch on."""
    from lossweights.testing import FakeTrainer

    report = FakeTrainer()._report(member, epoch)
    change = 1e-3 if epoch > 1 else 0.0
    metrics = {name: value + change for name, value in report.metrics.items()}
    return replace(report, metrics=metrics)


def test_within_seed_noise_needs_a_confirmation(root):
    """Without one nobody knows the noise; with one a small difference is one of seeds."""
    sweep, manifest = FakeSweep("fake"), {"recipe": {}}
    result = sweep.run(6, root=root, tracking=False, **QUIET)
    other = FakeSweep("fake", during=nudged)
    found = reproduce(other, result, "knee", read_manifest(root, "fake"))
    assert found.likeness is Likeness.OTHER
    assert found.first.epoch == 2
    assert found.changed == ("code",)
    noisy = reproduce(other, _Noisy(result), "knee", manifest)
    assert noisy.likeness is Likeness.NOISE
    assert "(noise 0.1)" in noisy.sentence


class _Noisy:
    """A result whose confirmation measured noise."""

    def __init__(self, result):
        self._result, self.objectives, self.proof = result, result.objectives, self

    def kept(self, pick):
        """As the result has it."""
        return self._result.kept(pick)

    def standard_error(self, metric):
        """A tenth in every metric."""
        return 0.1


def test_weights_for_other_units():
    """In units of which a thousand make the old one, squared errors weigh a millionth."""
    y = load_data().train.y
    terms = {"mse": lw.terms.as_term("mse", "mse"), "under": lw.terms.Underestimation()}
    scales = lw.reference_scales(terms, y)
    weights = lw.WeightSet(
        {"mse": 1 / scales["mse"], "under": 2 / scales["under"]},
        scales=scales,
        terms={name: lw.terms.describe(term) for name, term in terms.items()},
    )
    assert weights.rescale(y).weights == pytest.approx(dict(weights.weights))
    other = weights.rescale(y * 1000)
    assert other.weights["mse"] == pytest.approx(weights.weights["mse"] / 1e6, rel=1e-5)
    assert other.relative == pytest.approx(weights.relative)
    assert "mse" in other.origin["rescaled"]
    mean = sum(scales.values()) / 2
    kept = replace(weights, scales={name: each / mean for name, each in scales.items()})
    assert sum(kept.rescale(y * 1000).scales.values()) == pytest.approx(2)
    with pytest.raises(WeightSetError, match="without scales"):
        lw.WeightSet({"mse": 1.0}, terms={"mse": {"class": "Dice"}}).rescale(y)


def test_weights_of_outputs_for_plain_keras():
    """One term an output is what Keras calls ``loss_weights``; anything else is refused."""
    on = {"mse": {"class": "MeanSquaredError", "output": "depth"},
          "bce": {"class": "keras:BinaryCrossentropy", "output": "mask"}}  # fmt: skip
    weights = lw.WeightSet({"mse": 2.0, "bce": 0.5}, terms=on)
    assert weights.loss_weights() == {"depth": 2.0, "mask": 0.5}
    inputs = keras.Input((3,))
    outputs = {n: keras.layers.Dense(1, "sigmoid", name=n)(inputs) for n in ("depth", "mask")}
    model = keras.Model(inputs, outputs)
    weights.compile(model, "sgd")
    x, y = np.ones((4, 3)), {"depth": np.zeros((4, 1)), "mask": np.ones((4, 1))}
    ours = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    losses = {"depth": "mse", "mask": "binary_crossentropy"}
    model.compile("sgd", loss=losses, loss_weights=weights.loss_weights())
    assert ours == pytest.approx(model.evaluate(x, y, verbose=0, return_dict=True)["loss"])
    one = lw.WeightSet({"mse": 1.0}, terms={"mse": {"class": "MeanSquaredError"}})
    with pytest.raises(WeightSetError, match="by_output"):
        one.loss_weights()


def call(*words, code=0):
    """What a command prints to standard output."""
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == code, done.output
    return done.stdout


def test_what_has_no_model_is_not_registered_nor_promoted(swept, tmp_path):
    """The reason comes before anything is done."""
    root = tmp_path / "mlruns"
    shutil.copytree(swept[2], root)
    own = swept[1].best_number(swept[1].first_pick)
    other = next(p for p in ("min:rmse", "min:shortfall") if swept[1].best_number(p) != own)
    words = ("promote", "tiny", "--pick", other, "--why", "x", "--register", "--root", root)
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 2
    assert "keeps the model of what it promotes itself" in " ".join(done.stderr.split())
    assert lw.load("tiny", root) == lw.load("tiny", swept[2])


def test_the_verbs_say_the_same(swept, tmp_path):
    """Promote, diff, export and printed code."""
    root = tmp_path / "mlruns"
    shutil.copytree(swept[2], root)
    at = ("--root", root)
    assert "tiny@min:rmse" in call("promote", "tiny", "--pick", "min:rmse", "--why", "May", *at)
    assert lw.load("tiny", root).origin["pick"] == "min:rmse"
    changed = json.loads(call("diff", "tiny", "tiny@min:shortfall", "--json", *at))
    assert "weights.under" in {each["what"] for each in changed}
    assert call("diff", "tiny", "tiny", *at) == "They say the same.\n"
    assert "def loss(y_true, y_pred):" in call("best", "tiny", "--code", *at)
    call("export", "tiny", "--to", tmp_path / "t.csv", *at)
    assert len((tmp_path / "t.csv").read_text().splitlines()) >= 5
    call("promote", "tiny", "--pick", "min:rmse", *at, code=2)
    assert Path(sweep_folder(root, "tiny")).exists()
    assert promote(SweepResult.read("tiny", root), None, "").origin["pick"] != "min:rmse"
