"""The house: its rooms in the order in which they may use each other, and their doors."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

import lossweights

PACKAGE = Path(lossweights.__file__).parent

# From the roof to the ground: a room may import those below it, never one above.
ROOMS = [
    "cli",
    "testing",
    "sweep",
    "driver",
    "report",
    "executors",
    "store",
    "tracking",
    "training",
    "watch",
    "results",
    "figures",
    "search",
    "loss",
    "data",
    "dominance",
    "records",
    "metrics",
    "terms",
    "foreign",
    "base",
]
FEW = 21  # rooms in the house, the door not counted
ONE_MODULE = {"records"}  # rooms of one module


# The entry point of a process of its own, which is started by its name and imported by nobody.
ENTRIES = {("executors._child", "cli.worker"), ("executors._forkserver", "cli.forkserver")}
# Tests that are about no single room.
WHOLE = {
    "test_docs",
    "test_imports",
    "test_lazy",
    "test_lowest",
    "test_module_sizes",
    "test_repository",
    "test_site",
}

# Who may import what, wherever in a module the import stands.
ONLY = {
    "mlflow": ["foreign", "tracking"],
    "optuna": ["search", "store"],
    "ray": ["executors"],
    "typer": ["cli", "sweep"],
}
# Plain values: they work where no framework is installed.
PLAIN = (
    *("base", "dominance", "records", "results"),
    *(
        "search.space",
        "search.selection",
        "search.simplest",
        "search.conditions",
        "search.wish",
        "search.aims",
    ),
)
FRAMEWORKS = {"keras", "tensorflow", "optuna", "mlflow", "plotly", "rich", "typer"}


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


def room(module):
    """The room that a module lies in, or that it is."""
    return module.split(".")[0]


def imports(module):
    """Full names of all that a module imports: in functions, for its types, by a string too."""
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.removeprefix("lossweights.")
            # The name of a whole room is that of a tag or of a package of Keras, too.
            if "." in name and name in modules() and (module, name) not in ENTRIES:
                yield f"{node.value}.*"
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(module):
    """The modules of the package that a module imports."""
    for name in imports(module):
        parts = name.split(".")
        if parts[0] == "lossweights" and len(parts) > 1:
            full = ".".join(parts[1:])
            yield full if full in modules() else ".".join(parts[1:-1])


def test_the_house_has_few_rooms():
    """Every module lies in a room of the list, and there are few of them."""
    assert len(ROOMS) == len(set(ROOMS)) <= FEW
    assert {room(module) for module in modules()} == set(ROOMS)


def test_imports_point_down():
    """No room imports one above it, not even inside a function or for its types."""
    upward = {
        f"{module} > {other}"
        for module in modules()
        for other in imported_modules(module)
        if ROOMS.index(room(other)) < ROOMS.index(room(module))
    }
    assert not upward


def test_no_module_imports_itself_by_way_of_others():
    """There are no circles: not between rooms, not in a room, not by way of a function."""
    graph = {module: set(imported_modules(module)) & set(modules()) for module in modules()}
    done, path = set(), []

    def visit(module):
        assert module not in path, f"imports go round: {' > '.join([*path, module])}"
        if module not in done:
            path.append(module)
            for other in sorted(graph[module]):
                visit(other)
            done.add(path.pop())

    for module in graph:
        visit(module)


def test_no_room_comes_in_by_the_front_door():
    """``import lossweights`` in a room would reach every room above it."""
    public = {f"lossweights.{name}" for name in lossweights.__all__ if name not in ROOMS}
    for module in modules():
        assert not {"lossweights", *public} & set(imports(module)), module


def test_what_is_private_to_a_room_stays_there():
    """No room imports a module or a name of another that begins with an underscore."""
    private = {
        f"{module} > {name}"
        for module in modules()
        for name in imports(module)
        if name.startswith("lossweights.")
        and room(name.removeprefix("lossweights.")) != room(module)
        and any(part.startswith("_") for part in name.split("."))
    }
    assert not private


def doors(name):
    """The modules of a room that others may import."""
    inside = (module.split(".") for module in modules() if module.startswith(f"{name}."))
    return {parts[1] for parts in inside if not parts[1].startswith("_")}


@pytest.mark.parametrize("name", [name for name in ROOMS if name not in ONE_MODULE])
def test_a_room_says_what_it_is_for_and_names_its_doors(name):
    """Its docstring names every module that is not private, and what its `__all__` offers."""
    tree = modules()[name]
    named = set(re.findall(r"`(\w+)`", ast.get_docstring(tree)))
    assert doors(name) <= named, doors(name) - named
    offered = {
        element.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for element in node.value.elts
    }
    plain = {offer.lower().replace("_", "") for offer in named}  # rmse() is told with RMSE
    assert {offer for offer in offered if offer.lower().replace("_", "") not in plain} == set()


def test_unit_tests_mirror_the_rooms():
    """The tests of a room lie in a folder of its name; what lies loose is about the whole house."""
    here = Path(__file__).parent
    folders = {path.name for path in here.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders == {*ROOMS} - ONE_MODULE
    assert {path.stem for path in here.glob("test_*.py")} == {
        *WHOLE,
        *(f"test_{name}" for name in ONE_MODULE),
    }


def test_plain_values_import_no_framework():
    """Errors, files, records, spaces and results work where no framework is installed."""
    for module in modules():
        if module.startswith(PLAIN):
            found = {name.split(".")[0] for name in imports(module)} & FRAMEWORKS
            assert not found, f"{module} imports {found}"


def test_the_ground_is_standard_library_only():
    """The lowest room needs nothing but Python."""
    for module in modules():
        if room(module) == "base":
            found = {name.split(".")[0] for name in imports(module)}
            assert found <= {*sys.stdlib_module_names, "lossweights"}


@pytest.mark.parametrize("library", ONLY)
def test_each_service_has_one_importer(library):
    """MLflow and Optuna are behind a room or two each, and can be replaced there."""
    found = {room(m) for m in modules() for name in imports(m) if name.split(".")[0] == library}
    assert found == set(ONLY[library])


def test_terms_and_losses_are_backend_neutral():
    """Terms are made of `keras.ops` alone."""
    for module in modules():
        if room(module) in ("terms", "loss"):
            found = {name.split(".")[0] for name in imports(module)}
            assert not found & {"tensorflow", "jax", "torch"}, module
