"""Launching a sweep from the command line, from its own script or from ``lossweights run``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lossweights.errors import LossweightsError
from lossweights.summary import print_summary

if TYPE_CHECKING:
    from lossweights.sweep import Sweep

BAD_INPUT = 2
INTERRUPTED = 130  # as shells count a process that SIGINT ended

Trials = Annotated[int, typer.Option(help="Trials in all.", show_default=True)]
Name = Annotated[str | None, typer.Option(help="Another name for the sweep.")]
Root = Annotated[Path, typer.Option(help="Folder of MLflow's database, sweeps and weight sets.")]
TrainerName = Annotated[str, typer.Option(help="auto or fit.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the sweep of this name.")]
NoTracking = Annotated[bool, typer.Option("--no-tracking", help="Do not record to MLflow.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


def launch(sweep: Sweep, arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the sweep, print its end, and exit.

    Args:
        sweep: The sweep of the script.
        arguments: Command line without the program's name; ``None`` takes the process's own.
    """
    program = Path(sys.argv[0])

    def command(
        trials: Trials = 64,
        name: Name = None,
        root: Root = Path("mlruns"),
        trainer: TrainerName = "auto",
        resume: Resume = False,
        no_tracking: NoTracking = False,
        quiet: Quiet = False,
    ) -> None:
        run_and_print(
            sweep, trials, name, root, trainer, resume, no_tracking, quiet, script=program
        )

    command.__doc__ = f"Sweep the loss weights of {sweep.name}."
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    app(args=None if arguments is None else list(arguments), prog_name=program.name)


def run_and_print(
    sweep: Sweep,
    trials: int,
    name: str | None,
    root: Path,
    trainer: str,
    resume: bool,
    no_tracking: bool,
    quiet: bool,
    script: Path,
) -> None:
    """Run a sweep for a person: errors as sentences, an exit code, the summary at the end."""
    try:
        result = sweep.run(
            trials,
            name=name,
            root=root,
            trainer=trainer,
            resume=resume,
            tracking=not no_tracking,
            quiet=quiet,
            script=str(script.resolve()),
        )
    except (LossweightsError, ValueError) as error:
        fail(error)
    except KeyboardInterrupt:
        known = name or sweep.name
        typer.echo(f"\nStopped. Go on with it: lossweights resume {known}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    print_summary(result, root)


def fail(error: Exception) -> None:
    """End the program with an error's sentence; a traceback would bury it.

    Raises:
        typer.Exit: Always.
    """
    typer.echo(f"lossweights: {type(error).__name__}: {error}", err=True)
    raise typer.Exit(BAD_INPUT) from None
