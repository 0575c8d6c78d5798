"""What a launch script declares, as launcher, driver and workers see it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lossweights.search.space import Space
from lossweights.sweep._choice import Choice, Choose
from lossweights.training._contract import Trainer

if TYPE_CHECKING:
    from lossweights.results.result import SweepResult
    from lossweights.tracking import Ending


def _as_asked(name: str, trials: int, workers: int | None, least: int = 0) -> Choice:
    """The trainer that was named, in as many workers as asked for."""
    return Choice(name, least if workers is None else workers)


@dataclass(frozen=True)
class Prepared:
    """A sweep whose data are loaded and whose parts are known to fit.

    Attributes:
        parts: Everything but space, objectives and seed that decides its numbers, as plain JSON
            values; a worker that loads the sweep must find the same.
        scales: What sampled weights are divided by, term by term, or ``None``.
        baseline: Magnitude of each term for the best constant prediction, where trials measure
            theirs, or ``None`` where there is no such prediction.
        make_trainer: Builds a trainer, by its name and how many members it is to train at once;
            ``None`` leaves that to the trainer.
        conclude: What to do once all trials have ended: from the result and the root to how the
            parent run ends.
        shown: What the tracker shows of the sweep.
        choose: Finds out how trials are best trained.
    """

    parts: Mapping[str, Any]
    scales: Mapping[str, float] | None
    make_trainer: Callable[[str, int | None], Trainer]
    conclude: Callable[[SweepResult, Path], Ending]
    shown: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, float] | None = None
    choose: Choose = _as_asked


class AbstractSweep(ABC):
    """What can be launched, driven and loaded by a worker.

    Final subclasses: `lossweights.sweep.sweep.Sweep`, which trains Keras models, and
    `lossweights.testing.FakeSweep`, which does sums.

    Attributes:
        name: Name of the sweep.
        space: What is sampled.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        seed: Seed of the sampler and of every training.
        baselines: Parameter values to try first.
        trainers: Names of the trainers that it can build.
    """

    name: str
    space: Space
    objectives: Mapping[str, str]
    seed: int
    baselines: Sequence[Mapping[str, float]]
    trainers: ClassVar[Sequence[str]]

    @abstractmethod
    def prepare(self, *, rehearse: bool) -> Prepared:
        """Load the data and, for the driver, try every part once, so that mistakes show at once."""

    def run(
        self,
        trials: int = 64,
        *,
        name: str | None = None,
        root: str | Path = "mlruns",
        trainer: str = "auto",
        workers: int | None = None,
        resume: bool = False,
        accept_change: Sequence[str] = (),
        tracking: bool | str = True,
        trial_timeout: float | None = None,
        max_retries: int = 1,
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
            resume: Go on with the sweep of this name instead of refusing it.
            accept_change: Fields in which a resumed sweep may differ from the one that was started,
                such as ``["code"]``; it is recorded.
            tracking: Record to MLflow: below the root, or at an address; ``False`` does not.
            trial_timeout: Seconds after which a trial is ended, with its worker.
            max_retries: How often weights are tried again whose worker died or ran out of time.
            quiet: Show no progress.
            script: Path of the launching script, kept so that `lossweights resume` finds it.

        Raises:
            SweepExists: The name has results and ``resume`` is false.
            SweepNotFound: ``resume`` is true and there is no sweep of this name.
            SweepLocked: Another process is driving the sweep.
            SweepChanged: The resumed sweep is not the one that was started.
            RecipeError: A number or a choice here cannot be.
            DataError, ModelError, TermError, MetricError: What is to be trained does not fit.
            StoreError: The root cannot be written.
            WorkerError: Worker processes cannot load the sweep.
            SweepFailed: Three trials in a row failed for one reason.
            KeyboardInterrupt: A signal stopped it; it can be resumed.
        """
        from lossweights.sweep._run import Options, run_sweep

        options = Options(
            trials=trials,
            name=name,
            root=Path(root),
            trainer=trainer,
            workers=workers,
            resume=resume,
            accept_change=tuple(accept_change),
            tracking=tracking,
            trial_timeout=trial_timeout,
            max_retries=max_retries,
            quiet=quiet,
            script=None if script is None else Path(script),
        )
        return run_sweep(self, options)

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Launch the sweep from the command line: the last line of a script in ``sweeps/``."""
        from lossweights.sweep.launch import launch

        launch(self, arguments)
