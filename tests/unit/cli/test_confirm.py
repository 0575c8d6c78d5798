"""``lossweights confirm``, and what the command line says of baselines and confirmation."""

import json
import math
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lossweights.cli._app import app
from lossweights.results.contest import read_contest
from lossweights.results.folder import list_results, read_manifest, sweep_folder
from lossweights.results.result import SweepResult

DOCS = Path(__file__).parents[3] / "docs" / "command_line.md"

SCRIPT = """
from pathlib import Path
from lossweights.testing import FakeSweep

def during(member, epoch):
    if member.seed == 2 and Path(__file__).with_name("stop").exists():
        raise KeyboardInterrupt

sweep = FakeSweep("fake", during=during)

if __name__ == "__main__":
    sweep.main()
"""
USUAL = ("--workers", "0", "--no-tracking", "--quiet")


@pytest.fixture
def script(tmp_path):
    """A script that declares a sweep of sums."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def call(root):
    """Calls a command as a person does; its output."""

    def say(verb, *arguments, code=0):
        words = [verb, *map(str, arguments), "--root", str(root), *USUAL]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return say


def contest(root):
    """The contest on disk."""
    return read_contest(sweep_folder(root, "fake"))


def test_a_sweep_is_confirmed_when_somebody_asks(root, script, call):
    """From five seeds, or so many as are said; no trial is added, and what was said stays."""
    call("run", script, "--trials", "6", "--confirm", "0")
    assert contest(root).looks == 0
    call("confirm", "fake")
    assert contest(root).seeds == {1: (1, 2, 3, 4, 5)}
    assert contest(root).is_over(1)
    call("confirm", "fake", "--seeds", "2")
    assert contest(root).seeds[2] == (6, 7)
    manifest = read_manifest(root, "fake")
    assert manifest["confirm"] == 0
    assert manifest["trials"] == 6 == len(list_results(sweep_folder(root, "fake")))


def test_a_confirmation_for_programs_is_as_documented(root, script, call):
    """One object on standard output, with the documented keys and the result's numbers."""
    call("run", script, "--trials", "6", "--confirm", "0")
    words = ["confirm", "fake", "--seeds", "3", "--json", "--root", str(root), *USUAL]
    said = json.loads(CliRunner().invoke(app, words).stdout)
    part = DOCS.read_text("utf-8").partition("`lossweights confirm --json`")[2]
    table = part.partition("|---|---|")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.strip().splitlines()]
    assert set(said) == {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    result = SweepResult.read("fake", root)
    assert (said["sentence"], said["seeds"], said["look"]) == (result.sentence, [1, 2, 3], 1)
    assert len(said["confirmation"]) == len(result.confirmation) > 0
    mean = result.confirmation["mean"]
    found = [math.nan if row["mean"] is None else row["mean"] for row in said["confirmation"]]
    assert found == pytest.approx(mean.tolist(), nan_ok=True)


def test_a_sweep_that_was_stopped_is_confirmed_as_it_is(root, script, call):
    """Its trials are not gone on with."""
    call("run", script, "--trials", "4")
    call("confirm", "fake", "--seeds", "1")
    assert contest(root).is_over(1)
    call("resume", "fake", "--trials", "6")
    assert len(list_results(sweep_folder(root, "fake"))) == 6


def test_a_confirmation_that_was_stopped_goes_on(root, script, call):
    """By the command that is printed; it is the same look, with the seeds that it had."""
    call("run", script, "--trials", "4")
    stop = script.with_name("stop")
    stop.touch()
    said = call("confirm", "fake", "--seeds", "3", code=130)
    assert "lossweights confirm fake" in said
    assert {outing.seed for outing in contest(root).outings} == {1}
    stop.unlink()
    call("confirm", "fake", "--seeds", "2")
    assert contest(root).seeds == {1: (1, 2, 3)}
    assert contest(root).is_over(1)


def test_what_is_not_there_is_refused(root, call):
    """With a sentence; and no seeds are none."""
    assert "SweepNotFound" in call("confirm", "fake", code=2)
    call("confirm", "fake", "--seeds", "0", code=2)


def test_every_run_can_be_told(script, call, root):
    """`run`, `resume` and the script itself; what was said on a run stays on resume."""
    call("run", script, "--trials", "4", "--confirm", "2")
    assert contest(root).seeds == {1: (1, 2)}
    call("resume", "fake", "--trials", "12")
    assert read_manifest(root, "fake")["confirm"] == 2
    call("resume", "fake", "--trials", "12", "--confirm", "3")
    assert len(contest(root).seeds[contest(root).looks]) == 3
    for verb in ("run", "resume"):
        said = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"}).output
        assert "--confirm" in said
        assert "--baselines" in said
