"""What a sweep leaves, where nothing but TensorFlow is installed: the model and printed code.

`make wheel` runs these before it installs the wheel. Values are computed outside, by the terms and
the model themselves.
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("programs")

# In the fresh environment: every printed loss, on its own arrays.
LOSSES = """
import importlib.util, json
from pathlib import Path
import keras, numpy as np
assert importlib.util.find_spec("lossweights") is None, "it is to be run before the wheel is there"
found = {}
for path in sorted(Path("codes").glob("*.py")):
    names = {}
    exec(compile(path.read_text(), path.name, "exec"), names)
    arrays = np.load(path.with_suffix(".npz"))
    values = names["loss"](arrays["y"], arrays["p"])
    found[path.stem] = keras.ops.convert_to_numpy(values).tolist()
print(json.dumps(found))
"""

# The exported model, as Keras has it and as a SavedModel, and a training by the printed loss.
MODEL = """
import importlib.util, json
import keras, numpy as np, tensorflow as tf
from loss import loss
assert importlib.util.find_spec("lossweights") is None, "it is to be run before the wheel is there"
x, y = np.arange(18, dtype="float32").reshape(6, 3) / 18, np.arange(6, dtype="float32")[:, None]
model = keras.models.load_model("out.keras")
kept = model.predict(x, verbose=0)
archive = tf.saved_model.load("served")
served = archive.serve(tf.constant(x))
model.compile(keras.optimizers.SGD(0.05), loss=loss)
first, last = model.fit(x, y, epochs=20, shuffle=False, verbose=0).history["loss"][::19]
values = keras.ops.convert_to_numpy(loss(y, kept))
print(json.dumps([kept.tolist(), served.numpy().tolist(), values.tolist(), last < first]))
"""


@pytest.fixture
def swept(tmp_path, monkeypatch):
    """What a real sweep's verbs write into the folder of the fresh process."""
    from typer.testing import CliRunner

    import lossweights as lw
    from lossweights.cli import app

    from ..sweeps.tiny import arguments

    monkeypatch.chdir(tmp_path)
    sweep = lw.Sweep(**arguments())
    sweep.run(2, trainer="serial", confirm=0, tracking=False, quiet=True, workers=0)

    def call(*words):
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0, done.output
        return done.stdout

    call("export", "tiny", "--model", "out.keras")
    call("export", "tiny", "--model", "served", "--format", "savedmodel")
    (tmp_path / "loss.py").write_text(call("best", "tiny", "--code"))
    return lw.load("tiny")


def test_the_exported_model_runs_and_trains(swept, fresh):
    """By Keras, and as TensorFlow serves it; by the loss that was swept, without the package."""
    import keras

    kept, served, values, learned = json.loads(fresh("python", "-c", MODEL).splitlines()[-1])
    x, y = np.arange(18, dtype="float32").reshape(6, 3) / 18, np.arange(6.0)[:, None]
    expected = swept.model().predict(x, verbose=0)
    np.testing.assert_allclose(kept, expected, rtol=1e-6)
    np.testing.assert_allclose(served, expected, rtol=1e-6)
    loss = keras.ops.convert_to_numpy(swept.loss().per_sample(y, expected))
    np.testing.assert_allclose(values, loss, rtol=2e-6)
    assert learned


@pytest.fixture
def cases():
    """The weight set and the arrays of each built-in term and of each loss of Keras, by name."""
    from ..unit.loss import test_plain_code as plain

    terms = {
        name: (plain.set_of(term=rung.make()), *rung.data())
        for name, rung in plain.ROWS.items()
        if name != "known"
    }
    losses = {f"keras_{name}": plain.of_keras(name) for name in plain.KERAS_LOSSES}
    return {name: SimpleNamespace(weights=w, y=y, p=p) for name, (w, y, p) in
            {**terms, **losses}.items()}  # fmt: skip


def test_the_printed_code_of_every_term_runs(cases, fresh, tmp_path):
    """And gives the values of the term, to float32 rounding."""
    import keras

    from lossweights.loss.plain_code import FUNCTIONS, plain_code

    (tmp_path / "codes").mkdir()
    for name, case in cases.items():
        (tmp_path / "codes" / f"{name}.py").write_text(plain_code(case.weights))
        np.savez(tmp_path / "codes" / f"{name}.npz", y=case.y, p=case.p)
    found = json.loads(fresh("python", "-c", LOSSES).splitlines()[-1])
    assert set(found) == set(cases)
    used = {case.weights.terms["term"]["class"] for case in cases.values()}
    assert used >= set(FUNCTIONS)
    for name, case in cases.items():
        expected = keras.ops.convert_to_numpy(case.weights.loss().per_sample(case.y, case.p))
        np.testing.assert_allclose(found[name], expected, rtol=2e-6, atol=1e-7, err_msg=name)
