"""The wheel, alone in a fresh environment: `make wheel` makes both and runs these tests.

They drive that environment's Python from outside, so that it holds what the wheel asks for and
nothing that the tests need. Each process runs in an empty folder, where no source can be found.
"""

import re
from pathlib import Path

import lossweights

ROOT = Path(__file__).parents[2]
TRIALS = 4


def python(fresh, code):
    """What some code prints, one word a line, where only installed packages can be imported."""
    return fresh("python", "-I", "-c", code).split("\n")[:-1]


def test_the_package_comes_from_the_wheel(fresh):
    """What is imported lies in site-packages: all that follows is about the wheel."""
    (path,) = python(fresh, "import lossweights; print(lossweights.__file__)")
    assert "site-packages" in Path(path).parts
    assert not Path(path).is_relative_to(ROOT / "lossweights")


def test_the_wheel_holds_the_package_and_nothing_else(fresh):
    """Every module and the mark of types is there; no test, benchmark or launch script is."""
    code = "import importlib.metadata as m; print(*m.files('lossweights'), sep='\\n')"
    installed = {Path(name) for name in python(fresh, code)}
    shipped = {
        path
        for path in installed
        if path.suffix != ".pyc"
        and not path.parts[0].endswith(".dist-info")
        and path.name != "lossweights"  # the command
    }
    package = ROOT / "lossweights"
    sources = {
        path.relative_to(ROOT)
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert Path("lossweights/py.typed") in shipped
    assert shipped == sources


def test_every_public_name_is_there(fresh):
    """The wheel offers the names that the sources offer, and each can be used."""
    code = "import lossweights as lw; print(*(n for n in lw.__all__ if getattr(lw, n)), sep='\\n')"
    assert python(fresh, code) == lossweights.__all__


def test_every_command_explains_itself(fresh):
    """``lossweights --help`` and the help of each command work."""
    assert "Usage: lossweights" in fresh("lossweights", "--help")
    code = (
        "import typer; from lossweights.cli import app\n"
        "print(*typer.main.get_command(app).commands, sep='\\n')"
    )
    commands = python(fresh, code)
    assert {"run", "resume", "list", "best", "report", "export", "ui"} <= set(commands)
    for command in commands:
        assert f"Usage: lossweights {command}" in fresh("lossweights", command, "--help")


def test_the_first_sweep_of_the_readme_runs(fresh, tmp_path):
    """Whoever installs the package and copies the README's sweep gets a weight set."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    script = next(block for block in blocks if "lw.Sweep(" in block)
    (tmp_path / "toy.py").write_text(script, encoding="utf-8")
    fresh("python", "toy.py", "--trials", str(TRIALS))
    assert f"{TRIALS} trials" in fresh("lossweights", "report", "toy")
    weights = lossweights.WeightSet.parse(fresh("lossweights", "best", "toy", "--json").encode())
    assert set(weights.weights) == {"mse", "under"}
