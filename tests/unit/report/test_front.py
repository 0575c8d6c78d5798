"""That a front may hide something is said once, in the summary and in the report."""

import io

import numpy as np
import pytest
from rich.console import Console

from lossweights.report._front import front_note
from lossweights.report.page import render
from lossweights.report.summary import print_summary
from lossweights.results.result import SweepResult

from ..samples import finished, save_sweep

RATIOS = np.geomspace(0.01, 100, 40)


def result_of(root, points, **changes):
    """A sweep with a trial at each point, and the ratios as weights."""
    trials = [
        finished(number, *point, under=float(ratio))
        for number, (point, ratio) in enumerate(zip(points, RATIOS, strict=True))
    ]
    save_sweep(root, trials, **changes)
    result = SweepResult.read("demand", root)
    result.save_picks(root)
    return result


def texts(result, root):
    """The summary and the report."""
    out = io.StringIO()
    print_summary(result, root, Console(file=out, width=200))
    return out.getvalue(), render(result)


def test_a_jump_is_said_once_with_its_ends(root):
    """Trials on either side of the gap, with what they measured, in every place once."""
    points = [(1.0, 4.0 + r / 1000) if r < 1 else (3.0 - r / 1000, 2.0) for r in RATIOS]
    result = result_of(root, points)
    note = front_note(result)
    assert note.startswith(
        "The front may hide something: between trial 0 (rmse 1, shortfall 4) and trial 39 "
        "(rmse 2.9, shortfall 2) no trial was found, although nearly the same weights"
    )
    for text in texts(result, root):
        assert text.count(note) == 1


def test_maximised_objectives_are_turned_round(root):
    """What is concave if both are minimised is not if both are maximised."""
    at = RATIOS / (1 + RATIOS)
    points = [(x**2, (1 - x) ** 2) for x in at]
    assert front_note(result_of(root, points)) == ""
    roots = [(1 + x ** (2 / 3), 1 + (1 - x) ** (2 / 3)) for x in at]
    assert "bulges away" in front_note(result_of(root, roots))
    both = {"rmse": "maximize", "shortfall": "maximize"}
    assert front_note(result_of(root, roots, objectives=both)) == ""


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_trials_say_nothing(root, count):
    """Nor do they fail."""
    save_sweep(root, [finished(n, 1.0 + n, 2.0 - n) for n in range(count)])
    result = SweepResult.read("demand", root)
    assert front_note(result) == ""
    assert all("may hide" not in text for text in texts(result, root))
