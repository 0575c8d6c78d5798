"""F23 and F24: weight-set files that are damaged, or were made to do harm."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.errors import WeightSetError
from lossweights.weights import WeightSet

pytestmark = pytest.mark.faults

SET = WeightSet(
    {"mse": 1.0, "under": 0.25},
    name="bike@knee",
    scales={"mse": 2.0, "under": 0.5},
    terms={"mse": {"class": "MeanSquaredError"}, "under": None},
    metrics={"rmse": 1.5},
    origin={"sweep": "bike", "trial": 3},
)


@pytest.fixture
def path(tmp_path):
    """A good file."""
    return SET.save(tmp_path / "set.json")


def test_f23_cut_at_every_byte(path):
    """Never a partial load: the error names the file."""
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightSetError, match=r"set\.json"):
            WeightSet.read(path)


def test_f23_every_flipped_byte_is_noticed_or_changes_nothing(path):
    """The checksum inside the file catches what is still JSON."""
    whole = path.read_bytes()
    for offset in range(len(whole)):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        try:
            found = WeightSet.read(path)
        except WeightSetError:
            continue
        assert found == SET, offset


@given(st.binary(max_size=300))
def test_f23_random_bytes(tmp_path_factory, data):
    """Any bytes at all: the named error, and no other."""
    path = tmp_path_factory.mktemp("any") / "set.json"
    path.write_bytes(data)
    with pytest.raises(WeightSetError):
        WeightSet.read(path)


def test_f23_other_versions_and_marks(path):
    """Empty, with a byte-order mark, of another version, of the future."""
    good = json.loads(path.read_bytes())
    version = next(key for key, value in good.items() if isinstance(value, int))
    for content in (
        b"",
        b"\xef\xbb\xbf" + path.read_bytes(),
        json.dumps({**good, version: 0}).encode(),
        json.dumps({**good, version: 99}).encode(),
    ):
        path.write_bytes(content)
        with pytest.raises(WeightSetError, match=r"set\.json"):
            WeightSet.read(path)


HOSTILE = {
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "huge number": b'{"weights": {"mse": 1e999}}',
    "digits": b'{"weights": {"mse": ' + b"9" * 10_000 + b"}}",
    "duplicate keys": b'{"weights": {"mse": 1.0, "mse": 2.0}}',
    "bool": b'{"weights": {"mse": true}}',
    "surrogate": b'{"name": "\\ud800"}',
    "constants": b'{"weights": {"mse": NaN, "under": Infinity}}',
    "quotes": b'"' + b'\\"' * 400_000,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_f24_hostile_content(tmp_path, what):
    """No stack overflow, no silent choice between two values, nothing run."""
    path = tmp_path / "set.json"
    path.write_bytes(HOSTILE[what])
    with pytest.raises(WeightSetError):
        WeightSet.read(path)


def test_f24_hostile_files(tmp_path):
    """A sparse file of 2 GiB, a link to endless zeros, a pipe, a folder: refused unread."""
    sparse = tmp_path / "sparse.json"
    with sparse.open("wb") as stream:
        stream.truncate(2 << 30)
    zeros = tmp_path / "zeros.json"
    zeros.symlink_to("/dev/zero")
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    for path in (sparse, zeros, pipe, tmp_path):
        with pytest.raises(WeightSetError):
            WeightSet.read(path)
