"""The command line: ``lossweights run | plan | resume | status | list | best | export | ...``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from lossweights.base.commands import DEFAULT_ROOT
from lossweights.base.errors import LossweightsError
from lossweights.sweep.flags import Flags, Root, TrackingUri, takes_flags
from lossweights.sweep.launch import BAD_INPUT, fail, run_and_print, say

T = TypeVar("T")

app = typer.Typer(
    help="Sweep the weights of a Keras loss made of several terms, and see which one drives it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

SweepName = Annotated[str, typer.Argument(help="Name of the sweep.")]
Pick = Annotated[
    str,
    typer.Option(
        help="knee, min:METRIC, max:METRIC, 'min:rmse where shortfall<=0.1', "
        "or what is wished for: wish:rmse=55,shortfall=3."
    ),
]


@contextmanager
def _sentences() -> Iterator[None]:
    """Our own errors end the program with their sentence, all others with a traceback."""
    try:
        yield
    except LossweightsError as error:
        fail(error)


@contextmanager
def _each_of(names: Sequence[str]) -> Iterator[Callable[[Callable[[str], T]], list[T]]]:
    """Reads each of several sweeps: those that are damaged are named at the end, and hide none."""
    damaged: list[LossweightsError] = []

    def read_all(read: Callable[[str], T]) -> list[T]:
        found = []
        for name in names:
            try:
                found.append(read(name))
            except LossweightsError as error:
                damaged.append(error)
        return found

    yield read_all
    for error in damaged[:-1]:
        say(error)
    if damaged:
        fail(damaged[-1])


@app.command()
@takes_flags()
def run(
    script: Annotated[Path, typer.Argument(help="A script that declares one sweep.")],
    flags: Flags,
) -> None:
    """Run the sweep that a script declares."""
    with _sentences():
        from lossweights.cli._script import load_sweep

        sweep = load_sweep(script)
    run_and_print(sweep, flags, script)


@app.command()
def plan(
    script: Annotated[Path, typer.Argument(help="A script that declares one sweep.")],
    trials: Annotated[
        int | None, typer.Option(help="Tell how long so many trials train, from timed steps.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of each, for the time; the sweep's if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look at a sweep before it runs: terms, gradients, who would drive, ranges, time.

    Nothing is written. For example: lossweights plan sweeps/bike_demand.py --trials 128
    """
    with _sentences():
        from lossweights.cli._script import load_sweep

        found = load_sweep(script).plan(trials, epochs)
    typer.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False) if as_json else str(found))


