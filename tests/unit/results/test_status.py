"""The status of a sweep: before, while and after it runs."""

import pytest

from lossweights.base.errors import SweepNotFound
from lossweights.records import Outcome
from lossweights.results import status as status_module
from lossweights.results.locks import exclusive_lock
from lossweights.results.status import StatusBoard, Worker, is_running, read_status

from ..samples import finished, save_sweep


@pytest.fixture
def folder(root):
    """A sweep of three trials."""
    trials = [finished(0), finished(1), finished(2, outcome=Outcome.FAILED)]
    return save_sweep(root, trials)


def test_a_sweep_that_nobody_drives_is_told_from_its_results(root, folder):
    """Also where no status was ever written."""
    status = read_status(root, "demand")
    assert not status.running
    assert (status.done, status.outcomes) == (3, {"COMPLETE": 2, "FAILED": 1})
    assert "not running" in status.describe()
    assert "3 of 3 (2 complete, 1 failed)" in status.describe()
    with pytest.raises(SweepNotFound):
        read_status(root, "elsewhere")


def test_a_sweep_that_runs_tells_pace_time_left_and_workers(root, folder, monkeypatch):
    """As its driver wrote it a second ago."""
    now = [100.0]
    monkeypatch.setattr(status_module.time, "monotonic", lambda: now[0])
    board = StatusBoard(folder, wanted=12)
    board.trial_ended(finished(0))
    board.begin(at_once=2)
    now[0] += 100.0  # in which two workers loaded the data
    for number in range(1, 6):
        board.trial_ended(finished(number))
        now[0] += {2: 4.0, 4: 2.0}.get(number, 0.0)
    workers = [Worker(41, (6,)), Worker(42, (7, 8)), Worker(43, (), "far/1a2b3c")]
    board.write(workers, {"waiting": 2, "offline_since": None, "error": None})
    with exclusive_lock(folder / "lock", "The sweep"):
        assert is_running(folder)
        status = read_status(root, "demand")
    assert not is_running(folder)
    assert status.running
    assert (status.done, status.wanted) == (6, 12)
    assert status.trials_an_hour == pytest.approx(1800.0)
    assert status.seconds_left == pytest.approx(12.0)
    text = status.describe()
    assert "1800 trials an hour, 0:12 left" in text
    assert "41: trial 6" in text
    assert "42: 2 trials from 7 on" in text
    assert "43 on far/1a2b3c: waiting" in text
    assert "online, 2 trials waiting" in text


def test_row_16_a_pace_that_cannot_be_told_yet_is_not_told(root, folder):
    """After the first trial, whose time has in it what came before."""
    board = StatusBoard(folder, wanted=3)
    board.begin(at_once=1)
    board.trial_ended(finished(0))
    board.write([], {}, last=True)
    with exclusive_lock(folder / "lock", "The sweep"):
        status = read_status(root, "demand")
    assert (status.trials_an_hour, status.seconds_left) == (0.0, None)
    assert "pace      not known yet" in status.describe()


def test_trials_to_be_tried_again_are_not_done(root, folder):
    """They are counted for what they were, and the sweep wants another."""
    board = StatusBoard(folder, wanted=3)
    again = finished(0, outcome=Outcome.FAILED)
    board.trial_ended(type(again)(again.asked, again.result, again=True))
    board.write([], {}, last=True)
    with exclusive_lock(folder / "lock", "The sweep"):
        status = read_status(root, "demand")
    assert (status.done, status.outcomes) == (0, {"FAILED": 1})


def test_the_file_is_written_no_oftener_than_people_read(root, folder):
    """Twice in an instant is once; the last word is always written."""
    board = StatusBoard(folder, wanted=3)
    board.write([], {})
    board.trial_ended(finished(0))
    board.write([], {})
    path = folder / "status.json"
    before = path.read_bytes()
    board.write([], {}, last=True)
    assert path.read_bytes() != before


def test_a_status_that_cannot_be_written_is_no_error(root, folder):
    """A convenience must not cost a sweep."""
    (folder / ".status.json").mkdir()
    StatusBoard(folder, wanted=3).write([], {}, last=True)


def test_what_is_offline_says_so(root, folder):
    """Since when, how much, why, and what to do."""
    board = StatusBoard(folder, wanted=3)
    tracking = {"waiting": 3, "offline_since": "2026-01-01T00:00:00+00:00", "error": "refused"}
    board.write([], tracking, last=True)
    text = read_status(root, "demand").describe()
    assert "offline since 2026-01-01T00:00:00+00:00, 3 trials waiting" in text
    assert "lossweights sync demand" in text
    assert "(refused)" in text
