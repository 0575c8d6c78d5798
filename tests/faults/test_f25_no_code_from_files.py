"""F25: nothing that this package reads can run code."""

import ast
from pathlib import Path

import pytest

import lossweights

pytestmark = pytest.mark.faults

MODULES = ("pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal", "yaml",
           "mlflow.tensorflow", "mlflow.keras", "mlflow.pyfunc")  # fmt: skip
CALLS = ("load_model", "load_weights", "eval", "exec", "compile", "__import__", "unsafe_load")
COMPILES = {"re", "self._model", "model"}  # whose `compile` runs no text
# What single modules may do all the same, each with its reason. Not one of them reads a weight set,
# a manifest or a result file: those are JSON, and nothing in them is ever unpickled.
_OWN_MODEL = "of the file that the sweep wrote, if its checksum is the weight set's"
ALLOWED: dict[str, dict[str, str]] = {
    "sweep/carried.py": {
        "cloudpickle": "from a driver to its own workers, over their pipe",
        "pickle": "unpacks that there, with places in a folder as they are there",
    },
    "tracking/_models.py": {
        "mlflow.keras": "writes the winner as MLflow's models are, and reads none"
    },
    "loss/trained.py": {"load_model": _OWN_MODEL, "load_weights": _OWN_MODEL},
}
SOURCES = sorted(Path(lossweights.__file__).parent.rglob("*.py"))


def what_may_run_code(source):
    """What a module imports or calls that reads formats which execute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
            yield from names & set(MODULES)
            yield from {name.partition(".")[0] for name in names} & set(MODULES)
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from ({node.module, str(node.module).partition(".")[0]} | inside) & set(MODULES)
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            of = ast.unparse(called.value) if isinstance(called, ast.Attribute) else ""
            if name in CALLS and not (name == "compile" and of in COMPILES):
                yield name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_f25_the_package_loads_no_models_and_no_pickles(path):
    """No format that executes: weight sets and messages are JSON, checkpoints are not read."""
    module = path.relative_to(Path(lossweights.__file__).parent).as_posix()
    found = set(what_may_run_code(path.read_text(encoding="utf-8")))
    allowed = ALLOWED.get(module, {})
    assert found <= set(allowed), f"{module}: allow it in this test with a reason, or do without"
    assert set(allowed) <= found, f"{module} does without {set(allowed) - found}: forbid it again"
    assert all(allowed.values()), "each with a reason"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import cloudpickle", "cloudpickle"),
        ("from joblib import load", "joblib"),
        ("from mlflow import pyfunc", "mlflow.pyfunc"),
        ("model.load_weights(path)", "load_weights"),
        ("keras.models.load_model(path)", "load_model"),
        ("compile(text, 'f', 'exec')", "compile"),
    ],
)
def test_f25_what_is_forbidden_is_seen(source, name):
    """The rule of the other test finds it, however it is written."""
    assert set(what_may_run_code(source)) == {name}
    assert not set(what_may_run_code("import re; re.compile('a'); model.compile('sgd')"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_f25_pipes_carry_bytes_only(path):
    """`Connection.send` and `recv` pickle; `send_bytes` and `recv_bytes` do not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr != "recv", (path, node.lineno)
            if node.func.attr == "send":  # a worker's own method of that name sends JSON
                sender = ast.unparse(node.func.value)
                assert sender in ("child", "worker", "self"), (path, node.lineno)
