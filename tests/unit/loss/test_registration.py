"""A saved model loads after ``import lossweights``, which itself does not load Keras."""

import builtins
import importlib.util
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import SourceFileLoader

import keras
import numpy as np
import pytest

from lossweights import CombinedLoss
from lossweights.base import imports
from lossweights.loss import registration
from lossweights.metrics import RMSE
from lossweights.terms import AddedLoss, Boundary, Underestimation, added

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
    """A model with our loss and layer loads with plain Keras, whatever imported Keras first."""
    if "tensorflow" in imports and importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    loss = CombinedLoss({"mse": "mse", "under": Underestimation(), "shape": Boundary(axes=1),
                         "size": added("size")})  # fmt: skip
    x = keras.layers.Input((3,))
    named = AddedLoss("size")(x, keras.ops.square(x))
    model = keras.Model(x, keras.layers.Dense(5)(named))
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


def run(code, *arguments):
    """What some code prints in a new Python, where it must not fail."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_metrics_load_after_import(tmp_path):
    """A model that was compiled with a metric of ours loads as well."""
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(5)])
    model.compile("sgd", loss=Underestimation(), metrics=[RMSE()])
    model.evaluate(X, Y, verbose=0)  # Keras builds the metrics, which it saves, on the first data
    model.save(tmp_path / "model.keras")
    loss, rmse = model.evaluate(X, Y, verbose=0)
    code = """
        import sys, lossweights, keras, numpy as np
        model = keras.models.load_model(sys.argv[1])
        x, y = np.ones((4, 3), "float32"), np.arange(20, dtype="float32").reshape(4, 5)
        print(*model.evaluate(x, y, verbose=0))
    """
    found = map(float, run(code, tmp_path / "model.keras").split())
    assert list(found) == pytest.approx([loss, rmse], rel=1e-5)


def test_import_of_keras_loads_nothing_of_ours():
    """Keras costs what it costs without us; its loader is its own; what is saved still loads.

    The stand-ins are replaced by the classes when one is used, or when the classes are imported.
    """
    code = """
        import sys
        import lossweights
        before = {name for name in sys.modules if name.startswith("lossweights")}
        import keras
        assert {name for name in sys.modules if name.startswith("lossweights")} == before
        assert "exec_module" not in vars(keras.__spec__.loader)
        known = keras.saving.get_custom_objects()
        ours = {name for name in known if name.startswith("lossweights")}
        stand_in = known["lossweights>Dice"]
        dice = stand_in(name="overlap")
        assert type(stand_in.from_config(dice.get_config())) is type(dice) is lossweights.terms.Dice
        assert keras.saving.get_registered_object("lossweights>Dice") is lossweights.terms.Dice
        assert {name for name in known if name.startswith("lossweights")} == ours
        assert all(known[name].__module__ != stand_in.__module__ for name in ours)
    """
    run(code)


def test_every_registered_class_has_its_stand_in():
    """The list of names is that of the classes that Keras knows of us."""
    for module in registration.MODULES:
        importlib.import_module(module)
    names = keras.saving.get_custom_objects()
    known = [name for name in names if name.partition(">")[0] in registration.NAMES]
    listed = [
        f"{package}>{name}" for package, names in registration.NAMES.items() for name in names
    ]
    assert sorted(known) == sorted(listed)


@pytest.mark.parametrize(
    "first", ["lossweights.loss.scales", "lossweights.loss.output_loss", "lossweights.metrics"]
)
def test_any_of_our_modules_may_be_what_imports_keras(first):
    """It is not interrupted by an import of those that need it."""
    code = f"""
        import {first}
        import keras
        assert "lossweights>CombinedLoss" in keras.saving.get_custom_objects()
    """
    run(code)


@pytest.fixture
def fake_keras(tmp_path, monkeypatch):
    """A Keras of a few lines in its own folder, not yet imported; what it is made of may change."""
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("VALUE = 1\n", encoding="utf-8")
    (tmp_path / "keras" / "saving.py").write_text(
        "KNOWN = {}\ndef get_custom_objects():\n    return KNOWN\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(
        sys, "meta_path", [f for f in sys.meta_path if not isinstance(f, imports._Around)]
    )
    real = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "keras"}
    for name in real:
        del sys.modules[name]
    yield tmp_path / "keras" / "__init__.py"
    for name in [n for n in sys.modules if n.partition(".")[0] == "keras"]:
        del sys.modules[name]
    sys.modules.update(real)


def waiting():
    """How many finders wait for Keras."""
    return sum(isinstance(finder, imports._Around) for finder in sys.meta_path)


def registered():
    """What the Keras that is imported knows of us."""
    return set(importlib.import_module("keras.saving").get_custom_objects())


def test_waits_once_and_finds_what_others_find(fake_keras):
    """One finder waits, however often it is asked to; what is found answers all that others ask."""
    plain = importlib.util.find_spec("keras")
    registration.register_with_keras()
    registration.register_with_keras()
    assert waiting() == 1
    spec = importlib.util.find_spec("keras")
    assert importlib.util.find_spec("no_such_module") is None
    assert (spec.origin, spec.submodule_search_locations) == (
        plain.origin,
        plain.submodule_search_locations,
    )
    assert type(spec.loader) is type(plain.loader) is SourceFileLoader
    assert spec.loader.get_source("keras") == "VALUE = 1\n"
    assert spec.loader.get_filename("keras") == str(fake_keras)
    assert spec.loader.is_package("keras")
    assert spec.loader.get_data(str(fake_keras)) == b"VALUE = 1\n"
    assert spec.loader.get_resource_reader("keras").is_resource("saving.py")


def test_loader_is_as_it_was_made_after_the_import(fake_keras):
    """Nothing of ours is left at Keras; `importlib.util.find_spec` gives its spec as ever."""
    plain = importlib.util.find_spec("keras")
    registration.register_with_keras()
    module = importlib.import_module("keras")
    assert module.__loader__ == module.__spec__.loader == plain.loader
    assert importlib.util.find_spec("keras") is module.__spec__
    assert "lossweights>CombinedLoss" in registered()


def test_import_that_fails_is_tried_again(fake_keras):
    """The error is Keras' own, and its next import registers."""
    registration.register_with_keras()
    fake_keras.write_text("raise ImportError('no backend')\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ImportError, match="no backend"):
            importlib.import_module("keras")
        assert "keras" not in sys.modules
    fake_keras.write_text("VALUE = 22\n", encoding="utf-8")
    importlib.invalidate_caches()
    assert importlib.import_module("keras").VALUE == 22
    assert "lossweights>CombinedLoss" in registered()


def test_reload_keeps_what_is_registered(fake_keras):
    """Keras may be reloaded; classes that have registered stay, and nothing is wrapped twice."""
    registration.register_with_keras()
    module = importlib.import_module("keras")
    known = importlib.import_module("keras.saving").get_custom_objects()
    known["lossweights>CombinedLoss"] = CombinedLoss
    fake_keras.write_text("VALUE = 333\n", encoding="utf-8")
    assert importlib.reload(module).VALUE == 333
    assert known["lossweights>CombinedLoss"] is CombinedLoss
    assert "exec_module" not in vars(module.__spec__.loader)


def test_threads_import_keras_at_once(fake_keras):
    """Whoever gets the module gets it registered, and it is executed once."""
    fake_keras.write_text(
        "import os\n[os.sched_yield() for _ in range(10_000)]\nimport builtins\n"  # others come
        "builtins.times = getattr(builtins, 'times', 0) + 1\n",
        encoding="utf-8",
    )
    registration.register_with_keras()
    start = threading.Barrier(4)

    def use(_):
        start.wait()
        importlib.import_module("keras")
        return "lossweights>CombinedLoss" in registered()

    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(use, range(4))) == [True] * 4
        assert builtins.times == 1
    finally:
        del builtins.times


def test_registers_at_once_when_keras_is_there():
    """With Keras imported there is nothing to wait for, and what is registered stays."""
    registration.register_with_keras()
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
