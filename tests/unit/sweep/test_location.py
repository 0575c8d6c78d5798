"""How a worker finds the sweep that its driver runs."""

import sys
import types
from importlib.machinery import ModuleSpec

import pytest

from lossweights.base.errors import WorkerError
from lossweights.cli._script import load_location
from lossweights.sweep._location import location_of
from lossweights.testing import FakeSweep

SCRIPT = "from lossweights.testing import FakeSweep\nsweep = FakeSweep('fake')\n"


def module(monkeypatch, name, **content):
    """A module of this name, as if it had been imported."""
    made = types.ModuleType(name)
    vars(made).update(content)
    monkeypatch.setitem(sys.modules, name, made)


def test_a_script_that_is_known_is_the_place(tmp_path, monkeypatch):
    """Its path is absolute, so that a worker finds it from anywhere."""
    (tmp_path / "mine.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    location = location_of(object(), "fake", tmp_path.joinpath("mine.py").relative_to(tmp_path))
    assert location == {"script": str(tmp_path / "mine.py"), "sweep": "fake"}
    monkeypatch.chdir("/")
    assert load_location(location).name == "fake"


def test_a_sweep_of_a_module_is_found_by_its_name(monkeypatch):
    """Whatever else the module holds."""
    sweep = FakeSweep("fake")
    module(monkeypatch, "sweeps_of_mine", other=FakeSweep("fake"), demand=sweep)
    location = location_of(sweep, "fake", None)
    assert location == {"module": "sweeps_of_mine", "name": "demand"}
    assert load_location(location) is sweep


def test_a_sweep_of_the_main_script_is_found_by_its_file(monkeypatch, tmp_path):
    """In a worker another module is the main one."""
    sweep, path = FakeSweep("fake"), tmp_path / "main.py"
    module(monkeypatch, "__main__", sweep=sweep, __file__=str(path))
    assert location_of(sweep, "fake", None) == {"script": str(path), "sweep": "fake"}


@pytest.mark.parametrize("collect", [lambda x: [x], lambda x: (x,), lambda x: {"a": x}])
def test_a_sweep_in_a_collection_of_the_main_script_is_found(monkeypatch, tmp_path, collect):
    """As a loop makes them; the worker looks for its name."""
    sweep, path = FakeSweep("fake"), tmp_path / "main.py"
    module(monkeypatch, "__main__", sweeps=collect(sweep), __file__=str(path))
    assert location_of(sweep, "fake", None)["script"] == str(path)


def test_a_main_script_that_was_run_as_a_module_is_one(monkeypatch, tmp_path):
    """So that it can import its neighbours by relative names; another script is none."""
    sweep, path = FakeSweep("fake"), tmp_path / "package" / "demand.py"
    spec = ModuleSpec("package.demand", None)
    module(monkeypatch, "__main__", sweep=sweep, __file__=str(path), __spec__=spec)
    found = location_of(sweep, "fake", None)
    assert found == {"script": str(path), "module": "package.demand", "sweep": "fake"}
    assert location_of(sweep, "fake", path) == found
    assert "module" not in location_of(sweep, "fake", tmp_path / "other.py")


def test_a_sweep_that_nobody_could_import_is_refused():
    """In a function, a notebook or a prompt; the message says what to do."""
    with pytest.raises(WorkerError, match=r"'fake' at the top level.*workers=0"):
        location_of(FakeSweep("fake"), "fake", None)
