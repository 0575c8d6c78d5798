"""Workers that nobody started together hold data once, for as long as one of them lives."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from lossweights.data import Data, once, shared
from lossweights.data.once import Neighbours

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no such files here")


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    """Small data are large, and this machine has nothing of ours yet."""
    monkeypatch.setattr(shared, "LARGE", 1)
    monkeypatch.setattr(once.tempfile, "gettempdir", lambda: str(tmp_path))


def loaded(factor=1.0):
    """What a worker loads."""
    x = np.arange(60.0).reshape(20, 3) * factor
    return Data(train=(x, x[:, :1]), val=(x, x[:, :1]))


def neighbours(key="run", data=None):
    """What one more worker knows of the others."""
    return Neighbours(key, (data or loaded()).nbytes)


def file_of(held):
    """Which file that is."""
    return Path(held.path).stat().st_ino


def test_who_comes_later_takes_what_the_first_has():
    """The same values; and the file is one."""
    given = loaded()
    (one, first), (other, second) = (neighbours().hold(loaded()) for _ in range(2))
    assert file_of(first) == file_of(second)
    for each in (one, other):
        assert shared.are_shared(each)
        assert each.fingerprint() == given.fingerprint()


def test_data_are_found_as_long_as_anybody_has_them():
    """Whoever of them was the first."""
    _, first = neighbours().hold(loaded())
    _, second = neighbours().hold(loaded())
    file = file_of(first)
    del first
    _, third = neighbours().hold(loaded())
    assert file_of(third) == file == file_of(second)


def test_other_runs_and_other_data_have_their_own():
    """A run does not count on what another one holds; what differs is kept as it was loaded."""
    _, ours = neighbours().hold(loaded())
    _, theirs = neighbours("other").hold(loaded())
    differs, held = neighbours().hold(loaded(2.0))
    assert len({file_of(each) for each in (ours, theirs, held)}) == 3
    assert differs.fingerprint() == loaded(2.0).fingerprint()


def test_nothing_is_left_of_runs_that_have_ended(tmp_path):
    """The next one clears up; a worker may be killed at any time."""
    _, held = neighbours().hold(loaded())
    notes = lambda: [path.name for path in tmp_path.rglob("*.held")]  # noqa: E731
    assert notes() == ["run.held"]
    del held
    _, _kept = neighbours("next").hold(loaded())
    assert notes() == ["next.held"]


def test_where_nothing_can_be_noted_data_are_kept(monkeypatch, tmp_path):
    """And nobody waits: a disk may be full, or the folder somebody else's."""
    monkeypatch.setattr(once.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    given = loaded()
    with neighbours().turn():
        assert neighbours().hold(given) == (given, None)


@pytest.mark.parametrize(("free", "at_once"), [(5, 1), (100, 2)])
def test_as_many_load_at_once_as_memory_has_room_for(monkeypatch, free, at_once):
    """Each holds a copy of its own until it has compared."""
    monkeypatch.setattr(once, "free_bytes", lambda: free * loaded().nbytes // 2)
    monkeypatch.setattr(once.os, "cpu_count", lambda: 2)
    loading, most, enough = [], [], threading.Semaphore(0)
    go_on = threading.Event()

    def load(number):
        with neighbours().turn():
            loading.append(number)
            most.append(len(loading))
            enough.release()
            go_on.wait(10)
            loading.remove(number)

    workers = [threading.Thread(target=load, args=[number]) for number in range(3)]
    for each in workers:
        each.start()
    for _ in range(at_once):
        assert enough.acquire(timeout=10)
    assert not enough.acquire(timeout=0.3)
    go_on.set()
    for each in workers:
        each.join()
    assert max(most) <= at_once
    assert len(most) == 3


def test_a_note_that_names_what_is_another_s_by_now_is_forgotten(tmp_path, monkeypatch):
    """Numbers of processes come again, and not all of them are ours to look at."""

    def exists(path):
        raise PermissionError(path)

    _, held = neighbours().hold(loaded())
    monkeypatch.setattr(once.Path, "exists", exists)
    assert not once._is_there(held.path)
