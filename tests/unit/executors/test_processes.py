"""How many workers load large data at once, and that the others wait for their turn."""

import threading
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest

from lossweights.executors import ProcessExecutor, _processes
from lossweights.executors._messages import receive, send

GIB = 1 << 30


@pytest.mark.parametrize(
    ("nbytes", "free", "workers", "at_once"),
    [(None, 0, 8, 8), (GIB, 64 * GIB, 8, 8), (2 * GIB, 16 * GIB, 8, 4), (9 * GIB, GIB, 8, 1)],
)
def test_as_many_load_at_once_as_half_of_the_free_memory_holds(
    monkeypatch, nbytes, free, workers, at_once
):
    """All, if data are small and each has its own."""
    monkeypatch.setattr(_processes, "free_bytes", lambda: free)
    shared = None if nbytes is None else SimpleNamespace(nbytes=nbytes)
    assert _processes._loading_at_once(workers, shared) == at_once


class _Worker:
    """A worker that gets ready when it is told to."""

    node = ""
    started = ()
    news = threading.Condition()

    def __init__(self, *_):
        self.pipe, self.theirs = Pipe()
        self.pid = 1
        with self.news:
            _Worker.started = (*_Worker.started, self)
            self.news.notify_all()

    def send(self, say, **content):
        send(self.pipe, say, **content)

    def get_ready(self):
        self.asked = receive(self.theirs)
        send(self.theirs, "ready", trainer="fake", capacity=1, fingerprint="same")

    def hear(self):
        return receive(self.pipe)

    def end(self):
        self.pipe.close()
        return "", ""

    def kill(self):
        pass


def test_a_worker_waits_until_another_has_loaded(monkeypatch):
    """Where memory has room for one copy of the data; each is told where the driver's are."""
    monkeypatch.setattr(_processes, "Child", _Worker)
    monkeypatch.setattr(_processes, "free_bytes", lambda: 0)
    monkeypatch.setattr(_Worker, "started", ())
    shared = SimpleNamespace(nbytes=1, path="/proc/1/fd/2")
    executor = ProcessExecutor(3, {"script": "none"}, "auto", "same", shared=shared)
    starting = threading.Thread(target=executor.start)
    starting.start()
    for number in (1, 2, 3):
        with _Worker.news:
            assert _Worker.news.wait_for(lambda n=number: len(_Worker.started) >= n, 10)
            assert not _Worker.news.wait_for(lambda n=number: len(_Worker.started) > n, 0.1)
        worker = _Worker.started[-1]
        worker.get_ready()
        assert worker.asked["shared"] == shared.path
    starting.join(10)
    executor.close()
    assert executor.slots == len(_Worker.started) == 3
