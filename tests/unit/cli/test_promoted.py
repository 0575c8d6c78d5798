"""What a person promoted is what every verb shows; beside it stands what the sweep itself does."""

import json

import pytest
from typer.testing import CliRunner

import lossweights as lw
from lossweights.cli import app
from lossweights.results.folder import sweep_folder
from lossweights.results.result import SweepResult

from ..samples import finished, save_sweep

TRIALS = [finished(0, 3.0, 1.0), finished(1, 1.0, 3.0, under=0.25), finished(2, 1.5, 1.5)]
HIDDEN = "min:rmse where shortfall<=2"  # a pick that no file can be named after


@pytest.fixture
def promoted(root):
    """A root with a sweep that promotes its knee, and of which a person promoted another pick."""
    save_sweep(root, TRIALS)
    SweepResult.read("demand", root).save_picks(root)
    (sweep_folder(root, "demand") / "report.html").write_text("of before")
    call("promote", "demand", "--pick", "min:rmse", "--why", "stock is cheap", "--root", root)
    return root


def call(*words):
    """What a command prints to standard output."""
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("verb", ["status demand", "list", "report demand", "best demand"])
def test_every_verb_shows_what_a_person_promoted(promoted, verb):
    """With who did it; summary and best say as well what the sweep itself promotes."""
    said = call(*verb.split(), "--root", promoted)
    assert "min:rmse" in said
    assert "by hand" in said
    if not verb.startswith("list"):
        assert "stock is cheap" in said
    if verb.startswith(("report", "best")):
        assert "the sweep itself promotes knee" in said


@pytest.mark.parametrize("verb", ["status demand", "list", "report demand"])
def test_programs_read_it(promoted, verb):
    """As an object, the same from each verb."""
    said = json.loads(call(*verb.split(), "--root", promoted, "--json"))
    found = (said[0] if isinstance(said, list) else said)["promoted"]
    assert set(found) == {"pick", "by_hand", "at", "why"}
    assert (found["pick"], found["by_hand"], found["why"]) == ("min:rmse", True, "stock is cheap")


def test_best_and_export_give_the_set_that_the_name_loads(promoted, tmp_path):
    """To the letter, with its history; a pick that is asked for is another matter."""
    wanted = lw.load("demand", promoted)
    assert wanted.weights["under"] == 0.25
    call("export", "demand", "--to", tmp_path / "w.json", "--root", promoted)
    assert lw.WeightSet.read(tmp_path / "w.json") == wanted
    said = call("best", "demand", "--root", promoted)
    assert f"lw.load('demand', root='{promoted}').loss(" in said
    assert "lw.load('demand@knee'" in call("best", "demand", "--pick", "knee", "--root", promoted)


def test_the_report_is_written_anew_with_both(promoted):
    """A card of what is promoted by hand comes first, then those of the sweep."""
    page = (sweep_folder(promoted, "demand") / "report.html").read_text()
    own = page.index("<h3>knee (what the sweep itself promotes)")
    assert page.index("<h3>min:rmse (promoted by hand)") < own
    assert "stock is cheap" in page
    call("promote", "demand", "--root", promoted)  # the choice is given back
    page = (sweep_folder(promoted, "demand") / "report.html").read_text()
    assert "knee (promoted)" in page
    assert "by hand" not in page


def test_a_set_that_its_pick_names_no_more_stays_what_it_was(promoted):
    """The sweep went on: the pick is another trial, and what was promoted is shown all the same."""
    call("promote", "demand", "--pick", HIDDEN, "--why", "agreed", "--root", promoted)
    save_sweep(promoted, [*TRIALS, finished(3, 0.5, 1.0, under=0.125)])
    result = SweepResult.read("demand", promoted)
    result.save_picks(promoted)
    assert result.best_number(HIDDEN) == 3
    said = call("best", "demand", "--root", promoted)
    assert f"demand@{HIDDEN}: trial 2, rmse 1.5" in said
    assert f"{HIDDEN} (promoted by hand)" in _cards(result)


def _cards(result):
    from lossweights.report._cards import cards

    return [card.picks for card in cards(result, result.root)]


def test_nothing_is_promoted_of_a_sweep_that_has_not_ended(root):
    """Nor is anything said of it."""
    save_sweep(root, TRIALS)
    assert json.loads(call("list", "--root", root, "--json"))[0]["promoted"] is None
    assert "promoted" not in call("status", "demand", "--root", root)
