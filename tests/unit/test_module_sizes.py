"""No module is longer than a person reads in one sitting."""

from pathlib import Path

import pytest

import lossweights

PACKAGE = Path(lossweights.__file__).parent
LONGEST = 350
SCRIPTS = sorted((PACKAGE.parent / "sweeps").glob("*.py"))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_no_module_is_over_350_lines(path):
    """One idea a file: a longer one has two."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_launch_scripts_are_under_100_lines(path):
    """A launch script is data, model, terms, space and main, and no more."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 100
