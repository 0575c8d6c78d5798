"""F33: actors and nodes die, fall silent and join while batches train."""

import os
import signal

import pytest

from lossweights.base.errors import WorkerError
from lossweights.cli._script import load_sweep
from lossweights.executors import Batch, Ended, Lost, RayExecutor, Slots, Started
from lossweights.executors import _ray_worker as worker
from lossweights.records import Failure
from lossweights.testing._contract_tools import CONTRACT_SCRIPT, HANG, member, train

from ..faults.helpers import alive, eventually, kill
from .cluster import STORE_BYTES, parent_of

pytestmark = pytest.mark.faults


@pytest.fixture
def executor(connection, tmp_path):
    """Makes executors of the contract's sweep, which have started."""
    script = tmp_path / "contract.py"
    script.write_text(f"EPOCHS = 3\n{CONTRACT_SCRIPT}")
    fingerprint = load_sweep(script).prepare(rehearse=False).fingerprint
    made = []

    def make(slots):
        location = {"script": str(script)}
        made.append(RayExecutor(connection, Slots(slots), location, "auto", fingerprint))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.kill()
        each.close()


def hanging(*keys):
    """Batches that never end."""
    return [Batch(key, (member(seed=HANG),)) for key in keys]


def started(executor, batches, submit=True):
    """Submit batches and wait until all of them train; the events of that, by batch."""
    found = {}
    for batch in batches if submit else ():
        executor.submit(batch)
    while len(found) < len(batches):
        executor.poll(1.0, lambda e: found.update({e.batch: e}) if isinstance(e, Started) else None)
    return found


def waits_for_a_node(cluster, executor, key):
    """A batch has no place until a node joins, and trains on that one; then all is ended."""
    executor.submit(*hanging(key))
    executor.poll(1.0, lambda event: event.batch == key and pytest.fail("it has a place"))
    joined = cluster.add()
    try:
        (event,) = started(executor, hanging(key), submit=False).values()
        assert event.node.endswith(joined.node_id[:6])
    finally:
        executor.kill()
        cluster.kill(joined)


def test_f33_an_actor_that_is_killed_costs_its_batch_alone(executor, capsys):
    """Its worker ends with it; another one takes its place, and Ray prints nothing of it."""
    trains = executor(1)

    def listen(event):
        if isinstance(event, Started) and event.batch == 0:
            pids.append(event.pid)
            kill(parent_of(event.pid))

    pids = []
    events = train(trains, [*hanging(0), Batch(1, (member(),))], listen)
    lost, ended = [event for event in events if isinstance(event, Lost | Ended)]
    assert (lost.batch, lost.failure) == (0, Failure.WORKER_KILLED)
    assert "its actor is gone" in lost.reason
    assert isinstance(ended, Ended)
    eventually(lambda: not alive(pids[0]))
    assert "raylet" not in capsys.readouterr().out


def test_f33_a_node_dies_and_another_one_joins(cluster, executor):
    """What it trained is lost, the others train on, and its slot goes to the node that comes."""
    added = cluster.add()
    trains = executor(3)
    begun = started(trains, hanging(0, 1, 2))
    assert len({event.node for event in begun.values()}) == 3
    (batch,) = (key for key, event in begun.items() if event.node.endswith(added.node_id[:6]))
    cluster.kill(added)
    lost = train(trains, [], wanted=1)[-1]
    assert (lost.batch, lost.failure) == (batch, Failure.WORKER_KILLED)
    assert "its node is gone" in lost.reason or "its actor is gone" in lost.reason
    waits_for_a_node(cluster, trains, 3)


def test_f33_a_node_of_other_versions_joins(cluster, executor, tmp_path, caplog):
    """It gets nothing to train, and a warning names it; the slot goes to the next node."""
    (tmp_path / "sitecustomize.py").write_text(
        "from importlib import metadata\n"
        "version = metadata.version\n"
        "metadata.version = lambda name: '3.0' if name == 'keras' else version(name)\n"
    )
    trains = executor(3)
    started(trains, hanging(0, 1))
    other = cluster.add(env_vars={"PYTHONPATH": str(tmp_path)})

    def warnings():
        trains.poll(0.1, lambda event: None)
        said = [each.getMessage() for each in caplog.records]
        return [each for each in said if each.startswith("A node is done without")]

    eventually(warnings, 60)  # of a node that the last test ended Ray may not know it yet
    (warning,) = warnings()
    assert "Found keras 3.0 on" in warning
    assert other.node_id[:6] in warning
    try:
        waits_for_a_node(cluster, trains, 2)
    finally:
        cluster.kill(other)


def test_f33_a_node_that_is_silent_is_given_up(executor, monkeypatch):
    """One that is cut off closes no connection; what it trained is lost all the same."""
    monkeypatch.setattr(worker, "SILENT_SECONDS", 3.0)
    monkeypatch.setattr(worker, "BEAT_SECONDS", 0.5)  # of which three are less
    trains = executor(1)
    (begun,) = started(trains, hanging(0)).values()
    actor = parent_of(begun.pid)
    os.kill(actor, signal.SIGSTOP)
    try:
        lost = train(trains, [], wanted=1)[-1]
    finally:
        kill(actor)
    assert lost.failure is Failure.WORKER_KILLED
    assert "silent for 3 s" in lost.reason
    eventually(lambda: not alive(begun.pid))


def test_f35_a_full_object_store_stops_only_what_needs_it(connection, executor):
    """A sweep by value has no room there and says so; what is trained never lies in it."""
    trains = executor(1)
    with pytest.raises(WorkerError, match=r"object store. Found none: .*object-store-memory"):
        connection.put(bytes(2 * STORE_BYTES))
    (ended,) = train(trains, [Batch(0, (member(), member(2.0)))])[-1:]
    assert isinstance(ended, Ended)
