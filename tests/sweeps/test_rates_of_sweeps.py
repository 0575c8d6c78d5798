"""A sweep that is timed: it says what it found, keeps it, and trains so wherever it trains."""

import json

import pytest

from lossweights import measured
from lossweights.training import auto
from lossweights.training.stacked import StackedTrainer

from . import tiny

TRIALS = 16  # from which on there are stacks enough to be worth timing, once the cache holds four


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path):
    """A small cache of the processor, and nothing measured before."""
    monkeypatch.setattr(auto, "cached_members", lambda model, problem: 4)
    monkeypatch.setattr(
        measured.platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "kept"
    )


def run(root, trials, **options):
    """Run the tiny sweep without MLflow."""
    return tiny.sweep.run(trials, root=root, tracking=False, **options)


def rates_of(root):
    """What the manifest holds."""
    return json.loads((root / "studies" / "tiny" / "manifest.json").read_text())["rates"]


def test_what_was_timed_stays_with_the_sweep(root, tmp_path, monkeypatch, capsys):
    """A resumed sweep does not time again, whatever became of the cache folder."""
    run(root, TRIALS, workers=0)
    line = next(text for text in capsys.readouterr().err.splitlines() if "trainer:" in text)
    rates = rates_of(root)
    assert "since a training step takes each member" in line
    assert set(rates["stacked"]) >= {"2", "4", "8"}
    assert min(rates["serial"], rates["fit"]) > 0
    (path,) = (tmp_path / "kept" / "rates").iterdir()
    assert {"key": path.stem, **json.loads(path.read_text())} == rates
    path.unlink()
    monkeypatch.setattr(StackedTrainer, "seconds_a_step", None)
    result = run(root, TRIALS + 1, workers=0, resume=True)
    assert line in capsys.readouterr().err
    assert len(result.trials) == TRIALS + 1
    assert rates_of(root) == rates


def test_workers_train_what_the_driver_chose(root, tmp_path, monkeypatch, capsys):
    """They share the members, and ask for nothing larger."""
    monkeypatch.setattr(auto._Choice, "measure", lambda self, ways: auto.Rates({4: 1e-6}))
    sizes = []
    monkeypatch.setattr("lossweights.driver.driver.batch_sizes", spy(sizes))
    run(root, TRIALS, workers=2, trainer="stacked")
    assert "trainer: stacked, 2 members at once in each of 2 worker processes" in (
        capsys.readouterr().err
    )
    assert sizes == [2] * 8


def spy(sizes):
    """The sizes of batches, which are noted."""
    from lossweights.driver.driver import batch_sizes

    def noted(*given):
        sizes.extend(batch_sizes(*given))
        return sizes.copy()

    return noted
