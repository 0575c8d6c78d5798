"""A sweep that has learned what there is to learn ends in order, and the same each time."""

import json
import shlex
import subprocess

import pytest

from lossweights.base.errors import RecipeError
from lossweights.testing import FakeSweep

pytestmark = pytest.mark.faults

FLAGS = ("--patience", "24", "--min-growth", "0.02")
PATIENT = {"patience": 24, "min_growth": 0.02}
SINGLES = 'sweep = FakeSweep("fake")'
STACKS = 'sweep = FakeSweep("fake", capacity=8)'


def weights(script):
    """The weights that were tried, in their order."""
    return [found.result.weights["b"] for _, found in sorted(script.results().items())]


def test_patience_ends_a_sweep_in_order_and_says_what_was_gained_last(scripted):
    """Conclusions are drawn, nothing is left open, and it can be gone on with."""
    script = scripted(SINGLES)
    done = script.call(*FLAGS, workers=0, trials=300)
    assert done.returncode == 0, done.stderr
    tried = len(weights(script))
    assert 32 <= tried < 300
    assert set(script.outcomes()) == {"COMPLETE"}
    said = f"in the last 24 trials, less than 2.00%, so the sweep is done after {tried} of 300"
    assert said in done.stderr
    ending = json.loads((script.sweep_folder / "ending.json").read_text())
    assert said in ending["note"]
    assert (script.root / "weights" / "fake" / "knee.json").exists()
    advice = done.stderr.partition("Go on with: ")[2].splitlines()[0]
    # With the same patience there is nothing to go on with; without it there is.
    again = [*shlex.split(advice), "--no-tracking"]
    for more, trials in ((FLAGS, tried), (("--trials", str(tried + 8)), tried + 8)):
        run = subprocess.run([*again, *more], cwd=script.folder, capture_output=True, text=True,
                             timeout=120)  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert len(weights(script)) == trials


def test_patience_ends_between_stacks(scripted):
    """After the one that tells it, without another; and there it ends again."""
    script = scripted(STACKS)
    script.run(300, workers=0, **PATIENT)
    tried = len(weights(script))
    assert 32 <= tried < 300
    assert set(script.outcomes()) == {"COMPLETE"}
    ending = json.loads((script.sweep_folder / "ending.json").read_text())
    assert f"so the sweep is done after {tried} of 300" in ending["note"]
    script.run(300, workers=0, resume=True, **PATIENT)
    assert len(weights(script)) == tried
    script.run(tried + 8, workers=0, resume=True)
    assert len(weights(script)) == tried + 8


def test_patience_ends_at_the_same_trial_whoever_trains(scripted):
    """Single trials: in this process, in two workers, and stopped in between."""
    tried = []
    for workers in (0, 2):
        script = scripted(SINGLES)
        script.run(300, workers=workers, **PATIENT)
        tried.append(weights(script))
    script = scripted(SINGLES)
    script.run(20, workers=0)
    script.run(300, workers=0, resume=True, **PATIENT)
    tried.append(weights(script))
    assert tried[0] == tried[1] == tried[2]


@pytest.mark.parametrize(
    "options", [{"patience": 0}, {"patience": 2.5}, {"min_growth": 0}, {"min_growth": 1}]
)
def test_patience_that_cannot_be_is_refused(tmp_path, options):
    """Before anything is made."""
    with pytest.raises(RecipeError, match=r"Expected (patience|min_growth)"):
        FakeSweep("fake").run(trials=4, root=tmp_path / "runs", **{"patience": 9, **options})
    assert not (tmp_path / "runs").exists()
