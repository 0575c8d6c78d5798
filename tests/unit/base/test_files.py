"""Paths, atomic writes and locks: what is left when everything goes wrong."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lossweights.base import files
from lossweights.base.errors import StoreError, SweepLocked


def test_inside_refuses_links_that_lead_out(tmp_path):
    """A path below the root that a link leads away from it is refused."""
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "studies").symlink_to(outside)
    with pytest.raises(StoreError, match="Expected a path inside"):
        files.inside(root, "studies", "x")
    with pytest.raises(StoreError):
        files.inside(root, "..", "outside")


def test_inside_follows_links_within_the_root(tmp_path):
    """Links are not refused as such, nor is a root that is itself a link."""
    real = tmp_path / "real"
    (real / "a").mkdir(parents=True)
    (real / "b").symlink_to(real / "a")
    (tmp_path / "root").symlink_to(real)
    assert files.inside(tmp_path / "root", "b", "x").resolve() == real / "a" / "x"


def test_write_makes_the_folder_and_replaces_the_file(tmp_path):
    """A file and its folders appear, and a second write replaces the first."""
    path = tmp_path / "a" / "b.json"
    files.write_atomic(path, "one")
    files.write_atomic(path, b"two")
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["b.json"]


def test_written_files_can_be_read_by_others_as_the_umask_says(tmp_path):
    """A file has the rights that any other new file of this process has."""
    plain = tmp_path / "plain"
    plain.touch()
    files.write_atomic(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
@pytest.mark.parametrize("old", [None, "old"], ids=["new file", "old file"])
def test_a_crash_in_any_step_leaves_the_old_content(tmp_path, monkeypatch, step, old):
    """The file is whole, old or absent, and no temporary file is left, wherever writing fails."""
    path = tmp_path / "x.json"
    if old:
        path.write_text(old)

    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    if step == "write":
        full_disk = type("FullDisk", (io.FileIO,), {"write": fail})
        monkeypatch.setattr(Path, "open", lambda path, mode: full_disk(path, mode.strip("b")))
    elif step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StoreError, match="No space left"):
        files.write_atomic(path, "new")
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == (["x.json"] if old else [])
    assert not old or path.read_text() == old


def test_writing_where_nothing_can_be_written_says_so(tmp_path):
    """A folder that cannot be made is a StoreError with the path, also an OSError."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Cannot write") as raised:
        files.write_atomic(tmp_path / "file" / "x.json", "x")
    assert isinstance(raised.value, OSError)


HOLD = """
import sys
from pathlib import Path
from lossweights.base.files import exclusive_lock
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
        files.exclusive_lock(lock, "The sweep"),
    ):
        pass
    holder.communicate("")
    with files.exclusive_lock(lock, "The sweep"):
        pass


def test_lock_of_a_killed_process_is_not_stale(tmp_path, holder):
    """A process that is killed gives its lock back with its life."""
    holder.kill()
    holder.wait()
    with files.exclusive_lock(tmp_path / "lock", "The sweep"):
        pass


def test_lock_is_exclusive_within_one_process_too(tmp_path):
    """A second sweep of the same name in one process is refused as well."""
    lock = tmp_path / "lock"
    with (
        files.exclusive_lock(lock, "The sweep"),
        pytest.raises(SweepLocked),
        files.exclusive_lock(lock, "The sweep"),
    ):
        pass


def test_lock_is_released_by_an_error(tmp_path):
    """The lock does not outlive the block, however that ends."""
    with pytest.raises(KeyboardInterrupt), files.exclusive_lock(tmp_path / "lock", "x"):
        raise KeyboardInterrupt
    with files.exclusive_lock(tmp_path / "lock", "x"):
        pass


def test_lock_file_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    """A lock taken on a file that its last holder removed would be held by two: it is refused."""
    import fcntl

    lock, real = tmp_path / "lock", fcntl.flock

    def remove_then_lock(handle, operation):
        lock.unlink(missing_ok=True)  # what an aborted creation in another process does
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", remove_then_lock)
    with pytest.raises(SweepLocked), files.exclusive_lock(lock, "The sweep"):
        pass


def test_lock_where_nothing_can_be_written(tmp_path):
    """A lock below a file cannot be made and says so."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreError, match="Cannot create"),
        files.exclusive_lock(tmp_path / "file" / "lock", "x"),
    ):
        pass
