"""A saved model loads after ``import lossweights``, which itself does not load Keras."""

import importlib.util
import subprocess
import sys

import keras
import numpy as np
import pytest

from lossweights import CombinedLoss
from lossweights.base import registration as _registration
from lossweights.terms import Boundary, Underestimation

X, Y = np.ones((4, 3), "float32"), np.arange(20, dtype="float32").reshape(4, 5)

LOAD = """
import sys
import lossweights
assert "keras" not in sys.modules, "import lossweights loaded Keras"
{imports}
import keras
import numpy as np
model = keras.models.load_model(sys.argv[1])
x, y = np.ones((4, 3), "float32"), np.arange(20, dtype="float32").reshape(4, 5)
print(type(model.loss).__name__, model.evaluate(x, y, verbose=0))
"""


@pytest.mark.parametrize(
    "imports",
    ["", "import tensorflow", "lossweights.terms"],
    ids=["keras", "tensorflow", "lossweights"],
)
def test_loads_after_import(tmp_path, imports):
    """A model with our loss loads with plain Keras, whatever imported Keras first."""
    if "tensorflow" in imports and importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    loss = CombinedLoss({"mse": "mse", "under": Underestimation(), "shape": Boundary(axes=1)})
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(5)])
    model.compile("sgd", loss=loss)
    path = tmp_path / "model.keras"
    model.save(path)
    run = subprocess.run(
        [sys.executable, "-c", LOAD.format(imports=imports), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    name, value = run.stdout.split()[-2:]
    assert name == "CombinedLoss"
    assert float(value) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)


@pytest.fixture
def without_keras(monkeypatch):
    """An interpreter that has not imported Keras, as far as modules tell."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "modules", {n: m for n, m in sys.modules.items() if n != "keras"})


def waiting():
    """How many finders wait for Keras."""
    return sum(isinstance(finder, _registration._AfterKeras) for finder in sys.meta_path)


@pytest.mark.usefixtures("without_keras")
def test_waits_once_and_looks_like_nothing():
    """One finder waits however often it is asked to, and looking for Keras does not end it."""
    before = importlib.util.find_spec("keras").origin
    _registration.register_with_keras()
    _registration.register_with_keras()
    assert waiting() == 1
    assert importlib.util.find_spec("keras").origin == before
    assert importlib.util.find_spec("no_such_module") is None
    assert waiting() == 1


def test_registers_at_once_when_keras_is_there():
    """With Keras imported there is nothing to wait for."""
    before = waiting()
    _registration.register_with_keras()
    assert waiting() == before
    assert keras.saving.get_registered_object("lossweights>CombinedLoss") is CombinedLoss


def test_no_two_classes_share_a_registered_name():
    """A term and a metric of one name, such as Dice, are both found again in a saved model."""
    import keras

    from lossweights import metrics, terms

    for module in (terms, metrics):
        for cls in (terms.Term, metrics.Metric):
            for name in module.__all__:
                member = getattr(module, name)
                if isinstance(member, type) and issubclass(member, cls) and member is not cls:
                    known = keras.saving.get_registered_name(member)
                    assert keras.saving.get_registered_object(known) in (member, None), known
