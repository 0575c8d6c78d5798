"""Workers that cannot: what their pool makes of it."""

import queue
import threading
import time

import pytest

from lossweights.base.errors import WorkerError
from lossweights.executors import Batch, Lost, RayExecutor, Slots
from lossweights.executors import _ray as ray_module
from lossweights.executors import _supervisor as supervisor_module
from lossweights.executors._pool import WorkerPool
from lossweights.executors._ray_worker import RayWorker
from lossweights.executors._supervisor import MAX_STARTS, Supervisor
from lossweights.records import Failure
from lossweights.testing._contract_tools import member

READY = {"say": "ready", "trainer": "fake", "capacity": 1, "fingerprint": "same"}
PATIENCE = 10.0


class _Mortal:
    """A worker that dies of the batch that it is sent, and of none else."""

    node, deaths = "", []

    def __init__(self, *_):
        self.pid, self._said = 1, queue.SimpleQueue()
        self._said.put(READY)

    def send(self, say, **content):
        if say == "batch":
            self._said.put(None)

    def hear(self):
        said = self._said.get(timeout=PATIENCE)
        if said is None:
            _Mortal.deaths.append(self)
            raise EOFError
        return said

    def end(self):
        return "was killed by SIGKILL", ""

    def kill(self):
        self._said.put(None)


class _Pool(WorkerPool):
    """Three workers."""

    def __init__(self):
        super().__init__("same")
        self._supervisors = [Supervisor(self, n, _Mortal, None, None) for n in (1, 2, 3)]


def test_a_batch_that_kills_workers_is_given_up_whoever_takes_it(monkeypatch):
    """After as many workers in all as there are tries, and the pool lives on."""
    monkeypatch.setattr(_Mortal, "deaths", [])
    pool, lost = _Pool(), []
    pool.start()
    for key in range(2):
        pool.submit(Batch(key, (member(),)))
    while len(lost) < 2:
        pool.poll(1.0, lost.append)
    pool.close()
    assert {event.batch for event in lost} == {0, 1}
    assert all(isinstance(event, Lost) for event in lost)
    assert {event.failure for event in lost} == {Failure.WORKER_KILLED}
    assert len(_Mortal.deaths) == 2 * MAX_STARTS


class _Placed(RayWorker):
    """A worker on a node, which may not be able to work there, or die there."""

    bad, deadly = (), ()

    def __init__(self, actor, *_):
        self.node, self.node_id, self.pid = f"far/{actor}", actor, 1

    def hear(self):
        if self.node_id == "broken":
            return {"say": "broken", "reason": "no such file", "details": ""}
        if self.node_id in self.deadly:
            raise EOFError
        if self.node_id in self.bad:
            raise WorkerError(f"Expected versions of here. Found others on {self.node}.")
        return READY

    def end(self):
        return "was ended", ""

    def kill(self):
        pass


class _Cluster:
    """Places workers on nodes with room for one each, as soon as there are such nodes."""

    def __init__(self):
        self.free, self.changed = ["head"], threading.Condition()

    def place(self, location):
        return dict(location)

    def start(self, slots, load, carried, avoided):
        with self.changed:
            while not (able := [node for node in self.free if node not in avoided]):
                self.changed.wait(PATIENCE)
            self.free.remove(able[0])
            return able[0]

    def join(self, *nodes):
        with self.changed:
            self.free.extend(nodes)
            self.changed.notify_all()

    def kill(self, actor):
        pass


@pytest.fixture
def cluster(monkeypatch):
    """A cluster without Ray; two nodes that may come are of other versions."""
    monkeypatch.setattr(ray_module, "RayWorker", _Placed)
    monkeypatch.setattr(_Placed, "bad", ("bad", "worse"))
    return _Cluster()


def test_nodes_that_join_and_cannot_work_are_done_without(cluster, caplog):
    """Each is named once; the slots go to others, and the sweep goes on."""
    executor = RayExecutor(cluster, Slots(3), {"script": "s.py"}, "fake", "same")
    executor.start()
    cluster.join("bad", "worse", "good", "better")
    until(executor, lambda: nodes_of(executor) == {"far/head", "far/good", "far/better"})
    executor.close()
    warned = [each.getMessage() for each in caplog.records]
    assert sorted(warned) == [
        f"A node is done without. Expected versions of here. Found others on far/{node}."
        for node in ("bad", "worse")
    ]


def until(executor, condition):
    """Hear what workers tell until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        executor.poll(0.01, print)


def nodes_of(executor):
    """Where its workers are now."""
    return {state.node for state in executor.workers()}


def test_the_first_node_has_to_be_able(cluster):
    """Else the sweep ends before it begins."""
    cluster.free = ["bad"]
    executor = RayExecutor(cluster, Slots(2), {"script": "s.py"}, "fake", "same")
    with pytest.raises(WorkerError, match="Found others on far/bad"):
        executor.start()
    executor.close()


def test_a_node_that_cannot_load_the_sweep_is_done_without(cluster, caplog):
    """Where others can; a file may be missing there."""
    executor = RayExecutor(cluster, Slots(2), {"script": "s.py"}, "fake", "same")
    executor.start()
    cluster.join("broken", "good")
    until(executor, lambda: nodes_of(executor) == {"far/head", "far/good"})
    executor.close()
    (warning,) = [each.getMessage() for each in caplog.records]
    assert warning.startswith("A node is done without. Expected a worker that can load the sweep.")


def test_where_one_was_able_another_one_has_to_be(cluster, monkeypatch):
    """What is wrong on a node that has trained is wrong with the sweep, which then ends."""
    executor = RayExecutor(cluster, Slots(2), {"script": "s.py"}, "fake", "same")
    executor.start()
    monkeypatch.setattr(_Placed, "bad", ("head",))
    cluster.join("head")
    with pytest.raises(WorkerError, match="Found others on far/head"):
        until(executor, lambda: False)
    executor.close()


def test_a_slot_whose_workers_die_is_tried_again_later(cluster, monkeypatch, caplog):
    """As long as others train; a node may lack our package, which kills an actor there."""
    monkeypatch.setattr(supervisor_module, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(supervisor_module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(_Placed, "deadly", ("poor",))
    executor = RayExecutor(cluster, Slots(2), {"script": "s.py"}, "fake", "same")
    executor.start()
    cluster.join(*["poor"] * 2 * MAX_STARTS, "good")
    until(executor, lambda: nodes_of(executor) == {"far/head", "far/good"})
    executor.close()
    said = [each.getMessage() for each in caplog.records]
    assert sum(each.startswith("A slot is without a worker for now") for each in said) == 2


def test_workers_that_died_before_a_batch_came_do_not_count_against_it(monkeypatch):
    """A node that goes leaves all its idle workers dead, and each is found when it is sent one."""
    monkeypatch.setattr(_Mortal, "deaths", [])

    def send(self, say, **content):
        if len(_Mortal.deaths) < 3:
            _Mortal.deaths.append(self)
            raise BrokenPipeError
        self._said.put({"say": "lost", "batch": 0, "failure": "EXCEPTION", "reason": "trained",
                        "details": ""})  # fmt: skip

    monkeypatch.setattr(_Mortal, "send", send)
    pool, lost = _Pool(), []
    pool.start()
    pool.submit(Batch(0, (member(),)))
    while not lost:
        pool.poll(1.0, lost.append)
    pool.close()
    assert lost[0].reason == "trained"
