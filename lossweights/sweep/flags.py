"""The options of a run as the command line spells them, said once for all commands that run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from lossweights.base.commands import DEFAULT_ROOT
from lossweights.sweep._options import RunOptions

Root = Annotated[Path, typer.Option(help="Folder of MLflow's database, sweeps and weight sets.")]
TrackingUri = Annotated[
    str | None,
    typer.Option(help="Address of an MLflow server.  [default: where the sweep recorded]"),
]


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What a person may say of a run; `lossweights.sweep.abstract.AbstractSweep.run` says more."""

    trials: Annotated[
        int | None,
        typer.Option(help="Trials in all.  [default: 64; on resume as many as last time]"),
    ] = None
    name: Annotated[str | None, typer.Option(help="Another name for the sweep.")] = None
    root: Root = DEFAULT_ROOT
    trainer: Annotated[str, typer.Option(help="auto, or the name of a trainer.")] = "auto"
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that train; 0 trains in this one.  [default: chosen]"),
    ] = None
    executor: Annotated[
        str | None,
        typer.Option(help="inline, processes, or ray for a cluster.  [default: chosen]"),
    ] = None
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster: auto, ray://HOST:10001.  [default: auto]"),
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep of this name.")] = (
        False
    )
    accept_change: Annotated[
        list[str] | None,
        typer.Option(help="Go on although this has changed, such as code; may be repeated."),
    ] = None
    trial_timeout: Annotated[
        float | None, typer.Option(help="Seconds after which a trial is ended.")
    ] = None
    time_limit: Annotated[
        str | None, typer.Option(help="End the sweep in order after so long: 2h, 30m, 90s.")
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            help="Memory that all processes may hold together: 8G, 800M.  [default: free]"
        ),
    ] = None
    patience: Annotated[
        int | None,
        typer.Option(help="End when the front has not grown in so many trials."),
    ] = None
    min_growth: Annotated[
        float,
        typer.Option(help="Part by which its hypervolume grows, or it has not.", show_default=True),
    ] = 0.01
    warm_start: Annotated[
        str | None,
        typer.Option(help="Try first what this earlier sweep found."),
    ] = None
    max_retries: Annotated[
        int, typer.Option(help="New tries of weights whose worker died.", show_default=True)
    ] = 1
    prune: Annotated[
        bool, typer.Option("--prune", help="Stop the worst trials early, so that others can be.")
    ] = False
    baselines: Annotated[
        str | None,
        typer.Option(help="What to beat: all, none, or as in equal,dwa.  [default: declared]"),
    ] = None
    confirm: Annotated[
        int | None,
        typer.Option(
            help="Train picks and baselines anew from so many seeds; 0 does not.  "
            "[default: 5 or 3, if they take half of the time]"
        ),
    ] = None
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            help="MLflow server to record to.  [default: MLFLOW_TRACKING_URI, or below the root; "
            "on resume as before]"
        ),
    ] = None
    no_tracking: Annotated[bool, typer.Option("--no-tracking", help="Do not record to MLflow.")] = (
        False
    )
    register: Annotated[
        bool,
        typer.Option(
            "--register", help="Register the winner on an MLflow server, too; below the root it is."
        ),
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="See whether it runs: two trials, of which nothing is kept."),
    ] = False

    def options(self, trials: int, script: Path) -> RunOptions:
        """The options of the run.

        Args:
            trials: Weight sets to try in all.
            script: The script that declares the sweep.
        """
        return RunOptions(
            trials=trials,
            name=self.name,
            root=self.root,
            trainer=self.trainer,
            workers=self.workers,
            executor=self.executor,
            address=self.address,
            resume=self.resume,
            accept_change=tuple(self.accept_change or ()),
            tracking=False if self.no_tracking else self.tracking_uri or True,
            trial_timeout=self.trial_timeout,
            time_limit=self.time_limit,
            memory=self.memory,
            patience=self.patience,
            min_growth=self.min_growth,
            warm_start=self.warm_start,
            max_retries=self.max_retries,
            prune=self.prune,
            baselines=self.baselines,
            confirm=self.confirm,
            register=self.register,
            quiet=self.quiet,
            script=script,
        )

    def smoking(self, root: Path) -> Flags:
        """Those of a run that is over soon, below a root that goes away.

        >>> smoking = Flags(smoke=True, trials=5).smoking(Path("away"))
        >>> smoking.trials, smoking.confirm
        (5, 0)
        """
        return replace(
            self,
            trials=2 if self.trials is None else self.trials,
            confirm=0 if self.confirm is None else self.confirm,
            baselines=self.baselines or "none",
            workers=0 if self.workers is None else self.workers,
            executor=None,
            address=None,
            no_tracking=True,
            register=False,
            root=root,
            smoke=False,
        )


def takes_flags(without: Sequence[str] = ()) -> Callable[[Callable[..., None]], Any]:
    """Makes a command take every flag, and hands it all of them as ``flags``.

    Typer reads a command's options from its signature. So the signature is made here, from
    `Flags`, instead of being written again for every command.

    Args:
        without: Flags that the command does not take; it gets their defaults.
    """
    hints = get_type_hints(Flags, include_extras=True)
    taken = [each for each in fields(Flags) if each.name not in without]
    options = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=hints[each.name],
        )
        for each in taken
    ]

    def decorate(command: Callable[..., None]) -> Any:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.name != "flags"]

        @functools.wraps(command)
        def called(**given: Any) -> None:
            flags = Flags(**{each.name: given.pop(each.name) for each in taken})
            command(**given, flags=flags)

        # What `wraps` took over describes the inner command.
        called.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in (*own, *options)}
        return called

    return decorate
