"""The table of backends in `docs/coming_from.md` says what is so."""

from pathlib import Path

import keras
import pytest

from lossweights.base.errors import LossweightsError

from .claims import CLAIMS

PAGE = Path(__file__).parents[2] / "docs" / "coming_from.md"
COLUMNS = {"tensorflow": 1, "jax": 2, "torch": 3}
CELLS = ("yes", "eagerly", "no")


def table() -> dict[str, list[str]]:
    """The cells of each row, by what the row is about."""
    section = PAGE.read_text(encoding="utf-8").partition("## On JAX and PyTorch\n")[2]
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line[:1] == "|"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0][1:] == ["TensorFlow", "JAX", "PyTorch"]
    return {row[0]: row for row in rows[2:]}


def works(row: str, eager: bool) -> bool:
    """Whether a claim holds; a warning means that it does not."""
    try:
        CLAIMS[row](eager)
    except (LossweightsError, AssertionError, Warning) as error:
        print(f"run_eagerly={eager}: {type(error).__name__}: {error}")
        return False
    return True


def test_every_row_is_tried():
    """Each row of the table has a claim, and each claim a row."""
    found = table()
    assert list(found) == list(CLAIMS)
    assert all(cell in CELLS for row in found.values() for cell in row[1:])


@pytest.mark.parametrize("row", CLAIMS)
def test_the_table_says_what_is_so(row):
    """As compiled by Keras itself, with ``run_eagerly=True``, or not on this backend."""
    said = table()[row][COLUMNS[keras.backend.backend()]]
    found = "yes" if works(row, eager=False) else "eagerly" if works(row, eager=True) else "no"
    assert found == said


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="it works there")
def test_a_sweep_says_at_the_start_what_works_here():
    """Before anything is loaded."""
    with pytest.raises(LossweightsError, match=r"KERAS_BACKEND=tensorflow.*TermMonitor"):
        CLAIMS["`lw.Sweep`: its trainers and workers"](False)
