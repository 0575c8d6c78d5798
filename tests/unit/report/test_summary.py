"""What a sweep prints at its end."""

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from lossweights.records import Outcome
from lossweights.report.links import ui_command
from lossweights.report.summary import print_summary
from lossweights.results.constants import write_constants
from lossweights.results.folder import sweep_folder
from lossweights.results.result import SweepResult

from ..samples import finished, save_sweep


def printed(root, trials, save=True, width=200, **changes):
    """The summary of a sweep with these trials, as text."""
    save_sweep(root, trials, **changes)
    result = SweepResult.read("demand", root)
    if save:
        result.save_picks(root)
    out = io.StringIO()
    print_summary(result, root, Console(file=out, width=width))
    return out.getvalue(), result


def test_summary_has_all_that_a_person_needs(root):
    """Verdict, front, picks with their files, how to reuse them, and where to look."""
    trials = [finished(0, 3.0, 1.0), finished(1, 1.0, 3.0), finished(2, outcome=Outcome.DIVERGED)]
    text, result = printed(root, trials)
    assert "demand: 3 trials (2 complete, 1 diverged)" in text
    assert f"Verdict: {result.verdict}\n" in text
    assert "Pareto front: 2 of 3 trials" in text
    for pick in ("knee", "min-rmse", "min-shortfall"):
        assert f"{root}/weights/demand/{pick}.json" in text
    assert f"{root}/weights/demand.json" in text
    assert f"lw.load('demand', root={str(root)!r}).loss()" in text
    assert ui_command(root) in text


def test_paths_and_commands_can_be_copied_from_a_narrow_terminal(root):
    """What is to be copied is never wrapped, coloured or read as markup."""
    text, _ = printed(root, [finished(0)], width=40)
    assert f"{root}/weights/demand/knee.json" in text
    assert ui_command(root) in text
    assert "\x1b" not in text


def test_ui_command_is_exact(tmp_path):
    """The command names the root where it is not the usual one, quoted as a shell wants it."""
    root = tmp_path / "with space"
    assert shlex.split(ui_command(root))[-3:] == ["ui", "--root", str(root)]
    assert shlex.split(ui_command(Path("mlruns")))[-1] == "ui"


@pytest.mark.parametrize(
    "trials", [[], [finished(0, outcome=Outcome.FAILED, reason="boom")]], ids=["none", "failed"]
)
def test_summary_without_a_complete_trial(root, trials):
    """A sweep with nothing to pick is summed up as well."""
    text, _ = printed(root, trials, save=False)
    assert f"demand: {len(trials)} trials" in text
    assert "Weight sets" not in text


def test_long_front_is_cut_and_says_so(root):
    """A front of many trials is shown in part, with how many there are."""
    trials = [finished(n, 1.0 + n, 100.0 - n) for n in range(40)]
    text, result = printed(root, trials)
    assert "Pareto front: 40 of 40 trials" in text
    assert text.count("mse (") < 30
    assert len(result.pareto) == 40


def test_test_metrics_are_shown(root):
    """What the winner measured on test data stands with the picks."""
    folder = save_sweep(root, [finished(0)])
    (folder / "test.json").write_text('{"trial": 0, "metrics": {"rmse": 1.25}}')
    text, _ = printed(root, [finished(0)])
    assert "rmse 1.25" in text


def test_trials_equal_to_four_digits_are_one_row(root):
    """The knee or the first stands for them; the table of the result has them all."""
    alike = [finished(n, 1.0 + n * 1e-9, 2.0 - n * 1e-9) for n in range(5)]
    text, result = printed(root, [*alike, finished(5, 3.0, 1.0), finished(6, 1.5, 1.7)])
    assert len(result.pareto) == 7
    assert "Pareto front: 7 of 7 trials, 3 of them different to four digits" in text
    assert "0 and 4 alike" in text
    assert text.count("mse (100%)") == 3


def test_a_front_without_a_knee_says_so(root):
    """Two trials: equal weights are picked, and the summary and the weight set say why."""
    text, result = printed(root, [finished(0, 1.0, 3.0, under=9.0), finished(1, 3.0, 1.0, under=1)])
    note = "The front has two points and has no knee; these weights are the nearest to equal ones."
    assert note in text
    assert result.best_number("knee") == 1
    assert result.best("knee").origin["note"] == note


def test_a_sweep_that_learned_nothing_is_summed_up(root):
    """Its sentence comes first, and no set is said to be promoted."""
    known = {name: {"value": 0.5, "perfect": 0.0} for name in ("rmse", "shortfall")}
    write_constants(sweep_folder(root, "demand"), known)
    text, _ = printed(root, [finished(0)], recipe={"epochs": 3})
    assert "Verdict: This sweep learned nothing: no trial is better" in text
    assert "(rmse 1 at best against 0.5, shortfall 1 at best against 0.5)" in text
    assert "train for more epochs than 3, or with a larger learning rate." in text
    assert "promoted: none, since the sweep learned nothing" in text