@app.command()
@takes_flags(without=("name", "resume", "prune", "warm_start"))
def resume(name: SweepName, flags: Flags) -> None:
    """Go on with a sweep, up to so many trials in all."""
    with _sentences():
        from lossweights.cli._script import load_sweep, script_of
        from lossweights.results.folder import read_manifest

        manifest = read_manifest(flags.root, name)
        script, module = script_of(manifest, flags.root), manifest.get("module")
        sweep = load_sweep(script, module if isinstance(module, str) else None, name)
    run_and_print(sweep, replace(flags, name=name, resume=True), script)


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="One sweep; all of them if left out.")] = None,
    root: Root = DEFAULT_ROOT,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say how a sweep goes on: whether it runs, its trials, pace, workers and tracking."""
    from lossweights.results.folder import list_sweeps
    from lossweights.results.status import read_status

    with _each_of([name] if name else list_sweeps(root)) as read:
        found = read(lambda each: read_status(root, each))
        if as_json:
            typer.echo(json.dumps([asdict(each) for each in found], indent=2))
        else:
            said = "\n\n".join(each.describe(root) for each in found)
            typer.echo(said or f"No sweep in {root}.")


@app.command(name="list")
def list_(root: Root = DEFAULT_ROOT) -> None:
    """List the sweeps below a root."""
    from rich.console import Console
    from rich.table import Table

    from lossweights.results.folder import list_sweeps
    from lossweights.results.result import SweepResult

    table = Table("sweep", "trials", "complete", "objectives", "verdict")
    with _each_of(list_sweeps(root)) as read:
        for result in read(lambda name: SweepResult.read(name, root)):
            complete = sum(f.result.outcome.name == "COMPLETE" for f in result.finished.values())
            table.add_row(
                result.name,
                str(len(result.finished)),
                str(complete),
                ", ".join(f"{goal} {metric}" for metric, goal in result.objectives.items()),
                result.verdict,
            )
        Console().print(table if table.row_count else f"No sweep in {root}.")


def _warn(text: str) -> None:
    """Say what whoever uses a weight set must know, beside what a program may read."""
    if text:
        typer.echo(f"lossweights: {text}", err=True)


@app.command()
def best(name: SweepName, pick: Pick = "knee", root: Root = DEFAULT_ROOT) -> None:
    """Print the weight set that a pick names."""
    with _sentences():
        from lossweights.results.result import SweepResult

        result = SweepResult.read(name, root)
        weights = result.best(pick)
        typer.echo(weights.to_json(), nl=False)
        _warn(str(weights.origin.get("note", "")))
        _warn(result.learned_nothing)


@app.command()
def export(
    name: SweepName,
    to: Annotated[Path, typer.Option(help="File to write.")],
    pick: Pick = "knee",
    root: Root = DEFAULT_ROOT,
) -> None:
    """Write the weight set that a pick names to a file."""
    with _sentences():
        from lossweights.results.result import SweepResult

        result = SweepResult.read(name, root)
        weights = result.best(pick)
        typer.echo(weights.save(to))
        _warn(str(weights.origin.get("note", "")))
        _warn(result.learned_nothing)


@app.command()
def report(
    name: SweepName,
    to: Annotated[Path | None, typer.Option(help="File to write.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Write it anew until the sweep ends, or until Ctrl-C.")
    ] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Print the summary of a sweep and write its report."""
    with _sentences():
        from lossweights.report.follow import follow_report
        from lossweights.report.page import write_report
        from lossweights.report.summary import print_summary
        from lossweights.results.folder import sweep_folder
        from lossweights.results.result import SweepResult
        from lossweights.tracking import settle_moved

        result = SweepResult.read(name, root)
        _warn(settle_moved(root))
        path = to or sweep_folder(root, name) / "report.html"
        if follow:
            follow_report(name, root, path, tell=lambda line: typer.echo(line, err=True))
            result = SweepResult.read(name, root)
        else:
            write_report(result, path, root=root)
        print_summary(result, root)
        typer.echo(f"\nReport written to {path}")


@app.command()
def sync(name: SweepName, root: Root = DEFAULT_ROOT, tracking_uri: TrackingUri = None) -> None:
    """Record in MLflow what could not be recorded while the sweep ran; nothing twice."""
    with _sentences():
        from lossweights.tracking import sync_sweep

        typer.echo(sync_sweep(root, name, tracking_uri))


@app.command()
def remove(
    name: SweepName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    root: Root = DEFAULT_ROOT,
    tracking_uri: TrackingUri = None,
    no_tracking: Annotated[
        bool, typer.Option("--no-tracking", help="Leave its runs in MLflow.")
    ] = False,
) -> None:
    """Delete a sweep with its weight sets and its MLflow runs; its name is free again."""
    with _sentences():
        from lossweights.sweep.remove import find_removal

        removal = find_removal(name, root, False if no_tracking else tracking_uri or True)
        if not yes:
            try:
                sure = typer.confirm(f"Delete sweep {name}: {removal.extent}?", err=True)
            except typer.Abort:  # nobody is there to answer
                typer.echo(err=True)
                sure = False
            if not sure:
                typer.echo("Nothing was deleted. With --yes nothing is asked.", err=True)
                raise typer.Exit(BAD_INPUT)
        typer.echo(removal.carry_out())


@app.command()
def ui(
    root: Root = DEFAULT_ROOT,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 5000,
) -> None:
    """Open the MLflow UI on this machine alone (127.0.0.1), until Ctrl-C."""
    from lossweights.results.folder import tracking_uri
    from lossweights.tracking import settle_moved

    _warn(settle_moved(root))
    command = [
        *(sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", tracking_uri(root), "--no-serve-artifacts"),
    ]
    # The server runs no jobs and loads no pickles: viewing results needs neither.
    closed = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    typer.echo(f"MLflow UI on http://127.0.0.1:{port}")
    # In the place of this process, so that Ctrl-C and kill reach the server itself.
    os.execve(sys.executable, command, {**os.environ, **closed})
