"""Locks: held by one process at a time, and by none that has ended."""

import subprocess
import sys

import pytest

from lossweights.base.errors import StoreError, SweepLocked
from lossweights.results import locks

HOLD = """
import sys
from pathlib import Path
from lossweights.results.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "The sweep"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until it is killed or its input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_lock_of_another_process_is_respected(tmp_path, holder):
    """A held lock refuses, names the process, and is free again once that has ended."""
    lock = tmp_path / "lock"
    with (
        pytest.raises(SweepLocked, match=f"process {holder.pid}"),
        locks.exclusive_lock(lock, "The sweep"),
    ):
        pass
    holder.communicate("")
    with locks.exclusive_lock(lock, "The sweep"):
        pass


def test_lock_of_a_killed_process_is_not_stale(tmp_path, holder):
    """A process that is killed gives its lock back with its life."""
    holder.kill()
    holder.wait()
    with locks.exclusive_lock(tmp_path / "lock", "The sweep"):
        pass


def test_lock_is_exclusive_within_one_process_too(tmp_path):
    """A second sweep of the same name in one process is refused as well."""
    lock = tmp_path / "lock"
    with (
        locks.exclusive_lock(lock, "The sweep"),
        pytest.raises(SweepLocked),
        locks.exclusive_lock(lock, "The sweep"),
    ):
        pass


def test_lock_is_released_by_an_error(tmp_path):
    """The lock does not outlive the block, however that ends."""
    with pytest.raises(KeyboardInterrupt), locks.exclusive_lock(tmp_path / "lock", "x"):
        raise KeyboardInterrupt
    with locks.exclusive_lock(tmp_path / "lock", "x"):
        pass


def test_lock_file_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """A lock taken on a file that its last holder removed would be held by two: it is refused."""
    import fcntl

    lock, real = tmp_path / "lock", fcntl.flock

    def remove_then_lock(handle, operation):
        lock.unlink(missing_ok=True)  # what an aborted creation in another process does
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", remove_then_lock)
    with pytest.raises(SweepLocked), locks.exclusive_lock(lock, "The sweep"):
        pass


def test_lock_where_nothing_can_be_written(tmp_path):
    """A lock below a file cannot be made and says so."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreError, match="Cannot create"),
        locks.exclusive_lock(tmp_path / "file" / "lock", "x"),
    ):
        pass


def test_who_asks_whether_a_lock_is_held_takes_nothing(tmp_path, holder):
    """It is held until its process has ended, in a folder that may only be read too."""
    lock = tmp_path / "lock"
    tmp_path.chmod(0o555)
    lock.chmod(0o444)
    try:
        assert locks.is_held(lock)
        holder.kill()
        holder.wait()
        assert not locks.is_held(lock)
    finally:
        tmp_path.chmod(0o755)
    assert not locks.is_held(tmp_path / "none")


def test_nothing_is_left_beside_a_lock_but_its_file(tmp_path):
    """Who holds it is said as long as it is held."""
    lock = tmp_path / "lock"
    with locks.exclusive_lock(lock, "The sweep"):
        assert locks.holder_file(lock).read_text().startswith("process ")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
