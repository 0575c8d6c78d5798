"""A sweep that is timed: it says what it found, keeps it, and trains so wherever it trains."""

import json

import pytest

from lossweights.training import SetupRequest, TrainingSetup
from lossweights.training import _auto as auto
from lossweights.training import _kept_rates as measured
from lossweights.training._rates import Rates
from lossweights.training._stacked import StackedTrainer
from lossweights.training._trainers import Trainers

from . import tiny

pytestmark = pytest.mark.usefixtures("without_report")

TRIALS = 16  # from which on a sweep is timed


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path):
    """A small cache of the processor, and nothing measured before."""
    monkeypatch.setattr(auto, "cached_members", lambda model, problem: 4)
    monkeypatch.setattr(
        measured.platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "kept"
    )


def run(root, trials, **options):
    """Run the tiny sweep without MLflow."""
    return tiny.sweep.run(trials, root=root, tracking=False, confirm=0, **options)


def manifest_of(root):
    """The path of the manifest."""
    return root / "studies" / "tiny" / "manifest.json"


def line_of(capsys):
    """What is said of the trainer."""
    lines = capsys.readouterr().err.splitlines()
    return next(text for text in lines if "trainer:" in text)


def test_what_was_timed_is_said_and_kept(root, tmp_path, monkeypatch, capsys):
    """Another sweep of this model chooses alike without timing."""
    first = run(root, TRIALS, workers=0)
    line = line_of(capsys)
    assert "since a training step takes each member" in line
    (path,) = (tmp_path / "kept" / "rates").iterdir()
    rates = json.loads(path.read_text())
    assert set(rates["stacked"]) == {"2", "4", "8"}
    assert min(rates["serial"], rates["fit"]) > 0
    monkeypatch.setattr(StackedTrainer, "seconds_a_step", None)
    again = run(root, TRIALS, workers=0, name="again")
    assert line_of(capsys) == line
    assert again.trials.drop(columns="seconds").equals(first.trials.drop(columns="seconds"))


def test_a_resumed_sweep_is_trained_as_it_began(root, monkeypatch, capsys):
    """Whatever became of the cache folder, the machine's memory and the clock."""
    asked = []

    def choose(self, request):
        asked.append(request)
        return TrainingSetup("stacked", 0, 4, "I say so")

    monkeypatch.setattr(Trainers, "choose", choose)
    run(root, 6, workers=0)
    line = line_of(capsys)
    stop_early(root)
    run(root, 6, workers=0, resume=True)
    assert line_of(capsys) == line
    assert asked == [SetupRequest("auto", 6, 0)]
    run(root, 7, workers=0, resume=True)  # another question
    assert asked[1:] == [SetupRequest("auto", 7, 0)]
    manifest = json.loads(manifest_of(root).read_text())
    manifest["choice"]["made"]["workers"] = "many"  # which is no choice
    manifest_of(root).write_text(json.dumps(manifest))
    stop_early(root)
    run(root, 7, workers=0, resume=True)
    assert asked[2:] == [SetupRequest("auto", 7, 0)]


def stop_early(root):
    """Lose the last result, so that something is left to do."""
    last = max((root / "studies" / "tiny" / "trials").iterdir())
    last.unlink()


def test_workers_train_what_the_driver_chose(root, tmp_path, monkeypatch, capsys):
    """They share the members, and ask for nothing larger."""
    monkeypatch.setattr(auto._Choice, "measure", lambda self, ways: Rates({4: 1e-6}))
    sizes = []
    monkeypatch.setattr("lossweights.driver._plan.batch_sizes", spy(sizes))
    run(root, TRIALS, workers=2, trainer="stacked")
    assert "trainer: stacked, 2 members at once in each of 2 worker processes" in (
        capsys.readouterr().err
    )
    assert len(sizes) >= 8
    assert set(sizes) == {2}


def spy(sizes):
    """The sizes of batches, which are noted."""
    from lossweights.driver._plan import batch_sizes

    def noted(*given):
        sizes.extend(batch_sizes(*given))
        return sizes.copy()

    return noted
