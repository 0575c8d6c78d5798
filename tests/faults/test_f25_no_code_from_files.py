"""F25: nothing that this package reads can run code."""

import ast
from pathlib import Path

import pytest

import lossweights

pytestmark = pytest.mark.faults

MODULES = ("pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal", "yaml",
           "mlflow.tensorflow", "mlflow.keras", "mlflow.pyfunc")  # fmt: skip
CALLS = ("load_model", "load_weights", "eval", "exec")
SOURCES = sorted(Path(lossweights.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_f25_the_package_loads_no_models_and_no_pickles(path):
    """No format that executes: weight sets and messages are JSON, checkpoints are not read."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & set(MODULES), path
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in MODULES, path
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            assert name not in CALLS, (path, node.lineno)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_f25_pipes_carry_bytes_only(path):
    """`Connection.send` and `recv` pickle; `send_bytes` and `recv_bytes` do not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr != "recv", (path, node.lineno)
            if node.func.attr == "send":  # a child's own method of that name sends JSON
                assert ast.unparse(node.func.value) == "child", (path, node.lineno)
