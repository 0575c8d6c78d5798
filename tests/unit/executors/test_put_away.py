"""What is put away is read as it was, and held by nobody meanwhile."""

import os
import resource
import signal
import tracemalloc
from pathlib import Path

from lossweights.executors import _put_away
from lossweights.executors._put_away import PutAway

SIZE = 8 << 20


def made():
    """Bytes that nobody else holds."""
    return os.urandom(1 << 20) * (SIZE >> 20)


def open_files():
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_it_is_read_as_it_was_and_takes_no_memory():
    """Also by several at once; it ends with what holds it."""
    tracemalloc.start()
    try:
        held = PutAway(made())
        assert tracemalloc.get_traced_memory()[0] < SIZE // 2
    finally:
        tracemalloc.stop()
    file = held._file
    one, other = held.read(), held.read()
    assert len(one) == SIZE
    assert one[:] == other[:]
    del held
    assert file.closed
    assert one[-1] == other[-1]  # what is being read outlives it


def test_bytes_stay_in_memory_where_there_is_no_room(monkeypatch):
    """On a disk that is full, and where there is none."""
    data = made()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, limits[1]))
    files = open_files()
    try:
        kept = PutAway(data)
        assert kept.read() is data
        assert open_files() == files  # what was written of it is given back
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)

    def refuse(**_):
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(_put_away.tempfile, "TemporaryFile", refuse)
    assert PutAway(data).read() is data
