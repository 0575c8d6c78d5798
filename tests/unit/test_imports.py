"""Imports point down: the layers of the package, read from its source."""

import ast
from functools import cache
from pathlib import Path

import pytest

import lossweights

PACKAGE = Path(lossweights.__file__).parent

# Every module once, in the layer it belongs to; a package stands for all of its modules.
LAYERS = [
    # 0: standard library only
    ["errors", "_files", "commands", "_registration", "source", "palette", "signals", "budget",
     "cores"],
    # 1: plain values
    ["weights", "space", "records", "selection", "shares", "gram", "verdict", "dominance", "flips",
     "sweep_verdict", "story", "early_stopping", "rates"],
    # 2: keras
    ["terms", "scales", "output_loss", "loss", "metrics", "probe", "gradients", "instruments",
     "monitor_figure", "monitor"],
    # 3: training
    ["split", "stream", "data", "problem", "training"],
    # 4: services
    ["folder", "executors", "store", "tracking", "status", "driver", "measured"],
    # 5: the sweep
    ["search", "describe", "manifest", "progress", "result", "report", "summary", "launch",
     "script", "target", "sync", "winner", "conclusion", "choice", "abstract", "trainers", "run",
     "sweep", "testing"],
    # 6: where processes start
    ["cli", "worker"],
]  # fmt: skip

# The one door between plain values and Keras: WeightSet.loss() builds a CombinedLoss, and imports
# it when it is called.
UPWARD = {("weights", "loss"), ("weights", "terms")}

PLAIN = ("keras", "tensorflow", "optuna", "mlflow", "plotly", "rich", "typer")
# Who may import what, wherever in a module the import stands.
ONLY = {
    "mlflow": ["tracking"],
    "optuna": ["store"],
    "typer": ["launch", "cli"],
}


@cache
def modules():
    """The name of each module within the package, and its source as a tree."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        name = name.removesuffix("__init__").removesuffix(".")
        if name:
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def home(module):
    """The entry of the table that a module belongs to."""
    return module.split(".")[0]


def layer(module):
    """The number of a module's layer."""
    return next(number for number, names in enumerate(LAYERS) if home(module) in names)


def for_types_only(tree):
    """The statements that only type checkers read."""
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }


def imports(module, types=True):
    """Full names of all that a module imports, inside functions too."""
    tree = modules()[module]
    skipped = set() if types else for_types_only(tree)
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(module, types=True):
    """The modules of the package that a module imports."""
    for name in imports(module, types):
        parts = name.split(".")
        if parts[0] == "lossweights" and len(parts) > 1:
            full = ".".join(parts[1:])
            yield full if full in modules() else ".".join(parts[1:-1])


def test_every_module_has_one_layer():
    """A new module is put into the table before it can be imported, and only once."""
    listed = [name for names in LAYERS for name in names]
    assert len(listed) == len(set(listed)), "a module is listed twice"
    assert {home(module) for module in modules()} == set(listed)


def test_imports_point_down():
    """No module imports one of a higher layer, not even inside a function or for its types."""
    upward = {
        (home(module), home(other))
        for module in modules()
        for other in imported_modules(module, types=False)
        if layer(other) > layer(module)
    }
    assert upward == UPWARD


def test_types_point_down_or_sideways():
    """What type checkers alone read keeps to the layers as well."""
    upward = {
        (home(module), home(other))
        for module in modules()
        for other in imported_modules(module)
        if layer(other) > layer(module)
    }
    assert upward == UPWARD


def test_no_module_imports_itself_by_way_of_others():
    """Within a layer there is an order too."""
    graph = {module: set(imported_modules(module, types=False)) for module in modules()}
    done, path = set(), []

    def visit(module):
        assert module not in path, f"imports go round: {' > '.join([*path, module])}"
        if module not in done:
            path.append(module)
            for other in sorted(graph[module]):
                if (home(module), home(other)) not in UPWARD:
                    visit(other)
            done.add(path.pop())

    for module in graph:
        visit(module)


@pytest.mark.parametrize("number", [0, 1])
def test_plain_layers_import_no_framework(number):
    """Errors, files and plain values work where no framework is installed."""
    for module in modules():
        if layer(module) == number:
            found = {name.split(".")[0] for name in imports(module)} & set(PLAIN)
            assert not found, f"{module} imports {found}"


def test_lowest_layer_is_standard_library_only():
    """The bottom needs nothing but Python."""
    import sys

    for module in modules():
        if layer(module) == 0:
            found = {name.split(".")[0] for name in imports(module)}
            assert found <= {*sys.stdlib_module_names, "lossweights"}


@pytest.mark.parametrize("library", ONLY)
def test_each_service_has_one_importer(library):
    """MLflow and Optuna are behind one module each, and can be replaced there."""
    found = {home(m) for m in modules() for name in imports(m) if name.split(".")[0] == library}
    assert found == set(ONLY[library])


def test_terms_and_losses_are_backend_neutral():
    """Terms are made of `keras.ops` alone."""
    for module in modules():
        if home(module) in ("terms", "loss", "output_loss", "scales"):
            found = {name.split(".")[0] for name in imports(module)}
            assert not found & {"tensorflow", "jax", "torch"}, module


def test_nothing_runs_code_from_files():
    """No pickle, no YAML, no evaluation, no loading of saved models anywhere in the package."""
    forbidden_imports = {"pickle", "dill", "joblib", "cloudpickle", "yaml", "shelve", "marshal"}
    forbidden_calls = {"eval", "exec", "compile", "__import__", "load_model", "unsafe_load"}
    for module, tree in modules().items():
        found = {name.split(".")[0] for name in imports(module)}
        assert not found & forbidden_imports, module
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                function = node.func
                if isinstance(function, ast.Name):
                    assert function.id not in forbidden_calls, f"{module} calls {function.id}"
                elif isinstance(function, ast.Attribute):
                    allowed = {"re", "self._model", "model"}  # re.compile, model.compile
                    if function.attr == "compile" and ast.unparse(function.value) in allowed:
                        continue
                    assert function.attr not in forbidden_calls, f"{module}: {ast.unparse(node)}"
