"""Commands that are printed can be pasted."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lossweights.base.commands import command, program


@pytest.fixture
def python(tmp_path, monkeypatch):
    """A Python with a program beside it that is not on the path, as a venv has it."""
    folder = tmp_path / "here" / "my venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "lossweights").write_text(
        f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"
    )
    (folder / "lossweights").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path / "here")
    return folder


@pytest.mark.parametrize("root", ["mlruns", "other runs", "../elsewhere", "/tmp/x"])
def test_what_is_printed_runs_where_it_is_printed(python, root):
    """Through a shell, with spaces in the path of the program and of the root."""
    line = command("resume", "bike", Path(root), workers=2, no_tracking=True)
    assert line.startswith("'my venv/bin/lossweights' resume bike ")
    shell = subprocess.run(line, shell=True, capture_output=True, text=True)
    words = ["resume", "bike", "--root", str(Path.cwd() / root), "--workers", "2", "--no-tracking"]
    found = json.loads(shell.stdout)
    if root == "mlruns":
        del words[2:4]
    else:
        found[3] = str(Path.cwd() / found[3])
    assert found == words


def test_a_program_on_the_path_is_called_by_its_name(python, monkeypatch):
    """Nobody types more than is needed; another program of that name is not ours."""
    assert shlex.split(program("lossweights")) == ["my venv/bin/lossweights"]
    monkeypatch.setenv("PATH", str(python))
    assert program("lossweights") == "lossweights"


def test_a_program_that_is_nowhere_is_named(python):
    """Run from a checkout that is not installed: the name is all that can be said."""
    assert program("mlflow") == "mlflow"
