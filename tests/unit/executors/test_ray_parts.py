"""The driver's side of a cluster, without one: what a slot says, and what is refused."""

import json
import os
import queue
import sys
import threading
from concurrent.futures import Future

import pytest

from lossweights.base.errors import RecipeError, WorkerError
from lossweights.base.versions import versions
from lossweights.executors import Node, Slots, refuse_without_ray, slots_of
from lossweights.executors import _ray_actor as actor_module
from lossweights.executors import _ray_worker as module
from lossweights.executors._ray_actor import ANSWER_BYTES, LONELY_SECONDS, Slot
from lossweights.executors._ray_cluster import _unless_said, check_versions
from lossweights.executors._ray_worker import Pump, RayWorker, beat_of

HERE = {
    "say": "here",
    "node": "far/1a2b3c",
    "node_id": "1a2b3c4d",
    "pid": 41,
    "versions": versions(),
}


class Actor:
    """A slot whose answers the test gives."""

    def __init__(self):
        self.asked, self.told = queue.SimpleQueue(), []
        self.killed = False
        self.hear, self.tell, self.let_go = self.called(self._hear), self.called(self._tell), None

    @staticmethod
    def called(call):
        """As a method of an actor is."""
        return type("Call", (), {"remote": staticmethod(call)})

    def _hear(self, seconds):
        future = Future()
        self.asked.put(future)
        return type("Reference", (), {"future": lambda self: future})()

    def _tell(self, number, part, goes_on):
        self.told.append((number, part, goes_on))

    def answers(self, *messages, output=b""):
        """Answer what is being asked."""
        said = [json.dumps(message).encode() for message in messages]
        self.answers_with(said, output, False)

    def answers_with(self, *answer):
        """Answer what is being asked, as a slot does."""
        self.asked.get(timeout=10).set_result(answer)

    def kill(self, actor):
        """As `RayCluster.kill`."""
        self.killed = True


@pytest.fixture
def pump():
    """A pump that is ended."""
    made = Pump()
    yield made
    made.close()


@pytest.fixture
def held(pump):
    """A worker and its actor."""
    actor = Actor()
    return RayWorker(actor, pump, actor.kill, check_versions, 0.0, None, None), actor


class Child:
    """A worker process that prints nothing and is told everything."""

    pid = 41

    def __init__(self):
        self.sent = []
        self.send_bytes = self.sent.append

    def send(self, say, **content):
        """As `Child.send`."""

    def output(self, start, most):
        """As `Child.output`."""
        return b""


@pytest.fixture
def slot():
    """A slot without its threads, and with a worker that there is not."""
    made = Slot.__new__(Slot)
    made._said, made._child, made._shown, made._rest = queue.SimpleQueue(), Child(), 0, b""
    made._has_more, made._showing, made._end = False, threading.Lock(), None
    made._untold, made._part, made._early, made._next = b"", b"", {}, 0
    made._telling, made._lonely = threading.Lock(), LONELY_SECONDS
    return made


def test_messages_come_in_their_order_and_what_is_printed_in_a_file(held, tmp_path):
    """Also what was printed before there was a folder for it."""
    worker, actor = held
    actor.answers(HERE, {"say": "ready"}, output=b"early ")
    assert worker.hear() == {"say": "ready"}
    assert (worker.node, worker.node_id, worker.pid) == ("far/1a2b3c", "1a2b3c4d", 41)
    worker.log_to(tmp_path / "logs" / "worker-1.log")
    actor.answers(output=b"late")
    actor.answers({"say": "started"})
    assert worker.hear() == {"say": "started"}
    assert (tmp_path / "logs" / "worker-1.log").read_bytes() == b"early late"
    worker.send("batch")
    worker.send("stop")
    assert actor.told == [(0, b'{"say": "batch"}', False), (1, b'{"say": "stop"}', False)]


def test_a_worker_that_is_gone_says_how(held):
    """With the end of what it wrote; nothing can be sent to it any more."""
    worker, actor = held
    actor.answers(HERE, {"say": "gone", "how": "was killed by SIGKILL", "tail": "last words"})
    with pytest.raises(EOFError):
        worker.hear()
    with pytest.raises(OSError):
        worker.send("batch")
    assert worker.end() == ("was killed by SIGKILL", "last words")
    assert actor.killed


