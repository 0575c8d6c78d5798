"""F23 and F24: weight-set files that are damaged, or were made to do harm."""

import hashlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.base.errors import WeightSetError
from lossweights.base.strict_json import canonical_json
from lossweights.loss.weight_set import WeightSet

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


def forged(old, new):
    """The bytes of a good file with something changed, and a checksum that fits the change."""
    whole = json.loads(SET.to_json())
    del whole["sha256"]
    text = canonical_json(whole)
    assert old in text
    changed = text.replace(old, new, 1)
    checksum = hashlib.sha256(changed).hexdigest().encode()
    return changed[:-1] + b',"sha256":"' + checksum + b'"}'


MANY = b",".join(b'"t%03d":1.0' % i for i in range(300))
# Each is hostile in one thing alone, and says why it was refused.
HOSTILE = {
    "deep": (b"[" * 200_000, "nesting"),
    "deep objects": (b'{"a":' * 100_000, "nesting"),
    "deep in a term": (forged(b'"under":null', b'"under":{"class":"x","a":[[[1]]]}'), "nesting"),
    "huge number": (forged(b'"mse":1.0', b'"mse":1e999'), "finite numbers, found '1e999'"),
    "digits": (forged(b'"mse":1.0', b'"mse":' + b"9" * 10_000), "10000 digits"),
    "too large": (forged(b'"mse":1.0', b'"mse":1e+308'), "finite weight"),
    "nan": (forged(b'"mse":1.0', b'"mse":NaN'), "finite numbers, found NaN"),
    "infinity": (forged(b'"mse":1.0', b'"mse":Infinity'), "finite numbers, found Infinity"),
    "negative": (forged(b'"mse":1.0', b'"mse":-1.0'), "finite weight"),
    "duplicate keys": (forged(b'"mse":1.0', b'"mse":1.0,"mse":2.0'), "unique keys"),
    "bool": (forged(b'"mse":1.0', b'"mse":true'), "plain numbers"),
    "text": (forged(b'"mse":1.0', b'"mse":"1.0"'), "plain numbers"),
    "surrogate": (forged(b'"bike@knee"', b'"\\ud800"'), "lone surrogate"),
    "unknown key": (forged(b'"version":2', b'"version":2,"x":1'), "expected the keys"),
    "path as name": (forged(b'"mse":1.0', b'"../mse":1.0'), "Invalid term name"),
    "many terms": (forged(b'"mse":1.0', MANY), "at most 256 terms"),
    "quotes": (b'"' + b'\\"' * 400_000, "expected JSON"),
    "long": (b" " * (1 << 20) + forged(b"mse", b"mse"), "at most 1048576 bytes"),
}  # fmt: skip


def test_f24_a_forged_file_that_is_not_hostile_is_read():
    """The checksum is no secret: it finds damage, and the table below what else there is."""
    assert WeightSet.parse(forged(b"mse", b"mse")) == SET


@pytest.mark.parametrize("what", HOSTILE)
def test_f24_hostile_content(tmp_path, what):
    """No stack overflow, no silent choice between two values, nothing run: refused for a reason."""
    path, (data, reason) = tmp_path / "set.json", HOSTILE[what]
    path.write_bytes(data)
    with pytest.raises(WeightSetError, match=reason):
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
