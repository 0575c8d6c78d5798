"""What all verbs share: the program, how a verb is made, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from lossweights.base.errors import LossweightsError
from lossweights.cli._completion import complete_pick, complete_sweep
from lossweights.sweep.launch import fail

app = typer.Typer(
    help="Sweep the weights of a Keras loss made of several terms, and see which one drives it.",
    epilog="Example: lossweights run sweeps/bike_demand.py --trials 128",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

SweepName = Annotated[str, typer.Argument(help="Name of the sweep.", autocompletion=complete_sweep)]
Script = Annotated[Path, typer.Argument(help="A script that declares one sweep.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Pick = Annotated[
    str | None,
    typer.Option(
        autocompletion=complete_pick,
        help="knee, min:METRIC, max:METRIC, 'min:rmse where shortfall<=0.1', one-se:METRIC for "
        "the simplest within a standard error, the name of a fixed baseline such as equal, or "
        "what is wished for: wish:rmse=55,shortfall=3.",
    ),
]


def verb(example: str, name: str | None = None) -> Callable[[Callable[..., None]], Any]:
    """A command, whose help ends with an example: all after ``lossweights`` of one."""
    return app.command(name, epilog=f"Example: lossweights {example}")


@contextmanager
def sentences() -> Iterator[None]:
    """Our own errors end the program with their sentence, all others with a traceback."""
    try:
        yield
    except LossweightsError as error:
        fail(error)


def echo_json(value: Any) -> None:
    """JSON that every program can read: ASCII, and no number that is none."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def warn(text: str) -> None:
    """Say what whoever uses a weight set must know, beside what a program may read."""
    if text:
        typer.echo(f"lossweights: {text}", err=True)
