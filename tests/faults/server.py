"""An MLflow server in a thread of the tests, which can be down, slow or wrong at will."""

import socket
import threading
import warnings
from importlib import import_module
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from lossweights.results.folder import sqlite_uri


class Server:
    """MLflow's own REST handlers on a database, behind a switch.

    ``mode`` is ``"accept"``, ``"error"`` (500 to everything) or ``"hang"`` (no answer until the
    mode changes); `refuse` closes the port, `listen` opens it again.
    """

    def __init__(self, root):
        with warnings.catch_warnings():  # of libraries below MLflow, about their own future
            warnings.simplefilter("ignore")
            import_module("mlflow.server.fastapi_app")  # the first search would, and warn
            from mlflow.server import app, handlers

        handlers._tracking_store = handlers._model_registry_store = None  # of an earlier test
        handlers.initialize_backend_stores(
            sqlite_uri(root / "mlflow.db"), None, str(root / "artifacts")
        )
        self._app, self._mode = app, "accept"
        self._changed = threading.Condition()
        self.requests = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._server = None
        self.listen()

    @property
    def uri(self):
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def listening(self):
        """Whether the port is open."""
        return self._server is not None

    @property
    def mode(self):
        """What it does with requests."""
        return self._mode

    @mode.setter
    def mode(self, mode):
        with self._changed:
            self._mode = mode
            self._changed.notify_all()

    def listen(self):
        """Open the port."""
        self._server = _ThreadingServer(("127.0.0.1", self._port), _QuietHandler)
        self._server.set_app(self._answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()

    def refuse(self):
        """Close the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None

    def close(self):
        """Answer what hangs, and end."""
        self.mode = "error"
        if self.listening:
            self.refuse()
        import_module("mlflow").set_tracking_uri(None)  # its handlers made theirs the process's own

    def _answer(self, environment, start_response):
        self.requests += 1
        with self._changed:
            while self._mode == "hang":
                self._changed.wait()
            mode = self._mode
        if mode == "accept":
            return self._app(environment, start_response)
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"out of order"]


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        """Clients that gave up waiting are no news."""


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_args):
        """Say nothing."""
