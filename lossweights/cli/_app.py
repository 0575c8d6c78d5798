"""The command line: ``lossweights run | plan | resume | confirm | status | list | ...``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from lossweights.base.commands import DEFAULT_ROOT
from lossweights.base.errors import LossweightsError
from lossweights.cli import _reuse as _reuse  # its verbs
from lossweights.cli._base import AsJson, Script, SweepName, app, echo_json, sentences, verb, warn
from lossweights.cli._completion import complete_sweep
from lossweights.sweep.flags import Flags, Root, TrackingUri, takes_flags
from lossweights.sweep.launch import BAD_INPUT, TRIALS, fail, run_and_print, say

__all__ = ["app"]

T = TypeVar("T")

# Flags of what trains trials, which a confirmation does not.
_OF_TRIALS = ("trials", "prune", "patience", "min_growth", "warm_start", "baselines")


@app.callback()
def _begin() -> None:
    from lossweights.report.terminal import forgive_encodings

    forgive_encodings()


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


@contextmanager
def _begun_early(flags: Flags) -> Iterator[None]:
    """Begin what takes as long as the script: what its workers are forked from.

    Raises:
        SweepNotFound: What is to be gone on with is not there.
    """
    from lossweights.results.folder import read_manifest
    from lossweights.sweep.early import begin, no_longer_than_this

    with no_longer_than_this():
        if not flags.smoke:
            trials = flags.trials
            if trials is None:
                known = read_manifest(flags.root, str(flags.name)) if flags.resume else {}
                trials = known.get("trials", TRIALS)
            begin(flags.options(trials, Path()), "lossweights.sweep.sweep")
        yield


@verb("run sweeps/bike_demand.py --trials 128")
@takes_flags()
def run(
    script: Script,
    flags: Flags,
) -> None:
    """Run the sweep that a script declares."""
    with sentences(), _begun_early(flags):
        from lossweights.cli._script import load_sweep

        run_and_print(load_sweep(script), flags, script)


@verb("plan sweeps/bike_demand.py --trials 128")
def plan(
    script: Script,
    trials: Annotated[
        int | None, typer.Option(help="Tell how long so many trials train, from timed steps.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of each, for the time; the sweep's if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at a sweep before it runs: terms, gradients, who would drive, ranges, time.

    Nothing is written.
    """
    with sentences():
        from lossweights.cli._script import load_sweep

        found = load_sweep(script).plan(trials, epochs)
    if as_json:
        echo_json(found.to_dict())
    else:
        from lossweights.report.terminal import page, print_text

        print_text(page(), str(found))


@verb("resume bike-demand --trials 256")
@takes_flags(without=("name", "resume", "prune", "warm_start", "smoke"))
def resume(name: SweepName, flags: Flags) -> None:
    """Go on with a sweep, up to so many trials in all."""
    flags = replace(flags, name=name, resume=True)
    with sentences(), _begun_early(flags):
        from lossweights.cli._script import launched

        sweep, script = launched(name, flags.root)
        run_and_print(sweep, flags, script)


@verb("confirm bike-demand --seeds 5")
@takes_flags(without=(*_OF_TRIALS, "name", "resume", "confirm", "smoke"))
def confirm(
    name: SweepName,
    flags: Flags,
    seeds: Annotated[int, typer.Option(help="Fresh seeds, the same for all.", min=1)] = 5,
    as_json: AsJson = False,
) -> None:
    """Train picks and baselines anew from fresh seeds, and measure them on the test data.

    Repeated, it takes other seeds, and is recorded as another look at the test data.
    """
    with sentences():
        from lossweights.cli._json import tell_proof
        from lossweights.cli._script import launched

        sweep, script = launched(name, flags.root)
    flags = replace(flags, name=name, resume=True, confirm=seeds)
    run_and_print(sweep, flags, script, confirm=True, tell=tell_proof if as_json else None)


@verb("status bike-demand")
def status(
    name: Annotated[
        str | None,
        typer.Argument(help="One sweep; all of them if left out.", autocompletion=complete_sweep),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Say how a sweep goes on: whether it runs, its trials, pace, workers and tracking."""
    from lossweights.results.folder import list_sweeps
    from lossweights.results.status import read_status

    with _each_of([name] if name else list_sweeps(root)) as read:
        found = read(lambda each: read_status(root, each))
        if as_json:
            echo_json([asdict(each) for each in found])
        else:
            said = "\n\n".join(each.describe(root) for each in found)
            typer.echo(said or f"No sweep in {root}.")


@verb("list --root mlruns", "list")
def list_(root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> None:
    """List the sweeps below a root."""
    from lossweights.cli._json import list_entry
    from lossweights.cli._tables import print_list
    from lossweights.results.folder import list_sweeps
    from lossweights.results.result import SweepResult

    with _each_of(list_sweeps(root)) as read:
        entries = read(lambda name: list_entry(SweepResult.read(name, root)))
        if as_json:
            echo_json(entries)
        elif entries:
            print_list(entries)
        else:
            typer.echo(f"No sweep in {root}.")


@verb("report bike-demand")
def report(
    name: SweepName,
    to: Annotated[Path | None, typer.Option(help="File to write.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Write it anew until the sweep ends, or until Ctrl-C.")
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Print the summary of a sweep and write its report."""
    with sentences():
        from lossweights.report.follow import follow_report
        from lossweights.report.page import write_report
        from lossweights.report.summary import print_summary
        from lossweights.results.folder import sweep_folder
        from lossweights.results.result import SweepResult
        from lossweights.tracking import settle_moved

        result = SweepResult.read(name, root)
        warn(settle_moved(root))
        path = to or sweep_folder(root, name) / "report.html"
        if follow:
            follow_report(name, root, path, tell=lambda line: typer.echo(line, err=True))
            result = SweepResult.read(name, root)
        else:
            write_report(result, path, root=root)
        if as_json:
            from lossweights.cli._json import report_entry

            echo_json(report_entry(result, root, path))
        else:
            print_summary(result, root)
            typer.echo(f"\nReport written to {path}")


@verb("sync bike-demand")
def sync(
    name: SweepName,
    root: Root = DEFAULT_ROOT,
    tracking_uri: TrackingUri = None,
    register: Annotated[
        bool, typer.Option("--register", help="Register the winner on the server, too.")
    ] = False,
) -> None:
    """Record in MLflow what could not be recorded while the sweep ran; nothing twice."""
    with sentences():
        from lossweights.tracking import sync_sweep

        typer.echo(sync_sweep(root, name, tracking_uri, register=register))


@verb("remove bike-demand")
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
    with sentences():
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


@verb("ui --port 5001")
def ui(
    root: Root = DEFAULT_ROOT,
    port: Annotated[
        int | None,
        typer.Option(help="Port on this machine.  [default: that of last time; 5000 at first]"),
    ] = None,
) -> None:
    """Open the MLflow UI on this machine alone (127.0.0.1), until Ctrl-C."""
    from lossweights.cli._ui import become_ui
    from lossweights.tracking import settle_moved

    warn(settle_moved(root))
    become_ui(root, port)
