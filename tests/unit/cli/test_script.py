"""Finding the sweep in a launch script, whatever the script looks like."""

import sys

import pytest

from lossweights.base.errors import SweepNotFound
from lossweights.cli._script import load_sweep

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
