"""Private names of other packages: all in one room, all there, and bearable without."""

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossweights as lw
from lossweights.foreign import generated_files, keras_names, known
from lossweights.training.problem import Problem

PACKAGE = Path(lw.__file__).parent
INTERNAL = ("keras.src", "tensorflow.python", "optuna._", "mlflow.utils", "mlflow.store")
PUBLIC = {"_replace", "_exit", "_asdict"}  # of named tuples and of `os`, documented so
PRINTED = "_plain_terms.py"  # what it has is printed for use without this package: no room of ours


@pytest.mark.parametrize("name", known.NAMES, ids=lambda name: name.name)
def test_names_are_there(name):
    """A release that moves one is told by the name, what it is for and what happens without it."""
    assert name.is_there(), str(name)


def trees():
    """Every module of the package with its syntax."""
    return {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def own_names(modules):
    """Every name that the package itself defines or assigns."""
    found = set()
    for node in (node for tree in modules.values() for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return found


def private_uses(tree):
    """What a module reads that begins with one underscore, and whom it lets call what."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            yield str(getattr(node.args[1], "value", "")), node.lineno
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith((".call",)):
            yield "_call of a layer", node.lineno


def test_names_are_used_in_one_room_alone():
    """Whatever begins with an underscore elsewhere is our own; nothing internal is imported."""
    modules = trees()
    own, found = own_names(modules) | PUBLIC, []
    for path, tree in modules.items():
        if path.parent == Path(known.__file__).parent or path.name == PRINTED:
            continue
        for name, line in private_uses(tree):
            if name.startswith("_") and not name.startswith("__") and name not in own:
                found.append(f"{path.relative_to(PACKAGE)}:{line} {name}")
        for node in ast.walk(tree):
            module = getattr(node, "module", None) or ""
            if isinstance(node, ast.ImportFrom) and module.startswith(INTERNAL):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {module}")
    assert not found, "in lossweights/foreign, with a reason, or in a public way"


def nested():
    """A model in a model, and a layer in a layer."""
    inner = keras.Sequential([keras.Input((3, 2)), keras.layers.Dense(4, name="inner")])
    return keras.Sequential(
        [inner, keras.layers.Bidirectional(keras.layers.GRU(2)), keras.layers.Dense(1, name="end")]
    )


def test_layers_of_layers(monkeypatch):
    """All of them; without the name those of models in models."""
    model = nested()
    layers = keras_names.layers_of(model)
    names = [layer.name for layer in layers]
    assert {"inner", "end"} < set(names)
    assert len({id(layer) for layer in layers}) == len(layers)
    assert any(isinstance(layer, keras.layers.GRU) for layer in layers)
    assert model not in keras_names.layers_of(model, include_self=False)
    monkeypatch.delattr(keras.Layer, "_flatten_layers")
    some = [layer.name for layer in keras_names.layers_of(model)]
    assert {"inner", "end"} < set(some) < set(names)


def test_a_moved_name_ends_stacks_and_not_the_sweep(monkeypatch):
    """The trainer that needs it says so, with the version."""
    from lossweights.training._stackable import why_not_stackable

    problem = Problem(
        build_model=lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
        terms={"mse": lw.terms.as_term("mse", "mse")}, epochs=1, batch_size=2,
        optimizer="adam", metrics={},
    )  # fmt: skip
    assert why_not_stackable(problem, problem.build_model()) is None
    monkeypatch.setattr(keras_names, "RANDOM_STATE", "elsewhere")
    known.missing.cache_clear()
    try:
        why = why_not_stackable(problem, problem.build_model())
    finally:
        monkeypatch.undo()
        known.missing.cache_clear()
    assert f"keras {keras.__version__} has no seed_generator_state as it was" in why


def test_unknown_is_answered_with_care(monkeypatch):
    """What cannot be known any more claims nothing."""
    assert keras_names.producer_of(object()) is None
    assert not keras_names.is_called_once(object())
    assert keras_names.decays(type("Other", (), {"weight_decay": 0.1})(), None)
    assert not keras_names.decays(type("Other", (), {"weight_decay": None})(), None)
    assert keras_names.handle_of(iter([1])) is None
    monkeypatch.setitem(__import__("sys").modules, "tensorflow.python.framework", None)
    assert keras_names.has_state("MatMul")


def test_a_call_is_swapped_for_a_while():
    """And is the layer's own afterwards, also after an error."""
    layer = keras.layers.Dense(1, kernel_initializer="ones")
    x = np.ones((1, 2), "float32")
    assert float(layer(x)[0, 0]) == 2.0

    def fail():
        with keras_names.swapped_call(layer, lambda inputs: inputs - 1):
            assert float(layer(x)[0, 0]) == 0.0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert float(layer(x)[0, 0]) == 2.0


def test_loss_weights_of_losses_that_cannot_be_described(monkeypatch):
    """They are read all the same; and from the description where the name is gone."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss=lambda y, p: p - y, loss_weights=[0.25])
    assert list(keras_names.compiled_loss_weights(model)) == [0.25]
    model.compile(loss="mse", loss_weights=[0.5])
    monkeypatch.setattr(model, "_compile_loss", None)
    assert list(keras_names.compiled_loss_weights(model)) == [0.5]


def test_generated_files_are_removed_before_python_ends():
    """The module stays; TensorFlow, which removes its files at the end, finds nothing to remove."""
    before = set(generated_files.generated_files())
    doubled = tf.autograph.to_graph(lambda x: 2 * x)
    (made,) = set(generated_files.generated_files()) - before
    assert made.exists()
    generated_files.remove_generated_files()
    assert not made.exists()
    assert doubled(2) == 4


KILLED = """
import os, signal, tempfile
from pathlib import Path
from lossweights.foreign.generated_files import GENERATED, own_temporary_folder
with own_temporary_folder():
    folder = Path(tempfile.gettempdir())
    (folder / f"{GENERATED}x.py").write_text("")
    if KEEP:
        (folder / "of the user").write_text("")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("keep", [False, True])
def test_what_a_killed_process_leaves_is_removed_by_the_next(keep, tmp_path, monkeypatch):
    """But for what is not ours to remove; folders of the living are left alone."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    code = KILLED.replace("KEEP", str(keep))
    run = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    folder = Path(run.stdout.decode().strip())
    assert folder.parent == tmp_path
    assert any(folder.glob("__autograph_generated_file*"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with generated_files.own_temporary_folder():
        own = Path(tempfile.gettempdir())
        assert own.parent == tmp_path
        generated_files._clear_those_of_the_dead(tmp_path)
        assert own.exists()
        left = [path.name for path in folder.glob("*")]
        assert left == (["of the user"] if keep else [])
        assert folder.exists() == keep
    assert not own.exists()
    assert tempfile.tempdir == str(tmp_path)
