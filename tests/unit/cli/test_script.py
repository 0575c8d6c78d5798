"""Finding the sweep in a launch script, whatever the script looks like."""

import sys

import pytest

from lossweights.base.errors import SweepNotFound
from lossweights.cli._script import load_location, load_sweep, script_of

SWEEP = """
import lossweights as lw

def build_model():
    {body}

def make(name):
    return lw.Sweep(
        name=name, build_model=build_model, load_data=lambda: None,
        terms={{"mse": "mse", "mae": "mae"}},
        space={{"mse": 1.0, "mae": lw.Uniform(0, 1)}},
        metrics={{"rmse": lw.metrics.RMSE()}}, objectives={{"rmse": "minimize"}},
    )
"""


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    """Loading a script puts its folder on the path, as Python does; a test takes it off again."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def script(folder, ending, body="return None"):
    """A script that ends like this."""
    path = folder / "launch.py"
    path.write_text(SWEEP.format(body=body) + ending)
    return path


def test_sweep_is_found_and_main_does_not_run(tmp_path):
    """The script's top level runs, its main part does not."""
    path = script(tmp_path, 'sweep = make("found")\nif __name__ == "__main__":\n    1 / 0\n')
    assert load_sweep(path).name == "found"


def test_one_sweep_under_two_names_is_one(tmp_path):
    """An alias is not a second sweep."""
    assert load_sweep(script(tmp_path, 'a = make("one")\nb = a\n')).name == "one"


@pytest.mark.parametrize(
    ("ending", "found"),
    [("", 0), ("def f():\n    sweep = make('x')\n", 0), ("a, b = make('a'), make('b')\n", 2)],
    ids=["none", "in a function", "two"],
)
def test_script_without_exactly_one_sweep(tmp_path, ending, found):
    """No sweep, or a choice between two, is refused with the number found."""
    with pytest.raises(SweepNotFound, match=rf"Found {found}\."):
        load_sweep(script(tmp_path, ending))


def test_of_several_sweeps_the_one_of_a_name_is_found(tmp_path):
    """Also of those that a loop made and no variable holds any more."""
    path = script(tmp_path, "for name in 'abc':\n    sweep = make(name)\nother = make('d')\n")
    assert [load_sweep(path, name=name).name for name in "abcd"] == list("abcd")
    with pytest.raises(SweepNotFound, match=r"Found 2\. They are c, d\."):
        load_sweep(path, name="e")


def test_a_sweep_of_another_name_is_not_the_one_that_a_worker_was_told(tmp_path):
    """It is made in the main part of the script, which no worker runs."""
    path = script(tmp_path, "sweep = make('a')\n")
    with pytest.raises(SweepNotFound, match="Expected a sweep 'b'"):
        load_location({"script": str(path), "sweep": "b"})


def test_a_module_of_a_package_is_loaded_as_one(tmp_path):
    """It may import its neighbours by relative names."""
    package = tmp_path / "package_of_sweeps"
    package.mkdir()
    (package / "neighbour.py").write_text("value = 42\n")
    path = script(package, "from . import neighbour\nsweep = make('x')\n", "return neighbour.value")
    found = load_sweep(path, "package_of_sweeps.launch")
    assert found.problem.build_model() == 42


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_what_is_no_file_is_no_script(tmp_path, name):
    """A path that is no file is said before anything runs."""
    with pytest.raises(SweepNotFound, match="Found no file"):
        load_sweep(tmp_path / name)


def test_error_of_the_script_is_its_own(tmp_path):
    """A mistake in the script is shown as the script's, with its traceback."""
    path = script(tmp_path, "1 / 0\n")
    with pytest.raises(ZeroDivisionError) as raised:
        load_sweep(path)
    assert any(str(entry.path) == str(path) for entry in raised.traceback)


@pytest.mark.parametrize("late", [False, True], ids=["at the top", "in a function"])
def test_script_may_import_its_neighbours(tmp_path, late):
    """Modules beside the script are found, also by functions that run after loading."""
    (tmp_path / f"neighbour_{late}.py").write_text("value = 42\n")
    load = f"import neighbour_{late} as n"
    body = f"{load}; return n.value" if late else "return n.value"
    ending = ("" if late else load) + '\nsweep = make("x")\n'
    sweep = load_sweep(script(tmp_path, ending, body))
    assert sweep.problem.build_model() == 42


MOVES = {
    "nothing": ("project/sweeps/a.py", "project/mlruns"),
    "the project": ("renamed/sweeps/a.py", "renamed/mlruns"),
    "the root": ("project/sweeps/a.py", "disk/results"),
}


@pytest.mark.parametrize("moved", MOVES)
def test_i12_moved_script_is_found(tmp_path, moved):
    """Where it lies to the root as it did, or where it was."""
    manifest = {
        "name": "a",
        "script": str(tmp_path / "project" / "sweeps" / "a.py"),
        "root": str(tmp_path / "project" / "mlruns"),
    }
    script, root = (tmp_path / part for part in MOVES[moved])
    script.parent.mkdir(parents=True)
    script.touch()
    assert script_of(manifest, root) == script


def test_i12_moved_script_of_a_copied_project_is_the_copy(tmp_path):
    """The original is there too, and is another project now."""
    for project in ("project", "copy"):
        (tmp_path / project).mkdir()
        (tmp_path / project / "a.py").touch()
    was = tmp_path / "project"
    manifest = {"name": "a", "script": str(was / "a.py"), "root": str(was / "mlruns")}
    assert script_of(manifest, tmp_path / "copy" / "mlruns") == tmp_path / "copy" / "a.py"


def test_i12_moved_script_that_is_nowhere_is_named_with_the_way_on(tmp_path):
    """Also for a sweep of an earlier version, whose manifest has no root."""
    lost = tmp_path / "lost.py"
    manifest = {"name": "a", "script": str(lost)}
    with pytest.raises(SweepNotFound, match=rf"no file {lost}\. .*--resume --name a --root"):
        script_of(manifest, tmp_path / "mlruns")
    with pytest.raises(SweepNotFound, match="started from Python"):
        script_of({"name": "a", "script": None}, tmp_path)
