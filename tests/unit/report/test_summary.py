"""What a sweep prints at its end."""

import io
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import lossweights as lw
from lossweights.records import Outcome
from lossweights.report.links import ui_command
from lossweights.report.summary import print_summary
from lossweights.results.constants import write_constants
from lossweights.results.contest import Contest, Contestant, Outing
from lossweights.results.folder import sweep_folder
from lossweights.results.result import SweepResult

from ..results.contests import contest, contestant
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


def confirmed(root, knee=8.0):
    """A sweep with a knee, a confirmation of it and of two baselines, one of which diverges."""
    save_sweep(root, [finished(0, 3.0, 1.0), finished(1, 1.0, 1.1), finished(2, 0.9, 3.0)])
    result = SweepResult.read("demand", root)
    noise = [0.0, 0.1, -0.1, 0.05, 0.02]
    numbers = {
        "knee": {"rmse": [knee + n for n in noise], "shortfall": [5.0] * 5},
        "equal": {"rmse": [9.0 + n / 2 for n in noise], "shortfall": [5.0] * 5},
        "without:mse": {"rmse": [9.5, 9.6, None, 9.4, 9.5], "shortfall": [5.0, 5, None, 5, 5]},
    }
    trial = result.best_number("knee")
    return replace(result, contest=contest(numbers, knee=contestant("knee", 1.0, 4.0, trial=trial)))


def test_a_confirmed_sweep_ends_with_a_small_table_and_its_sentence(root):
    """Picks and baselines, means with intervals on test data, what is missing, and the sentence."""
    result = confirmed(root)
    result.save_picks(root)
    out = io.StringIO()
    print_summary(result, root, Console(file=out, width=120))
    lines = out.getvalue().splitlines()
    assert lines[-1] == result.sentence
    text = " ".join(out.getvalue().split())
    assert "Confirmation on test data: means over 5 fresh seeds, intervals of 95 %" in text
    assert re.search(r"knee \(trial 1\) \* +│ 8.014 \(7.\d+ to 8.\d+\) │ +5 \(5 to 5\)", text)
    assert "* promoted" in text
    assert "equal weights without mse diverged from 1 of 5 seeds" in text
    assert "mse is needed: without it 1 of 5 trainings diverged, with it 0." in text
    assert "Winner's curse of knee on validation data" in text


def test_a_baseline_takes_the_place_of_a_pick_that_does_not_beat_it(root):
    """It is saved, promoted and loaded, with the sentence in its origin; no trial is behind it."""
    result = confirmed(root, knee=9.01)
    result.save_picks(root)
    out = io.StringIO()
    print_summary(result, root, Console(file=out, width=200))
    assert "promoted: equal weights, the simpler choice." in out.getvalue().splitlines()[-1]
    promoted = lw.load("demand", root)
    assert promoted == lw.load("demand@equal", root) == result.best("equal")
    assert promoted.weights == {"mse": 1.0, "under": 1.0}
    assert promoted.origin == {"sweep": "demand", "pick": "equal", "sentence": result.sentence}
    assert promoted.metrics["rmse"] == pytest.approx(10.007)  # the mean on validation data
    assert lw.load("demand@knee", root).origin["trial"] == 1
    assert lw.load("demand@knee", root).origin["sentence"] == result.sentence
    assert "sentence" not in lw.load("demand@min:rmse", root).origin


def test_without_a_confirmation_the_summary_says_how_to_get_one(root):
    """The command is the last line, and can be pasted."""
    text, _ = printed(root, [finished(0, 3.0, 1.0), finished(1, 1.0, 3.0)])
    last = text.splitlines()[-1]
    assert last.startswith("Not confirmed: knee (trial ")
    assert last.endswith(f"lossweights confirm demand --root {root}`.")


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


def with_baselines(root):
    """A sweep of which one trial is a baseline; one was trained beside it, and one diverged."""
    equal = finished(0, 3.0, 1.0, kind="baseline")
    equal = replace(equal, asked=replace(equal.asked, baseline="equal"))
    save_sweep(root, [equal, finished(1, 1.0, 3.0)])
    entered = [Contestant(n, "baseline", {"mse": 1.0, "under": 0.0}) for n in ("only:mse", "dwa")]
    outings = (
        Outing("only:mse", 0, 0, finished(0, 1.25, 7.5).result),
        Outing("dwa", 0, 0, finished(0, outcome=Outcome.DIVERGED).result),
    )
    contest = Contest({0: tuple(entered)}, outings)
    return replace(SweepResult.read("demand", root), contest=contest)


def test_baselines_are_named_in_front_and_picks_and_have_a_table(root):
    """Those that are trials with their numbers, and those beside them, however they ended."""
    result = with_baselines(root)
    result.save_picks(root)
    out = io.StringIO()
    print_summary(result, root, Console(file=out, width=200))
    front, _, rest = out.getvalue().partition("Baselines")
    assert "0 (equal)" in front
    table, _, picks = rest.partition("Weight sets")
    rows = {line.split("│")[1].strip(): line for line in table.splitlines() if "│" in line}
    assert {"equal", "only:mse", "dwa"} <= set(rows)
    assert " 0 " in rows["equal"]
    assert "1.25" in rows["only:mse"]
    assert "7.5" in rows["only:mse"]
    assert "diverged" in rows["dwa"]
    assert "trial 0, the baseline equal, rmse 3" in picks


def test_a_sweep_without_baselines_has_no_table_of_them(root):
    """Nor a word on it."""
    text, _ = printed(root, [finished(0)])
    assert "Baselines" not in text
    assert "the baseline" not in text
