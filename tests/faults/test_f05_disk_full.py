"""F05: the disk is full."""

import errno
import logging
import shutil
from collections import namedtuple

import keras
import pytest

from lossweights.base.errors import StoreError
from lossweights.results.folder import list_results
from lossweights.tracking import sync_sweep

from .helpers import check_mlflow, check_sweep
from .tiny import tiny_sweep

pytestmark = pytest.mark.faults

LIMITED = """
import resource

sweep = FakeSweep("fake", epochs=5)
limit = HERE / "limit"
if __name__ == "__main__" and limit.exists():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = int(limit.read_text())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
"""


@pytest.mark.parametrize(("room", "workers"), [(1, 0), (5000, 1), (20_000, 0)])
def test_f05_full_study_stops_with_exit_74_and_can_be_resumed(scripted, room, workers):
    """No file may grow beyond the study as it is, and a little: what fits is kept, then an end."""
    script = scripted(LIMITED)
    script.run(1, workers=0)
    study = script.sweep_folder / "study.db"
    (script.folder / "limit").write_text(str(study.stat().st_size + room))
    full = script.call("--resume", trials=400, workers=workers)
    assert full.returncode == 74, full.stderr
    assert "study.db" in full.stderr or "trials/" in full.stderr
    assert "free space" in full.stderr
    kept = len(script.results())
    assert kept < 400
    (script.folder / "limit").unlink()
    script.run(kept + 5, workers=0, resume=True)
    assert script.outcomes()["COMPLETE"] == kept + 5
    check_sweep(script.root)


def test_f05_a_full_spool_is_said_once_and_costs_nothing(scripted, caplog):
    """Reports of running trials cannot be kept: the sweep goes on, its results are whole."""
    script = scripted()
    script.run(1, workers=0)
    spool = script.sweep_folder / "spool"
    shutil.rmtree(spool)
    spool.write_text("in the way")
    with caplog.at_level(logging.WARNING, logger="lossweights"):
        script.run(6, workers=0, resume=True)
    assert script.outcomes() == {"COMPLETE": 6}
    assert caplog.text.count("the reports of running trials cannot be kept") == 1
    spool.unlink()


def test_f05_weight_sets_that_cannot_be_written_are_named(scripted):
    """At the very end as well: exit 74 with the path, and a resume trains nothing again."""
    script = scripted()
    script.root.mkdir()
    (script.root / "weights").write_text("in the way")
    full = script.call(trials=4, workers=0)
    assert full.returncode == 74
    assert str(script.root / "weights") in full.stderr
    before = script.results()
    (script.root / "weights").unlink()
    script.run(4, workers=0, resume=True)
    assert script.results() == before
    assert (script.root / "weights" / "fake.json").exists()


def test_f05_a_full_tracking_database_costs_the_record_only(tracked):
    """MLflow's database may not grow any more: said once, and `sync` writes what is missing."""
    script = tracked(LIMITED)
    database = script.root / "mlflow.db"
    (script.folder / "limit").write_text(str(database.stat().st_size))
    done = script.call(trials=30, workers=0, tracking=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("MLflow could not be written") == 1
    assert "lossweights sync fake" in done.stderr
    assert script.outcomes() == {"COMPLETE": 30}
    sync_sweep(script.root, "fake")
    check_mlflow(script.root)


def test_f05_a_winner_that_cannot_be_written_ends_as_a_full_disk_does(root, monkeypatch):
    """Keras' own error gets a name and the way on, and a resume trains nothing again."""

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device", "model.keras")

    options = {"root": root, "workers": 0, "trainer": "fit", "tracking": False, "quiet": True}
    options["confirm"] = 0
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", full)
        with pytest.raises(StoreError, match=r"model\.keras.*lossweights resume tiny"):
            tiny_sweep().run(2, **options)
    before = list_results(root / "studies" / "tiny")
    assert len(before) == 2
    tiny_sweep().run(2, resume=True, **options)
    assert list_results(root / "studies" / "tiny") == before
    assert list((root / "weights").glob("*.json"))


def test_f05_too_little_room_is_said_before_anything(scripted, monkeypatch):
    """A sweep is not begun on a disk that cannot hold it."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1, 1))
    script = scripted()
    with pytest.raises(StoreError, match="at least 64 MB free"):
        script.run(4)
    assert not script.root.exists()
