"""Whether a program launches a sweep is told by its text, before it has loaded."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lossweights.base import main_script
from lossweights.base.main_script import declares_and_launches, launches_sweep

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("script", sorted((REPOSITORY / "sweeps").glob("[a-z]*.py")), ids=str)
def test_the_scripts_of_this_repository_do(script, monkeypatch):
    """All of them, as they are."""
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__file__=str(script)))
    assert launches_sweep()


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("s: lw.Sweep = lw.Sweep(\n  name='a')\nif a:\n  s.main()", True),
        ("s = Sweep(name='a')\nif a:\n  s.main(['--trials', '3'])", True),
        ("s = lw.Sweep(name='a')\nif a:\n  s.run(64)", False),
        ("s = lw.Sweep(name='a')\nif a:\n  t.main()", False),
        ("s = FakeSweep('a')\nif a:\n  s.main()", False),
        ("def f():\n  s = lw.Sweep(name='a')\n  s.main()", False),
        ("# s = lw.Sweep(...) and s.main()", False),
        ("loss = lw.CombinedLoss({})\nif a:\n  app.main()", False),
    ],
)
def test_only_who_makes_a_sweep_and_launches_it_does(text, does):
    """A program that trains, or looks at results, is let alone."""
    assert declares_and_launches(text) is does


def test_a_program_without_a_file_does_not(monkeypatch, tmp_path):
    """A prompt, a notebook, and what was deleted meanwhile."""
    for main in (SimpleNamespace(), SimpleNamespace(__file__=None)):
        monkeypatch.setitem(sys.modules, "__main__", main)
        assert not launches_sweep()
    gone = SimpleNamespace(__file__=str(tmp_path / "gone.py"))
    monkeypatch.setitem(sys.modules, "__main__", gone)
    assert not launches_sweep()
    monkeypatch.setattr(main_script, "MOST_BYTES", 10)
    (tmp_path / "gone.py").write_text("s = lw.Sweep(\n  s.main(")
    assert not launches_sweep()


def test_a_script_begins_before_anything_heavy_is_loaded(tmp_path):
    """By `import lossweights` alone."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "import lossweights as lw\n"
        "early = sys.modules['lossweights.sweep.early']\n"
        "print(len(early._begun), *{'keras', 'pandas', 'typer'} & set(sys.modules))\n"
        "early._begun[0].kill()\n"
        "sys.exit()\n"
        "sweep = lw.Sweep()\n"
        "if True:\n"
        "    sweep.main()\n"
    )
    command = [sys.executable, str(script), "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0].split() == ["1"]
