"""A real MLflow server over HTTP with its own store of artifacts, and a gate with a password."""

import base64
import http.client
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = "me", "a secret"
SECONDS = 90  # that a server may take to answer for the first time


class MlflowServer:
    """``mlflow server --artifacts-destination`` as somebody else runs it: of ours it knows nothing.

    Attributes:
        uri: Its address.
        artifacts: The folder in which it keeps artifacts.
        gate: A way to it that wants user and password, and can be shut.
    """

    def __init__(self, folder, tables):
        shutil.copy(tables, folder / "mlflow.db")
        self.artifacts = folder / "its artifacts"
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
                *("--port", str(port), "--workers", "1"),
                *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
                *("--artifacts-destination", str(self.artifacts)),
            ],
            cwd=folder,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        self.gate = Gate(port)
        deadline = time.monotonic() + SECONDS
        while not answers(port):
            assert time.monotonic() < deadline, "the server never answered"
            assert self._process.poll() is None, "the server ended"
            select.select([], [], [], 0.1)

    def close(self):
        """End it, with what it has started."""
        self.gate.close()
        os.killpg(self._process.pid, 15)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()


class Gate:
    """Lets through what names user and password, and nothing while it is shut."""

    def __init__(self, port):
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self.wanted, self.port, self.refused, self.shut = f"Basic {secret}", port, 0, False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Forward)
        self._server.daemon_threads = True
        self._server.gate = self
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()

    def close(self):
        """Take it down."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Forward(BaseHTTPRequestHandler):
    def _pass_on(self):
        gate = self.server.gate
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if gate.shut:
            return self._say(503, {}, b"shut")
        if self.headers.get("Authorization") != gate.wanted:
            gate.refused += 1
            return self._say(401, {"WWW-Authenticate": "Basic"}, b"who are you?")
        headers = {k: v for k, v in self.headers.items() if k not in ("Authorization", "Host")}
        connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=30)
        connection.request(self.command, self.path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        hop = ("transfer-encoding", "content-length", "connection", "date", "server")
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in hop}
        return self._say(answer.status, kept, content)

    def __getattr__(self, name):
        """``do_GET`` and all the others."""
        if name.startswith("do_"):
            return self._pass_on
        raise AttributeError(name)

    def _say(self, status, headers, content):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(port):
    """Whether a server is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
