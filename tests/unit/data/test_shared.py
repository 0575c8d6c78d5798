"""Data that processes hold once: the same values, nothing taken that differs, nothing left."""

import gc
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from lossweights.data import Data, Folds, shared

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no such files here")

rng = np.random.default_rng(0)
X = {"a": rng.normal(size=(60, 5)), "b": np.asfortranarray(rng.integers(0, 9, (60, 3)))}
Y = rng.normal(size=(60, 2)).astype("float32")
Y[7, 1] = np.nan


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Small data are large."""
    monkeypatch.setattr(shared, "LARGE", 1)


def loaded(**changes):
    """Inputs of several types and layouts, unknown targets, weights, and parts that are views."""
    x = {key: array[:40] for key, array in X.items()}
    flags = (rng.integers(0, 2, (20, 1)) > 0, Y[40:], np.ones(20))
    given = {"train": (x, Y[:40].copy()), "val": flags, "test": flags, "missing": "nan", **changes}
    return Data(**given)


def open_files():
    """How many files of ours this process has open or mapped."""
    gc.collect()
    found = Path("/proc/self/maps").read_text().splitlines()
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that which lists them
            found.append(str(file.readlink()))
    return sum("lossweights-data" in line for line in found)


@pytest.mark.parametrize(
    "make",
    [loaded, lambda: loaded(class_weight={0: 2.0}, train=(X["a"], X["b"][:, 0])),
     lambda: Data.folds((X["a"], Y), 3, missing="nan"), lambda: Folds([loaded(), loaded()])],
)  # fmt: skip
def test_what_is_shared_is_the_same_and_a_process_that_takes_it_holds_nothing_else(make):
    """For data with weights of classes, and for folds."""
    given = make()
    ours, file = shared.share(given)
    assert file.nbytes >= given.nbytes > 0
    theirs = shared.take(given, file.path)
    for each in (ours, theirs):
        assert shared.are_shared(each)
        assert each.fingerprint() == given.fingerprint()
        assert (each.nbytes, repr(each)) == (given.nbytes, repr(given))
    assert not shared.are_shared(given)


def test_an_array_of_several_folds_is_held_once():
    """Test data, which are the same in all."""
    test = (np.zeros((1000, 5)), np.zeros(1000))
    _, alone = shared.share(Data.folds((X["a"], Y), 3, missing="nan"))
    _, beside = shared.share(Data.folds((X["a"], Y), 3, missing="nan", test=test))
    assert beside.nbytes - alone.nbytes < 1.1 * 4 * 6000


def test_an_array_that_differs_is_kept():
    """In a single value; NaN is the same as itself."""
    ours, file = shared.share(loaded())
    other = Y[:40].copy()
    other[39, 0] += 1
    mine = loaded(train=({key: array[:40] for key, array in X.items()}, other))
    theirs = shared.take(mine, file.path)
    assert theirs.fingerprint() == mine.fingerprint() != ours.fingerprint()
    assert theirs.train.y is mine.train.y
    assert shared.is_shared(theirs.train.x["a"])


def test_data_of_another_size_are_kept():
    """They are others, which the fingerprint of the sweep says as well."""
    _, file = shared.share(loaded())
    mine = loaded(train=(X["a"], Y))
    assert shared.take(mine, file.path) is mine


def test_where_nobody_shares_any_more_data_are_kept():
    """The driver has gone, or its file is not for us to open."""
    mine = loaded()
    assert shared.take(mine, "/proc/self/fd/9999") is mine


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(shared, "LARGE", 1 << 20),
        lambda patch: patch.setattr(shared, "free_bytes", lambda: 1000),
        lambda patch: patch.delattr(os, "memfd_create"),
        lambda patch: patch.setattr(os, "memfd_create", _forbidden),
    ],
    ids=["small", "no room", "another system", "forbidden"],
)
def test_data_are_left_as_they_are(monkeypatch, change):
    """Where sharing them saves nothing, or cannot be."""
    given = loaded()
    change(monkeypatch)
    assert shared.share(given) == (given, None)


def _forbidden(*_):
    raise PermissionError("seccomp")


def test_what_one_process_changes_no_other_sees():
    """Not even if it is careless; and the file itself cannot be changed by anybody."""
    ours, file = shared.share(loaded())
    theirs = shared.take(loaded(), file.path)
    theirs.train.x["a"][:] = 7.0
    assert (ours.train.x["a"] == X["a"][:40].astype("float32")).all()
    with pytest.raises(PermissionError):
        Path(file.path).write_bytes(b"other data")


def test_nothing_is_left():
    """The memory is given back with the last array, without anybody's clearing up."""
    ours, file = shared.share(loaded())
    kept = shared.take(loaded(), file.path).train.y
    assert open_files() > 1
    del ours, file
    assert open_files() == 2  # a mapping, and Python's own copy of the file's number
    assert kept.shape == (40, 2)
    del kept
    assert open_files() == 0
