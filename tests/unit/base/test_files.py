"""Paths and atomic writes: what is left when everything goes wrong."""

import io
import os
from pathlib import Path

import pytest

from lossweights.base import files
from lossweights.base.errors import StoreError


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
