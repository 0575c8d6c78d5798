"""A sweep with a wish and constraints, from its declaration to the loaded weights."""

import keras
import pytest
from typer.testing import CliRunner

import lossweights as lw
from lossweights.cli._app import app
from lossweights.results.folder import read_manifest
from lossweights.results.result import SweepResult
from lossweights.results.weights import model_path
from lossweights.search.aims import Aims
from lossweights.search.conditions import Condition
from lossweights.testing import FakeSweep

from .tiny import arguments

OPTIONS = {"workers": 0, "tracking": False, "quiet": True, "confirm": 0}
# Of the fake sweep `miss * cost` is 1: both cannot be below 1.
REACHED = Aims(constraints=(Condition("miss", "<=", 0.5),))
OUT_OF_REACH = Aims(wish=(Condition("miss", "<=", 0.2), Condition("cost", "<=", 0.8)))


def test_a_wish_is_trained_promoted_and_loaded(root):
    """The winner is the trial nearest to the wish, and the report says how near."""
    wish = lw.Wish(rmse=0.5, shortfall=0.05)
    sweep = lw.Sweep(**arguments(wish=wish, constraints={"shortfall": "<=1e3"}))
    result = sweep.run(6, root=root, trainer="fit", **OPTIONS)
    assert read_manifest(root, "tiny")["wish"] == {"rmse": "<=0.5", "shortfall": "<=0.05"}
    number = result.best_number(wish)
    assert number == result.best_number("wish") == lw.load("tiny", root=root).origin["trial"]
    assert lw.load("tiny@wish", root=root).origin["note"].startswith("rmse 0.5 with shortfall 0.05")
    keras.models.load_model(model_path(root, "tiny", "wish"))
    assert result.notes[0] in (root / "studies" / "tiny" / "report.html").read_text("utf-8")
    assert result.trials["violation"].tolist() == [0.0] * 6


def fake(aims, **changes):
    """A sweep of sums."""
    return FakeSweep("fake", aims=aims, **changes)


def test_a_resumed_sweep_is_the_whole_sweep(root, tmp_path):
    """Stopped and gone on with, it tries the same weights, and more of them are feasible."""
    whole = fake(REACHED).run(48, root=tmp_path / "whole", **OPTIONS)
    fake(REACHED).run(19, root=root, **OPTIONS)
    parts = fake(REACHED).run(48, root=root, resume=True, **OPTIONS)
    assert parts.trials["weight/b"].tolist() == whole.trials["weight/b"].tolist()
    free = fake(None).run(48, root=tmp_path / "free", **OPTIONS)
    assert (whole.trials["miss"][24:] <= 0.5).mean() > (free.trials["miss"][24:] <= 0.5).mean()


@pytest.mark.parametrize("others", [OUT_OF_REACH, None], ids=["other", "none"])
def test_other_aims_are_another_sweep(root, others):
    """Going on with them is refused, or accepted and recorded; then they count."""
    fake(REACHED).run(3, root=root, **OPTIONS)
    with pytest.raises(lw.errors.SweepChanged, match=r"constraints.miss: was '<=0.5', is now None"):
        fake(others).run(4, root=root, resume=True, **OPTIONS)
    accept = ["constraints", "wish"]
    result = fake(others).run(4, root=root, resume=True, accept_change=accept, **OPTIONS)
    assert result.aims == (others or Aims())
    accepted = {change["field"] for change in read_manifest(root, "fake")["accepted"]}
    assert "constraints.miss" in accepted


def test_the_command_line_picks_by_wishes(root):
    """`best` prints the set alone, says the rest beside it, and refuses with a sentence."""
    result = fake(OUT_OF_REACH).run(8, root=root, **OPTIONS)

    def best(pick):
        words = ["best", "fake", "--pick", pick, "--root", str(root), "--json"]
        return CliRunner().invoke(app, words)

    for pick in ("wish", "wish:miss=0.2,cost=0.8"):
        found = best(pick)
        assert found.exit_code == 0
        assert found.stdout == result.best(pick).to_json()
        assert "miss 0.2 with cost 0.8 was not reached; nearest is miss" in found.stderr
    refused = best("wish:nope=1")
    assert refused.exit_code == 2
    assert "PickError: Expected wishes among the metrics" in refused.stderr


def test_a_folder_of_before_there_were_aims_reads_as_one_without(root):
    """Its manifest has no such fields, and a sweep without aims writes none."""
    fake(None).run(2, root=root, **OPTIONS)
    assert not {"wish", "constraints"} & set(read_manifest(root, "fake"))
    result = SweepResult.read("fake", root)
    assert result.first_pick == "knee"
    assert "violation" not in result.trials
