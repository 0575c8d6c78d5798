"""Launching a sweep from the command line, from its own script or from ``lossweights run``."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossweights.base.commands import DEFAULT_ROOT, command
from lossweights.base.errors import (
    LossweightsError,
    ModelError,
    StoreError,
    SweepFailed,
    WorkerError,
)
from lossweights.base.signals import Interrupted
from lossweights.executors._child import refuse_in_worker
from lossweights.results.folder import list_sweeps, read_manifest

if TYPE_CHECKING:
    from lossweights.sweep.abstract import AbstractSweep

TRIALS = 64  # unless told

# Exit codes, as docs/reliability.md lists them.
BAD_INPUT = 2
SOFTWARE = 70  # EX_SOFTWARE of sysexits.h: the sweep's own code fails, or no trial completes
DISK = 74  # EX_IOERR: a file cannot be read or written
SIGNAL = 128  # and the number of the signal, as shells count

Trials = Annotated[
    int | None, typer.Option(help="Trials in all.  [default: 64; on resume as many as last time]")
]
Name = Annotated[str | None, typer.Option(help="Another name for the sweep.")]
Root = Annotated[Path, typer.Option(help="Folder of MLflow's database, sweeps and weight sets.")]
TrainerName = Annotated[str, typer.Option(help="auto, or the name of a trainer.")]
Workers = Annotated[
    int | None, typer.Option(help="Processes that train; 0 trains in this one.  [default: chosen]")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the sweep of this name.")]
AcceptChange = Annotated[
    list[str] | None,
    typer.Option(help="Go on although this has changed, such as code; may be repeated."),
]
Timeout = Annotated[float | None, typer.Option(help="Seconds after which a trial is ended.")]
MaxRetries = Annotated[
    int, typer.Option(help="New tries of weights whose worker died.", show_default=True)
]
TrackingUri = Annotated[str | None, typer.Option(help="MLflow server to record to.")]
NoTracking = Annotated[bool, typer.Option("--no-tracking", help="Do not record to MLflow.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


def launch(sweep: AbstractSweep, arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the sweep, print its end, and exit.

    Args:
        sweep: The sweep of the script.
        arguments: Command line without the program's name; ``None`` takes the process's own.
    """
    refuse_in_worker(sweep.name)
    program = Path(sys.argv[0])

    def command(
        trials: Trials = None,
        name: Name = None,
        root: Root = DEFAULT_ROOT,
        trainer: TrainerName = "auto",
        workers: Workers = None,
        resume: Resume = False,
        accept_change: AcceptChange = None,
        trial_timeout: Timeout = None,
        max_retries: MaxRetries = 1,
        tracking_uri: TrackingUri = None,
        no_tracking: NoTracking = False,
        quiet: Quiet = False,
    ) -> None:
        run_and_print(
            sweep,
            trials=trials,
            name=name,
            root=root,
            trainer=trainer,
            workers=workers,
            resume=resume,
            accept_change=accept_change or (),
            trial_timeout=trial_timeout,
            max_retries=max_retries,
            tracking=False if no_tracking else tracking_uri or True,
            quiet=quiet,
            script=program,
        )

    command.__doc__ = f"Sweep the loss weights of {sweep.name}."
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    app(args=None if arguments is None else list(arguments), prog_name=program.name)


def run_and_print(
    sweep: AbstractSweep,
    *,
    name: str | None,
    root: Path,
    trials: int | None,
    resume: bool,
    **options: Any,
) -> None:
    """Run a sweep for a person: errors as sentences, an exit code, the summary at the end.

    Args:
        sweep: The sweep.
        name: Another name for it, or ``None``.
        root: Folder of the sweeps.
        trials: Weight sets to try in all; ``None`` for the usual number, or that of last time.
        resume: Whether to go on with a sweep of this name.
        options: What else `lossweights.sweep.abstract.AbstractSweep.run` takes.
    """
    known = name or sweep.name
    try:
        if trials is None:
            trials = read_manifest(root, known).get("trials", TRIALS) if resume else TRIALS
        result = sweep.run(trials, name=name, root=root, resume=resume, **options)
    except LossweightsError as error:
        fail(error)
    except KeyboardInterrupt as error:
        begun = known in list_sweeps(root)
        way = f"Go on with it: {_go_on(known, root, options)}" if begun else "Nothing had begun."
        typer.echo(f"\nStopped. {way}", err=True)
        number = error.signal if isinstance(error, Interrupted) else signal.SIGINT
        raise typer.Exit(SIGNAL + number) from None
    from lossweights.report.summary import print_summary  # pandas is not needed for --help

    print_summary(result, root)
    if not result.has_best:
        raise typer.Exit(SOFTWARE)


def _go_on(name: str, root: Path, options: Mapping[str, Any]) -> str:
    """The command that resumes a sweep as it was being run; how many trials, the manifest knows."""
    usual = {"trainer": "auto", "workers": None, "trial_timeout": None, "max_retries": 1}
    unusual = {key: options[key] for key, value in usual.items() if options[key] != value}
    if options["tracking"] is False:
        unusual["no_tracking"] = True
    return command("resume", name, root, **unusual)


def fail(error: Exception) -> None:
    """End the program with an error's sentence; a traceback would bury it.

    Only a mistake in code of the user's own, in a model or a term, is shown with its traceback.

    Raises:
        typer.Exit: Always.
    """
    cause = error.__cause__
    if isinstance(error, ModelError) and not isinstance(cause, LossweightsError | None):
        traceback.print_exception(cause)
    say(error)
    raise typer.Exit(exit_code(error)) from None


def say(error: Exception) -> None:
    """Print an error's sentence."""
    typer.echo(f"lossweights: {type(error).__name__}: {error}", err=True)


def exit_code(error: Exception) -> int:
    """What a shell is told of an error.

    >>> exit_code(StoreError("no space left")), exit_code(ModelError("no parameters"))
    (74, 2)
    """
    if isinstance(error, StoreError):
        return DISK
    return SOFTWARE if isinstance(error, SweepFailed | WorkerError) else BAD_INPUT
