"""What MLflow is told by the environment while something is recorded, and put back afterwards."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from lossweights.base.logs import log_level

# MLflow would try for minutes; whoever records comes back to it later instead. And it would print
# two lines for every run that ends on a server, for which it asks the server once more.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
UPLOAD_SECONDS = "120"  # MLflow's own; a server answers to a file when it has stored all of it


class _Environment:
    """Variables set for as long as anybody needs them; a user's own stay in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self.ours: set[str] = set()

    def enter(self) -> None:
        with self._lock:
            if self._users == 0:
                self.ours = {key for key in _SETTINGS if key not in os.environ}
                os.environ.update({key: _SETTINGS[key] for key in self.ours})
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for key in self.ours:
                    os.environ.pop(key, None)


_ENVIRONMENT = _Environment()


@contextmanager
def mlflow_settings() -> Iterator[None]:
    """Within this context MLflow is impatient and prints nothing, unless the user said otherwise.

    Several may be open at once; the last that is left puts everything back.
    """
    _ENVIRONMENT.enter()
    try:
        yield
    finally:
        _ENVIRONMENT.leave()


@contextmanager
def patient() -> Iterator[None]:
    """Within `mlflow_settings`, wait as long for an answer as MLflow does by itself."""
    key = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    if key not in _ENVIRONMENT.ours:
        yield
        return
    os.environ[key] = UPLOAD_SECONDS
    try:
        yield
    finally:
        os.environ[key] = _SETTINGS[key]


@contextmanager
def quiet_loggers() -> Iterator[None]:
    """Within this context MLflow does not tell what it makes on first use.

    It is imported here, since that sets its loggers. Who has chosen a level keeps it.
    """
    with log_level("alembic", logging.WARNING), ExitStack() as stack:
        import mlflow  # noqa: F401

        chosen = "MLFLOW_LOGGING_LEVEL" in os.environ
        if not chosen and logging.getLogger("mlflow").level == logging.INFO:
            stack.enter_context(log_level("mlflow", logging.WARNING))
        yield
