"""Workers are forked from a process that has imported and not run; they are as fresh as others."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe

import pytest

from lossweights.executors import Forkserver
from lossweights.executors import _forkserver as module
from lossweights.executors._child import Child
from lossweights.sweep.sweep import Sweep

pytestmark = pytest.mark.skipif(not Forkserver.is_possible(), reason="no pidfd_open here")

# A server whose workers tell what they are, instead of training.
TELLS = """
import json, os, random, socket, sys
import numpy as np
from lossweights.executors import serve_forks

def work(pipe, parent):
    told = {
        "environment": dict(os.environ), "folder": os.getcwd(), "path": sys.path,
        "random": random.random(), "numpy": np.random.random(), "group": os.getpgid(0),
        "parent": parent, "files": os.listdir("/proc/self/fd"),
    }
    print("said", flush=True)
    os.write(pipe, json.dumps(told).encode())
    os.close(pipe)
    os.read(0, 1)
    if "END" in os.environ:
        sys.exit(int(os.environ["END"]))

serve_forks(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), work)
"""


@pytest.fixture(scope="module")
def server():
    """A real one, without imports."""
    forkserver = Forkserver()
    yield forkserver
    forkserver.close()


@pytest.fixture
def telling(monkeypatch, tmp_path):
    """A server whose workers tell what they are, and a function that forks and listens."""
    script = tmp_path / "telling.py"
    script.write_text(TELLS)
    started = subprocess.Popen

    def popen(command, **options):
        return started([sys.executable, str(script), *command[4:6]], **options)

    monkeypatch.setattr(module.subprocess, "Popen", popen)
    forkserver = Forkserver()

    def fork(output, cores=1):
        reading, writing = os.pipe()
        process = forkserver.fork(writing, output.fileno(), cores)
        os.close(writing)
        with open(reading, "rb") as told:  # noqa: PTH123  a file descriptor
            return process, json.loads(told.read())

    yield fork
    forkserver.close()


def test_a_worker_is_as_fresh_as_a_python_of_its_own(telling, tmp_path, monkeypatch):
    """Environment, folder, modules, random numbers, open files: as of now, and nobody else's."""
    with (tmp_path / "log").open("wb") as log:
        first, one = telling(log)
        monkeypatch.setenv("SAID_LATER", "grün \udcff")
        monkeypatch.setenv("END", "3")
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend("/a folder")
        second, other = telling(log, cores=2)
    assert first.wait(10) == 0
    assert second.wait(10) == second.poll() == second.returncode == 3
    assert (tmp_path / "log").read_text() == "said\nsaid\n"
    assert other["environment"]["SAID_LATER"] == "grün \udcff"
    assert "SAID_LATER" not in one["environment"]
    assert other["environment"]["LOSSWEIGHTS_WORKER"] == "1"
    assert other["environment"]["TF_NUM_INTRAOP_THREADS"] == "2"
    assert other["folder"] == str(tmp_path) != one["folder"]
    assert other["path"][0] == "/a folder" != one["path"][0]
    assert one["random"] != other["random"]
    assert one["numpy"] != other["numpy"]
    assert one["group"] == first.pid  # Ctrl-C does not reach it
    assert one["parent"] == other["parent"]
    assert len(one["files"]) == len(other["files"])  # none of its sibling's


def test_how_a_worker_ended_is_known(server):
    """As `subprocess.Popen` tells it, though another process is its parent."""
    for end, code in (
        (lambda process, pipe: pipe.close(), 0),
        (lambda process, pipe: process.kill(), -signal.SIGKILL),
        (lambda process, pipe: process.terminate(), -signal.SIGTERM),
    ):
        ours, theirs = Pipe()
        with theirs, open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            process = server.fork(theirs.fileno(), nowhere.fileno(), 1)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        end(process, ours)
        assert process.wait(10) == code
        process.kill()  # nobody else is hit
        ours.close()


def test_how_a_worker_ended_is_the_same_for_all_who_wait(telling, monkeypatch):
    """Its supervisor, and who ends it just then: its exit code is told once."""
    monkeypatch.setenv("END", "3")
    with open(os.devnull, "wb") as nowhere, ThreadPoolExecutor(4) as threads:  # noqa: PTH123
        for _ in range(40):
            process, _ = telling(nowhere)
            at_once = threading.Barrier(4)

            def wait(process=process, at_once=at_once):
                at_once.wait()
                return process.wait(10), process.poll(), process.returncode

            heard = [threads.submit(wait) for _ in range(4)]
            assert {code for each in heard for code in each.result()} == {3}


def test_f42_a_killed_server_takes_its_workers_along_and_is_started_again(server, tmp_path):
    """With the next worker."""
    child = Child(tmp_path / "log", 1, server)
    killed = server.pid
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(EOFError):
        child.pipe.recv_bytes()
    assert child.close() == -signal.SIGKILL
    child = Child(tmp_path / "log", 1, server)
    assert server.pid != killed
    assert child.close() == 0


def test_f42_a_server_on_its_way_out_is_not_asked(server, tmp_path, monkeypatch):
    """Its workers may be known to be dead before its own end is told."""
    child = Child(tmp_path / "log", 1, server)
    killed = server.pid
    os.kill(killed, signal.SIGKILL)
    os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)
    monkeypatch.setattr(server._process, "poll", lambda: None)
    assert child.close() == -signal.SIGKILL
    child = Child(tmp_path / "log", 1, server)
    assert server.pid != killed
    assert child.close() == 0


def test_a_server_that_never_forks_is_done_without(tmp_path, monkeypatch):
    """A worker is a Python of its own then, as where there can be no server."""
    monkeypatch.setattr(module, "_MODULE", "lossweights.there_is_no_such_module")
    broken = Forkserver()
    for _ in range(module.HOPELESS):
        assert not broken.is_hopeless
        with pytest.raises(OSError, match="has died"):
            Child(tmp_path / "log", 1, broken)
    child = Child(tmp_path / "log", 1, broken)  # a Python of its own
    assert child.close() == 0
    broken.close()


def test_a_closed_server_forks_no_more(tmp_path):
    """Somebody may be waiting for it just then."""
    forkserver = Forkserver(["antigravity_that_takes_long"])
    forkserver.start()
    forkserver.close()
    with pytest.raises(OSError, match="was ended"):
        Child(tmp_path / "log", 1, forkserver)
    assert not forkserver.is_hopeless

    hanging = tmp_path / "hanging_import.py"
    hanging.write_text("import threading\nthreading.Event().wait()\n")
    waiting = Forkserver(["hanging_import"])
    sys.path.insert(0, str(tmp_path))
    try:
        waiting.start()
    finally:
        sys.path.remove(str(tmp_path))
    failed = []

    def ask():
        try:
            Child(tmp_path / "log", 1, waiting)
        except OSError as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    waiting.kill()
    asking.join(10)
    assert failed
    waiting.close()


def test_what_workers_import_runs_no_operation():
    """A process that has run one must not fork; TensorFlow refuses to set threads after it."""
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "import tensorflow as tf\n"
        "tf.config.threading.set_intra_op_parallelism_threads(1)\n"
        "tf.constant(1.0)\n"
        "try: tf.config.threading.set_intra_op_parallelism_threads(2)\n"
        "except RuntimeError: print('refused')\n"
    )
    command = [sys.executable, "-c", script, *Sweep.worker_imports]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_the_socket_is_nobody_elses():
    """A program that the user's code starts keeps no server alive."""
    forkserver = Forkserver()
    forkserver.start()
    ours = forkserver._requests
    assert isinstance(ours, socket.socket)
    assert not ours.get_inheritable()
    forkserver.close()
