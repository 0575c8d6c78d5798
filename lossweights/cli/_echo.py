"""What the command line says beside tables: JSON for programs, and warnings beside either."""

from __future__ import annotations

import json
from typing import Any

import typer


def echo_json(value: Any) -> None:
    """JSON that every program can read: ASCII, and no number that is none."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def warn(text: str) -> None:
    """Say what whoever uses a weight set must know, beside what a program may read."""
    if text:
        typer.echo(f"lossweights: {text}", err=True)
