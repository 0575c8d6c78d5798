"""A sweep by value has one fingerprint, wherever the files are that it is from."""

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import lossweights
from lossweights.base.code_hash import code_hash
from lossweights.executors import shipped_folder
from lossweights.executors._ray_folder import excluded
from lossweights.sweep.carried import carried, unpacked

SCRIPT = """
import os
from pathlib import Path
from helpers import width
size = 3
words = os.path.join(os.path.dirname(__file__), "words.txt")
here = Path(__file__).parent

class Layer:
    def call(self, x):
        return x * width() * x.size

def build(depth=2):
    def inner():  # with a comment
        assert os.path.dirname(words) == str(here)
        return Layer()
    return inner
"""
HELPERS = "def width():\n    return 4\n"
UNPACKED = """
import sys
from lossweights.base.code_hash import code_hash
from lossweights.sweep.carried import unpacked
build = unpacked(sys.stdin.buffer.read())
files = [each.co_filename for each in (build.__code__, build()().call.__code__)]
print(code_hash(build), *files, build().__globals__["words"])
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a script and what it imports from beside it; the script's function."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    (folder / "helpers.py").write_text(HELPERS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "helpers", raising=False)
    ran = types.ModuleType("ran_as_a_script")
    ran.__file__ = str(folder / "script.py")
    exec(compile(SCRIPT, str(folder / "script.py"), "exec"), vars(ran))
    return folder, ran.build


def elsewhere(data, folder, at):
    """Fingerprint and files of what was carried, in a process that is in a folder."""
    path = [str(at), str(Path(lossweights.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-P", "-c", UNPACKED],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        input=data,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().split()


def test_a_script_that_is_there_is_the_same(project):
    """As workers on this machine have it; also where it is edited meanwhile."""
    folder, build = project
    data, here = carried(build), code_hash(build)
    (folder / "script.py").write_text(SCRIPT.replace("depth=2", "depth=7"))
    script, words = str(folder / "script.py"), str(folder / "words.txt")
    assert elsewhere(data, "/", folder) == [here, script, script, words]


def test_a_script_that_went_along_is_the_same_in_its_new_place(project, tmp_path):
    """Code lies in its file there, beside what it imports and opens there."""
    folder, build = project
    data, here = carried(build, folder), code_hash(build)
    moved = tmp_path / "node" / "of" / "cluster"
    moved.parent.mkdir(parents=True)
    shutil.move(folder, moved)
    script, words = str(moved / "script.py"), str(moved / "words.txt")
    assert elsewhere(data, moved, moved) == [here, script, script, words]
    (moved / "script.py").unlink()  # as what .gitignore names is not copied
    assert elsewhere(data, moved, moved)[0] == here


def test_a_script_that_is_gone_is_the_same(project, tmp_path):
    """What it imports may lie anywhere as long as that is no part of it."""
    folder, _ = project
    source = SCRIPT.replace("from helpers import width", "def width():\n    return 4\n")
    ran = {"__file__": str(folder / "alone.py")}
    (folder / "alone.py").write_text(source)
    exec(compile(source, str(folder / "alone.py"), "exec"), ran)
    data, here = carried(ran["build"]), code_hash(ran["build"])
    shutil.rmtree(folder)
    assert elsewhere(data, tmp_path, tmp_path)[0] == here


def test_what_is_in_no_file_is_the_same():
    """A prompt's lines are nowhere: what was compiled counts."""
    typed = {}
    exec("def build():\n    return lambda: build\n", typed)
    assert code_hash(unpacked(carried(typed["build"]))) == code_hash(typed["build"])


@pytest.mark.parametrize(
    ("script", "path", "home", "shipped"),
    [
        ("project/script.py", [], "home", "project"),
        ("project/script.py", [], "project", None),  # that would be all that a person has
        (None, [""], "home", "."),
        (None, [], "home", None),  # nothing is imported from there
        (None, [""], ".", None),
    ],
)
def test_what_a_sweep_by_value_imports_goes_along(
    tmp_path, monkeypatch, script, path, home, shipped
):
    """From the folder of the script that runs, or that of a notebook."""
    main = types.ModuleType("__main__")
    if script is not None:
        main.__file__ = str(tmp_path / script)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "path", path)
    monkeypatch.setattr(Path, "home", lambda: (tmp_path / home).resolve())
    monkeypatch.chdir(tmp_path)
    assert shipped_folder(None) == (None if shipped is None else (tmp_path / shipped).resolve())


def test_the_environment_of_this_process_stays_here(tmp_path, monkeypatch):
    """Whatever its folder is called."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "mine"))
    assert "/mine/" in excluded(tmp_path.resolve(), None)
