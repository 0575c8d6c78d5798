"""F34: drivers of a cluster are killed; F35: clusters that cannot be used. Whole sweeps."""

import functools
import json
import random
from pathlib import Path

import pytest

from lossweights.base.errors import WorkerError
from lossweights.records import Outcome

from ..faults.helpers import alive, check_sweep, eventually, kill

pytestmark = pytest.mark.faults


@pytest.fixture
def ray(cluster):
    """Imported late: it reads the environment when it is."""
    import ray

    return ray


HANGS = """
def during(member, epoch):
    if epoch == 1 and (once("one hung") or once("two hung")):
        announce()
        hang()

sweep = FakeSweep("fake", during=during)
"""


@pytest.mark.parametrize("through", ["a node", "a client"])
def test_f34_no_training_outlives_its_driver(scripted, cluster, through, monkeypatch):
    """Workers of a killed driver end on all nodes; the sweep goes on from there."""
    monkeypatch.setenv("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "1")  # else a client has 30 s
    script = scripted(HANGS)
    if through == "a client":
        script.address = cluster.client_address
    process = script.start(trials=3)
    pids = {script.announced(), script.announced()}
    kill(process.pid)
    process.communicate()
    eventually(lambda: not any(alive(pid) for pid in pids))
    process = script.call("--resume", trials=3)
    assert process.returncode == 0, process.stderr
    assert script.outcomes()["COMPLETE"] == 3
    results = script.results().values()
    assert all(f.node for f in results if f.result.outcome is Outcome.COMPLETE)
    check_sweep(script.root)


def test_a_sweep_of_a_function_has_on_the_nodes_what_lies_beside_it(scripted, fake_programs):
    """It goes by value; code lies there in the file that it is from, beside what it imports."""
    script = scripted("")
    (script.path.parent / "beside.py").write_text("def times(epoch):\n    return 2 * epoch\n")
    text = script.path.read_text().partition("if __name__")[0]
    script.path.write_text(
        "from beside import times\n"
        f"{text}\n"
        "def during(member, epoch):\n"
        "    (HERE / f'found-{times(epoch)}').write_text(during.__code__.co_filename)\n"
        "def main():\n"
        f"    options = dict(executor='ray', address={script.address!r}, workers=2)\n"
        "    sweep = FakeSweep('fake', during=during)\n"
        f"    sweep.run(2, root={str(script.root)!r}, tracking=False, quiet=True, **options)\n"
        "if __name__ == '__main__':\n"
        "    main()\n"
    )
    done = fake_programs.run([script.path], cwd=script.folder)
    assert done.returncode == 0, done.stderr
    assert script.outcomes() == {"COMPLETE": 2}
    found = Path((script.folder / "found-2").read_text())
    assert found.name == script.path.name
    assert found != script.path


def test_f35_no_cluster_at_the_address(scripted, ray):
    """Said before anything is loaded or written."""
    script = scripted("sweep = FakeSweep('fake')")
    script.address = "127.0.0.1:1"
    with pytest.raises(
        WorkerError, match=r"Expected a Ray cluster at '127.0.0.1:1'\. Found: .*refused"
    ):
        script.run(2)
    assert not script.root.exists()
    assert not ray.is_initialized()


def test_f35_no_cluster_on_this_machine(scripted, ray, monkeypatch):
    """Nobody has named an address."""
    from ray._private import services

    # Others may have a cluster here.
    monkeypatch.setattr(services, "find_gcs_addresses", functools.cache(set))
    monkeypatch.setattr(services, "find_bootstrap_address", lambda folder: None)
    script = scripted("sweep = FakeSweep('fake')")
    script.address = "auto"
    with pytest.raises(WorkerError, match=r"Expected a Ray cluster on this machine\. .*ray start"):
        script.run(2)
    assert not script.root.exists()


def test_f35_a_folder_that_is_too_large(scripted, ray, monkeypatch):
    """It is named, with what in it is large."""
    from ray._private.runtime_env import packaging

    monkeypatch.setattr(packaging, "GCS_STORAGE_MAX_SIZE", 1 << 10)
    script = scripted("sweep = FakeSweep('fake')")
    script.path.with_name("movie").write_bytes(random.Random(0).randbytes(9 << 10))
    with pytest.raises(WorkerError, match=r"code is too large: .* Most of it is movie \(9.0 KiB\)"):
        script.run(2)
    assert not script.root.exists()


def test_f35_a_job_that_copies_a_folder_itself(scripted, ray, monkeypatch):
    """`ray job submit --working-dir` tells the driver so by its environment."""
    config = {"runtime_env": {"working_dir": "gcs://_ray_pkg_0.zip"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(config))
    script = scripted("sweep = FakeSweep('fake')")
    with pytest.raises(WorkerError, match="Submit without --working-dir"):
        script.run(2)
    assert not script.root.exists()


def test_f35_a_cluster_of_another_version(scripted, ray, monkeypatch):
    """Likewise; both versions are named."""
    script = scripted("sweep = FakeSweep('fake')")
    monkeypatch.setattr(ray, "__version__", "2.59.9")
    with pytest.raises(WorkerError, match=r"Ray: \d.*Ray: 2.59.9.*same versions everywhere"):
        script.run(2)
    assert not script.root.exists()
    assert not ray.is_initialized()


def test_f35_a_cluster_with_another_token(scripted, monkeypatch):
    """Likewise; what to copy is said."""
    script = scripted("sweep = FakeSweep('fake')")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "b" * 64)
    process = script.call(trials=2)
    assert process.returncode == 70
    assert "to take the token of this process" in process.stderr
    assert "Traceback" not in process.stderr
    assert not script.root.exists()


SLOW = """
def during(member, epoch):
    threading.Event().wait(0.05)

sweep = FakeSweep("fake", during=during)
"""


def test_f33_a_sweep_goes_on_without_a_node(scripted, cluster):
    """What the node trained is tried again elsewhere; nothing is lost, and it can be resumed."""
    added = cluster.add()
    name = added.node_id[:6]
    script = scripted(SLOW)
    process = script.start(trials=40, workers=3)

    def trained_there():
        return [f for f in script.results().values() if f.node and f.node.endswith(name)]

    try:
        eventually(trained_there, seconds=60)
    finally:
        cluster.kill(added)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    cut_short = [finished for finished in script.results().values() if finished.again]
    assert [f for f in cut_short if f.node.endswith(name)], "it trained nothing when it went"
    assert script.outcomes()["COMPLETE"] == 40
    check_sweep(script.root)
    assert script.call("--resume", trials=44).returncode == 0
    assert script.outcomes()["COMPLETE"] == 44
    check_sweep(script.root)
