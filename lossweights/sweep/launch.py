"""Launching a sweep from the command line, from its own script or from ``lossweights run``."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

import typer

from lossweights.base.errors import (
    LossweightsError,
    ModelError,
    NoneComplete,
    StoreError,
    SweepFailed,
    WorkerError,
)
from lossweights.base.signals import Interrupted
from lossweights.executors import refuse_in_worker
from lossweights.report.terminal import forgive_encodings
from lossweights.results.folder import list_sweeps, read_manifest
from lossweights.sweep._going_on import going_on
from lossweights.sweep.flags import Flags, takes_flags

if TYPE_CHECKING:
    from lossweights.results.result import SweepResult
    from lossweights.sweep._declaration import Declaration

TRIALS = 64  # unless told

# Exit codes, as docs/reliability.md lists them.
BAD_INPUT = 2
SOFTWARE = 70  # EX_SOFTWARE of sysexits.h: the sweep's own code fails, or no trial completes
DISK = 74  # EX_IOERR: a file cannot be read or written
SIGNAL = 128  # and the number of the signal, as shells count


def launch(sweep: Declaration, arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the sweep, print its end, and exit.

    Args:
        sweep: The sweep of the script.
        arguments: Command line without the program's name; ``None`` takes the process's own.
    """
    refuse_in_worker(sweep.name)
    forgive_encodings()
    program = Path(sys.argv[0])

    @takes_flags()
    def run(flags: Flags) -> None:
        run_and_print(sweep, flags, program)

    run.__doc__ = f"Sweep the loss weights of {sweep.name}."
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(epilog=f"Example: python {program} --trials {2 * TRIALS}")(run)
    app(args=None if arguments is None else list(arguments), prog_name=program.name)


def run_and_print(
    sweep: Declaration,
    flags: Flags,
    script: Path,
    *,
    confirm: bool = False,
    tell: Callable[[SweepResult, Path], None] | None = None,
) -> None:
    """Run a sweep for a person: errors as sentences, an exit code, the summary at the end.

    Args:
        sweep: The sweep.
        flags: What was said on the command line; without ``trials`` it is the usual number, or
            that of last time.
        script: The script that declares the sweep.
        confirm: Train no trial, and confirm it once more if it is confirmed.
        tell: Called with the result and its root instead of printing the summary.

    Raises:
        typer.Exit: The run failed or was stopped, or no trial is complete.
    """
    atexit.register(gc.freeze)  # else Python looks through all of TensorFlow again, for seconds
    # All that --help does not need.
    from lossweights.report.summary import print_findings, print_links
    from lossweights.results.result import SweepResult
    from lossweights.sweep._run import run_sweep

    if flags.smoke:
        with TemporaryDirectory(prefix="lossweights-") as away:
            run_and_print(sweep, flags.smoking(Path(away)), script, tell=_tell_smoke)
        return
    root, known = flags.root, flags.name or sweep.name
    shown: list[str] = []

    def show(result: SweepResult) -> None:
        if tell is None:  # at once: report and pictures take seconds, and nobody waits for them
            print_findings(result, root)
            shown.append(result.name)

    try:
        trials = flags.trials
        if trials is None:
            trials = read_manifest(root, known).get("trials", TRIALS) if flags.resume else TRIALS
        options = replace(flags.options(trials, script), only_confirm=confirm)
        result = run_sweep(sweep, options, show)
    except NoneComplete as error:
        if not shown:
            print_findings(SweepResult.read(known, root), root)
        print_links(root, known)
        fail(error)
    except LossweightsError as error:
        fail(error)
    except KeyboardInterrupt as error:
        verb = "confirm" if confirm else "resume"
        if tell is _tell_smoke:
            way = "Nothing of this is kept."
        elif known in list_sweeps(root):
            options = flags.options(TRIALS, script)  # how many trials, the manifest knows
            way = f"Go on with it: {going_on(verb, known, options)}"
        else:
            way = "Nothing had begun."
        typer.echo(f"\nStopped. {way}", err=True)
        number = error.signal if isinstance(error, Interrupted) else signal.SIGINT
        raise typer.Exit(SIGNAL + number) from None
    if tell is None:
        print_links(root, result.name)
    else:
        tell(result, root)


def _tell_smoke(result: SweepResult, root: Path) -> None:
    """Say that a sweep runs; there are no files to point to."""
    complete = int((result.trials["outcome"] == "COMPLETE").sum())
    typer.echo(
        f"{result.name} runs: {complete} of {len(result.trials)} trials are complete. "
        f"{result.verdict} Nothing of this is kept."
    )


def fail(error: Exception) -> NoReturn:
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
