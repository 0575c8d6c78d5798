"""F28: the UI that we start is for this machine alone."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .helpers import eventually

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def asks(port, method="GET", path="/", **headers):
    """The status of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def answer(port, path, content):
    """What is said to a request with a body, in JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", path, body=json.dumps(content), headers=headers)
    said = connection.getresponse().read().decode()
    connection.close()
    return said


def environment(parent):
    """What the processes that a process has started have in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append((path / "environ").read_bytes().decode().split("\0"))
        except OSError:  # it ended meanwhile
            continue
    return found


def listening(port):
    """The addresses on which this machine listens at a port, as the kernel has them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, hexadecimal = local.partition(":")
            if int(hexadecimal, 16) == port and state == "0A":
                found.add(address)
    return found


@pytest.fixture
def ui(tracked, monkeypatch):
    """The UI on a sweep, started as a user does, who has the dangerous settings on: (port, pid)."""
    for name in ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"):
        monkeypatch.setenv(name, "true")
    script = tracked()
    script.run(2, workers=0, tracking=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "lossweights.cli", "ui", "--root", str(script.root)]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        eventually(lambda: listening(port), seconds=90)
        yield port, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        eventually(lambda: not listening(port), seconds=30)


def test_f28_the_ui_answers_this_machine_and_nobody_else(ui):
    """200 to us; 403 to another host name and to another site's requests; on the loopback only.

    It runs no jobs, loads no pickles and hands out no files, whatever the user's environment says.
    """
    port, pid = ui
    assert asks(port) == 200
    assert asks(port, Host="evil.example") == 403
    search = "/api/2.0/mlflow/experiments/search"
    assert asks(port, "POST", search, Origin="http://evil.example") == 403
    assert listening(port) == {"0100007F"}
    job = {"job_name": "invoke_scorer", "params": {}}
    assert "not enabled" in answer(port, "/ajax-api/3.0/jobs/", job)
    assert asks(port, path="/api/2.0/mlflow-artifacts/artifacts") == 503
    servers = environment(pid)
    assert servers
    for each in servers:
        assert "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false" in each
        assert "MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false" in each


def test_f28_the_ui_has_no_option_to_open_it_to_others():
    """Another host is no option of the command: refused, and nothing is started."""
    command = [sys.executable, "-m", "lossweights.cli", "ui", "--host", "0.0.0.0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 2
    assert "--host" in refused.stderr
