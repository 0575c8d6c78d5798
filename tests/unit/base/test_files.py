"""Names, paths, atomic writes, strict JSON and locks: what is left when everything goes wrong."""

import contextlib
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.base import files
from lossweights.base.errors import InvalidName, StoreError, SweepLocked

BAD_NAMES = [
    "",
    ".",
    "..",
    "-rf",
    "_x",
    ".hidden",
    "a/b",
    "../x",
    "/etc/x",
    "a\\b",
    "a\0b",
    "a\n",
    "\na",
    "a b",
    "a..b",
    "a.",
    "x" * 65,
    "x" * 600,
    "é",
    "a\u202eb",
    "\ud800",
    "CON",
    "con.txt",
    "nul",
    "LPT1",
    "com9.json",
    "\u0661",  # a digit, but not one of ours
    None,
    3,
    b"bytes",
    ["list"],
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_bad_names_are_refused(name):
    """What is not a plain name is refused with a message that prints anywhere and stays short."""
    with pytest.raises(InvalidName) as raised:
        files.check_name(name, "sweep")
    message = str(raised.value)
    assert message.isascii()
    assert len(message) < 400
    assert "Expected" in message
    assert "Found" in message


@pytest.mark.parametrize("name", ["a", "bike-demand", "A.b_c-1", "0", "x" * 64, "console", "com10"])
def test_plain_names_pass(name):
    """A plain name comes back as it is."""
    assert files.check_name(name, "sweep") == name


@given(st.text(max_size=70))
def test_accepted_names_are_one_path_segment(name):
    """Whatever passes as a name stays where it is put, on every system's rules."""
    try:
        files.check_name(name, "sweep")
    except InvalidName:
        return
    assert name.isascii()
    assert Path(name).name == name
    assert not set(name) & set('<>:"/\\|?* \0')


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


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan]])
def test_numbers_that_are_not_finite_are_never_written(value):
    """Strict JSON has no NaN and no infinity."""
    with pytest.raises(ValueError):
        files.dump_json({"x": value})
    with pytest.raises(ValueError):
        files.canonical_json({"x": value})


HOSTILE_JSON = {
    "empty": b"",
    "spaces": b"  \n",
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "latin-1": '{"a": "é"}'.encode("latin-1"),
    "nul": b'{"a": "\0"}',
    "brackets": b"[" * 200_000,
    "braces": b'{"a":' * 200_000,
    "alternating": b'[{"a":' * 100_000,
    "too many digits": b"1" * 10_000,
    "huge exponent": b'{"a": 1e999}',
    "minus infinity": b'{"a": -1e999}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "duplicate key": b'{"a": 1, "a": 2}',
    "escaped duplicate key": b'{"a": 1, "\\u0061": 2}',
    "nested duplicate key": b'[{"a": {"b": 1, "b": 1}}]',
    "surrogate": b'{"a": "\\ud800"}',
    "surrogate in key": b'{"\\udfff": 1}',
    "surrogate in list": b'[["\\ud800x"]]',
    "trailing comma": b'{"a": 1,}',
    "trailing text": b"{} {}",
    "comment": b"{} // no",
    "single quotes": b"{'a': 1}",
    "python literal": b"__import__('os')",
}


@pytest.mark.parametrize("data", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
def test_hostile_json_is_a_value_error(data):
    """Whatever is not strict JSON ends as a ValueError with a short message."""
    with pytest.raises(ValueError) as raised:
        files.parse_json(data)
    assert len(str(raised.value)) < 300


def test_too_many_bytes_are_refused_before_parsing():
    """The size is bounded, and exactly the bound is still read."""
    text = json.dumps("x" * 98).encode()
    assert files.parse_json(text, max_bytes=100) == "x" * 98
    with pytest.raises(ValueError, match="at most 99 bytes, found 100"):
        files.parse_json(text, max_bytes=99)


@pytest.mark.parametrize("depth", [1, 3, 16])
def test_depth_is_bounded_exactly(depth):
    """The deepest allowed nesting is read, one more is refused with its offset."""
    deepest = b"[" * depth + b"]" * depth
    files.parse_json(deepest, max_depth=depth)
    with pytest.raises(ValueError, match=f"at offset {depth}"):
        files.parse_json(b"[" + deepest + b"]", max_depth=depth)


def test_brackets_in_strings_are_no_depth():
    """Only structure counts as depth, whatever texts hold and however they are escaped."""
    value = {"[[[[": ['\\"[[[[{{', "\\", "]]]]"]}
    assert files.parse_json(json.dumps(value).encode(), max_depth=2) == value


texts = st.text(st.characters(codec="utf-8"), max_size=10)
numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_json_survives_a_round_trip(value):
    """What is written is read back equal, to the last bit of every float."""
    assert files.parse_json(files.dump_json(value).encode(), max_depth=99) == value


@given(st.binary(max_size=200))
def test_random_bytes_never_do_more_than_fail(data):
    """No bytes raise anything but ValueError."""
    with contextlib.suppress(ValueError):
        files.parse_json(data)


def test_canonical_json_does_not_depend_on_order():
    """Equal mappings have one spelling."""
    assert files.canonical_json({"b": 1, "a": [1.0, None]}) == b'{"a":[1.0,null],"b":1}'


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
