"""F28: the UI that we start is for this machine alone."""

import http.client
import os
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


def test_f28_the_ui_answers_this_machine_and_nobody_else(tracked):
    """200 to us; 403 to another host name and to another site's requests; on the loopback only."""
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
        assert asks(port) == 200
        assert asks(port, Host="evil.example") == 403
        search = "/api/2.0/mlflow/experiments/search"
        assert asks(port, "POST", search, Origin="http://evil.example") == 403
        assert listening(port) == {"0100007F"}
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)
