"""MLflow's UI on this machine alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import typer

from lossweights.report.links import remember_port, ui_port
from lossweights.results.folder import tracking_uri


def become_ui(root: Path, port: int | None) -> NoReturn:
    """Serve the UI in the place of this process, so that Ctrl-C and kill reach the server itself.

    Args:
        root: Folder of MLflow's database.
        port: Where; ``None`` for where it was last time.
    """
    port = ui_port(root) if port is None else port
    remember_port(root, port)  # links to pages of the UI name it
    command = [
        *(sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", tracking_uri(root), "--no-serve-artifacts"),
    ]
    # The server runs no jobs and loads no pickles: viewing results needs neither.
    closed = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    # Without the last words it opens in its mode for language models.
    typer.echo(f"MLflow UI on http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning")
    sys.stdout.flush()  # nothing of this process is left to do that
    os.execve(sys.executable, command, {**os.environ, **closed})
