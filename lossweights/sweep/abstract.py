"""What can be launched, driven and loaded by a worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self

from lossweights.base.errors import RecipeError
from lossweights.results.result import SweepResult
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._options import RunOptions

_made: ContextVar[list[AbstractSweep] | None] = ContextVar("_made", default=None)


@contextmanager
def sweeps_made() -> Iterator[list[AbstractSweep]]:
    """The sweeps that are made within this context, also those that no variable holds any more."""
    made: list[AbstractSweep] = []
    token = _made.set(made)
    try:
        yield made
    finally:
        _made.reset(token)


class AbstractSweep(Declaration):
    """What can be launched, driven and loaded by a worker: a declaration that can be run.

    Final subclasses: `lossweights.sweep.sweep.Sweep`, which trains Keras models, and
    `lossweights.testing.FakeSweep`, which does sums.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """A new sweep, which is noted where `sweeps_made` is asked for."""
        sweep = super().__new__(cls)
        made = _made.get()
        if made is not None:
            made.append(sweep)
        return sweep

    def run(
        self,
        trials: int = 64,
        *,
        name: str | None = None,
        root: str | Path = "mlruns",
        trainer: str = "auto",
        workers: int | None = None,
        executor: str | None = None,
        address: str | None = None,
        resume: bool = False,
        accept_change: Sequence[str] = (),
        tracking: bool | str = True,
        trial_timeout: float | None = None,
        time_limit: float | str | None = None,
        memory: int | str | None = None,
        patience: int | None = None,
        min_growth: float = 0.01,
        warm_start: str | None = None,
        max_retries: int = 1,
        prune: bool = False,
        baselines: str | None = None,
        confirm: int | None = None,
        register: bool = False,
        quiet: bool = False,
        script: str | Path | None = None,
    ) -> SweepResult:
        """Run the sweep until so many weight sets have been tried, and save its picks and report.

        Args:
            trials: Weight sets to try in all, with those from before when resuming.
            name: Another name for this run of the sweep.
            root: Folder for MLflow's database, sweep folders and weight sets.
            trainer: One of `trainers`; ``"auto"`` chooses.
            workers: How many processes train, each with its share of the cores; 0 trains in this
                process; ``None`` chooses.
            executor: ``"inline"`` trains in this process, ``"processes"`` in workers of this
                machine, ``"ray"`` on the nodes of a Ray cluster, where ``workers`` are as many as
                there is room for if nothing is said. ``None`` chooses among the first two.
            address: Of the cluster: ``"auto"``, which is the default, ``"ray://HOST:10001"``, or
                ``"HOST:6379"`` on one of its machines.
            resume: Go on with the sweep of this name instead of refusing it.
            accept_change: Fields in which a resumed sweep may differ from the one that was started,
                such as ``["code"]``; it is recorded.
            tracking: Record to MLflow at an address; ``False`` does not. ``True`` takes that of
                ``MLFLOW_TRACKING_URI``, if it is set and no file store, or else the store below
                the root; a resumed sweep stays where it was.
            trial_timeout: Seconds after which a trial is ended, with its worker.
            time_limit: Seconds, or ``"2h"`` or ``"30m"``, after which the sweep ends in order: no
                trial begins, those that train have a few seconds, and what has ended counts. It
                can be gone on with.
            memory: Bytes, or ``"8G"`` or ``"800M"``, that all processes of the sweep may hold
                together; by default what is free. It bounds stacks and workers, and a worker
                beyond its share makes room for a new one after its batch.
            patience: Trials after which the sweep ends if the front's hypervolume has not grown by
                ``min_growth`` in them; see `lossweights.search.stagnation.Stagnation`. ``None``
                tries all ``trials``.
            min_growth: By which part of itself it has to grow.
            warm_start: Name of an earlier sweep below the root, of another model or other data
                perhaps: the relative weights of its front are tried first, 16 sets and a quarter of
                the trials at most, for the terms that are the same. They are trained anew. A
                resumed sweep has the start that it had.
            max_retries: How often weights are tried again whose worker died or ran out of time.
            prune: Stop the worst trials early, as if the sweep had been declared with
                ``prune=True``; one that declares how, or did so before, does it in its own way.
            baselines: What the sweep has to beat in this run, in place of what it declares:
                ``"all"``, ``"none"``, or names with a comma between them. A resumed sweep keeps
                what was said.
            confirm: From how many fresh seeds, the same for all, picks and baselines are trained
                anew at the end and measured on validation and test data; 0 for none. By default 5,
                or 3, if that takes at most a half of the time that the trials trained, and else
                none; a resumed sweep keeps what was said. Once confirmed, it is so until picks or
                baselines are others.
            register: Register the winner under the sweep's name on the MLflow server that the sweep
                is recorded at. In the store below the root, and in a database of one's own, it is
                registered anyway.
            quiet: Show no progress.
            script: Path of the launching script, kept so that `lossweights resume` finds it.

        Raises:
            SweepExists: The name has results and ``resume`` is false.
            SweepNotFound: ``resume`` is true and there is no sweep of this name.
            SweepLocked: Another process is driving the sweep.
            SweepChanged: The resumed sweep is not the one that was started.
            RecipeError: A number or a choice here cannot be, such as a file store to record to, or
                less memory than one training takes.
            DataError, ModelError, TermError, MetricError: What is to be trained does not fit.
            StoreError: The root cannot be written.
            WorkerError: Worker processes cannot load the sweep; or there is no cluster at the
                address.
            SweepFailed: Three trials in a row failed for one reason; as `NoneComplete`, no trial is
                complete, or the first 16 have all diverged.
            KeyboardInterrupt: A signal stopped it; it can be resumed.
        """
        from lossweights.sweep._run import run_sweep  # what drives a sweep, workers do not need

        options = RunOptions(
            trials=trials,
            name=name,
            root=Path(root),
            trainer=trainer,
            workers=workers,
            executor=executor,
            address=address,
            resume=resume,
            accept_change=tuple(accept_change),
            tracking=tracking,
            trial_timeout=trial_timeout,
            time_limit=time_limit,
            memory=memory,
            patience=patience,
            min_growth=min_growth,
            warm_start=warm_start,
            max_retries=max_retries,
            prune=prune,
            baselines=baselines,
            confirm=confirm,
            register=register,
            quiet=quiet,
            script=None if script is None else Path(script),
        )
        return run_sweep(self, options)

    def plan(self, trials: int | None = None, epochs: int | None = None) -> Any:
        """Look at the sweep before it runs; see `lossweights.sweep.sweep.Sweep.plan`.

        Raises:
            RecipeError: It has no Keras model to look at.
        """
        raise RecipeError(
            f"Expected a sweep of Keras models, lw.Sweep, to look at. Found "
            f"{type(self).__name__}. Run it: sweep.run(trials=...)."
        )

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Launch the sweep from the command line: the last line of a script in ``sweeps/``."""
        from lossweights.sweep.launch import launch  # the command line, likewise

        launch(self, arguments)
