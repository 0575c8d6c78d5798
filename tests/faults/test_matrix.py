"""The matrix of faults: each has its test, and no test waits by sleeping."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

HERE = Path(__file__).parent
FAULTS = range(1, 32)


@pytest.mark.parametrize("number", FAULTS)
def test_every_fault_has_a_test(number):
    """With the fault's number in its name."""
    name = re.compile(rf"(?m)^def test_f{number:02d}_\w+\(")
    assert any(name.search(path.read_text()) for path in HERE.glob("test_*.py"))


def test_nothing_sleeps():
    """A test waits for what is to happen, not for a time in which it might have."""
    sleeping = re.compile(r"\bsleep\(\S")
    found = [path.name for path in HERE.parent.rglob("*.py") if sleeping.search(path.read_text())]
    assert found == []