@pytest.mark.parametrize(
    ("said", "how"),
    [("The actor died because its node has died.", "its node is gone"),
     ("The actor died unexpectedly", "its actor is gone"),
     ("failed to import: ModuleNotFoundError", "a node lacks lossweights")],
)  # fmt: skip
def test_what_ray_says_of_a_death_is_a_clause(held, said, how):
    """The whole of it stays among the details."""
    worker, actor = held
    actor.asked.get(timeout=10).set_exception(RuntimeError(said))
    with pytest.raises(EOFError):
        worker.hear()
    clause, tail = worker.end()
    assert how in clause
    assert said in tail


def test_a_silent_node_is_given_up(held, monkeypatch):
    """One that has answered once; one that waits for its place may be silent."""
    worker, actor = held
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    actor.answers(HERE)
    with pytest.raises(EOFError):
        worker.hear()
    assert "silent" in worker.end()[0]
    assert actor.killed


def test_a_node_is_not_silent_where_the_driver_is_slow(held, pump, monkeypatch):
    """What has come and was not looked at yet counts: a disk for logs may hang."""
    worker, actor = held
    monkeypatch.setattr(module, "SILENT_SECONDS", 1.0)
    actor.answers(HERE, {"say": "ready"})
    assert worker.hear() == {"say": "ready"}
    hangs = threading.Event()
    pump._answers.put(lambda: hangs.wait(10))
    for _ in range(4):
        worker._be_patient()
    actor.answers({"say": "started"})
    for _ in range(100):  # of which a few are too many where it is asked
        worker._be_patient()
    assert not actor.killed
    hangs.set()
    assert worker.hear() == {"say": "started"}
    for _ in range(5):
        worker._be_patient()
    assert actor.killed


def test_all_that_a_worker_prints_arrives(slot):
    """More than an answer has room for too, also of one that has ended, and without a wait."""
    text = bytes(range(256)) * (ANSWER_BYTES // 50)
    slot._child.output = lambda start, most: text[start : start + most]
    found = slot.hear(0.0)[1]
    while slot._has_more:
        found += slot.hear(1000.0)[1]
    assert found == text
    slot._shown = 0
    slot._rest, slot._child.output = slot._output(1 << 20), lambda start, most: b""
    slot._end = b"gone"
    slot._said.put(b"last words")
    slot._said.put(None)
    said, found, _ = slot.hear(1000.0)
    assert said == [b"last words"]
    while not said.count(b"gone"):  # the driver asks nothing any more once it has heard that
        assert len(found) < len(text)
        said, more, _ = slot.hear(1000.0)
        found += more
    assert found == text


def test_a_long_message_goes_both_ways_in_parts_below_what_ray_stores(slot, held):
    """A result of some hundred epochs; Ray may hand over what is told in another order."""
    worker, actor = held
    long = {"say": "result", "result": "0123456789" * ANSWER_BYTES}
    for each in (HERE, long, {"say": "ended"}):
        slot._said.put(json.dumps(each).encode())
    answers = []
    while slot._untold or not slot._said.empty():
        answers.append(slot.hear(1000.0))
        assert sum(map(len, answers[-1][0])) + len(answers[-1][1]) <= ANSWER_BYTES
        actor.answers_with(*answers[-1])
    assert len(answers) > 10
    assert [worker.hear(), worker.hear()] == [long, {"say": "ended"}]
    worker.send("batch", members=long["result"])
    worker.send("stop")
    assert all(len(part) <= ANSWER_BYTES for _, part, _ in actor.told)
    for each in reversed(actor.told):
        slot.tell(*each)
    batch, stop = map(json.loads, slot._child.sent)
    assert batch == {"say": "batch", "members": long["result"]}
    assert stop == {"say": "stop"}


@pytest.mark.parametrize("wrong", ["its start", "what it says", "its end"])
def test_whatever_goes_wrong_in_a_slot_is_told_as_an_end(slot, monkeypatch, wrong):
    """Else it would answer that there is no news, and its batch would wait for ever."""

    class Broken(Child):
        def __init__(self, *_):
            super().__init__()
            if wrong == "its start":
                raise TypeError("no such thing")

        def hear_bytes(self):
            raise ValueError("no such thing")

        def end(self):
            if wrong == "its end":
                raise RuntimeError("no such process")
            return "ended with exit code 1", "last words"

    monkeypatch.setattr(actor_module, "Child", Broken)
    monkeypatch.setattr(actor_module, "_node", lambda: ("far/1a2b3c", "1a2b3c4d"))
    slot._cores, slot._load, slot._carried, slot._child = 1, {}, None, None
    slot._work()
    said = [json.loads(each) for each in slot.hear(0.0)[0]]
    said += [json.loads(each) for each in slot.hear(0.0)[0]]
    assert said[-1]["say"] == "gone"
    assert "no such thing" in said[-1]["how"]
    assert said[-1]["tail"] == ("last words" if wrong == "what it says" else "")


def test_a_slot_of_many_is_not_lonely_between_two_words(slot):
    """With more slots each is asked more rarely, and waits longer for that."""
    slot._said.put(b"news")
    slot.hear(beat_of(2))
    assert slot._lonely == LONELY_SECONDS
    slot._said.put(b"news")
    slot.hear(beat_of(100_000))
    assert slot._lonely > 3 * beat_of(100_000)  # after which the driver gives it up


def test_no_room_is_said(pump, monkeypatch):
    """By the first worker, after as long as it was to wait."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    actor = Actor()
    worker = RayWorker(actor, pump, actor.kill, check_versions, 0.0, None, patience=0.0)
    with pytest.raises(WorkerError, match="Expected room for a worker on a node"):
        worker.hear()


def test_nodes_of_other_versions_are_refused(held):
    """Each package that differs is named, with what is here."""
    worker, actor = held
    actor.answers({**HERE, "versions": {**versions(), "keras": "3.0"}})
    with pytest.raises(WorkerError, match=r"Expected keras .* Found keras 3.0 on far/1a2b3c"):
        worker.hear()


@pytest.mark.parametrize(
    ("nodes", "workers", "slots"),
    [
        ([Node(0), Node(2)], None, Slots(2, 1, 0.0, 2)),  # a head that is to train nothing
        ([Node(1)] * 3, None, Slots(3, 1, 0.0, 1)),
        ([Node(1)], 3, Slots(3, 1, 0.0, 1)),  # two wait for nodes
        ([Node(8)] * 2, 2, Slots(2, 8, 0.0, 1)),
        ([Node(8, gpus=2)], None, Slots(2, 1, 1.0, 2)),
        ([Node(8, gpus=1), Node(8)], 4, Slots(4, 2, 0.25, 4)),
        ([Node(8, memory=3 << 30)], None, Slots(3, 1, 0.0, 3, 1 << 30)),
        ([], None, Slots(0, 1, 0.0, 1)),
    ],
)
def test_slots_follow_from_what_nodes_have(nodes, workers, slots):
    """Cores, GPUs and memory."""
    found = slots_of(nodes, workers)
    assert found == slots


def test_data_take_their_part_of_a_node_before_its_workers_do():
    """Held once by all of them, and a second time by one that loads."""
    nodes = [Node(8, memory=6 << 30), Node(8, memory=2 << 30), Node(8)]
    assert slots_of(nodes).number == 6 + 2 + 8
    assert slots_of(nodes, data=1 << 30).number == 4 + 0 + 8
    assert slots_of(nodes, workers=3, data=1 << 30).number == 3  # as was said


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    """Before anything is done."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RecipeError, match=r"pip install '\.\[ray\]'"):
        refuse_without_ray()


def test_what_is_set_for_ray_is_taken_back(monkeypatch):
    """And what the user has set stays."""
    monkeypatch.setenv("RAY_ONE", "said")
    with _unless_said({"RAY_ONE": "1", "RAY_OTHER": "1"}):
        assert (os.environ["RAY_ONE"], os.environ["RAY_OTHER"]) == ("said", "1")
    assert os.environ["RAY_ONE"] == "said"
    assert "RAY_OTHER" not in os.environ
