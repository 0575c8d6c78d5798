"""A sweep: problem, space and objectives under one name; run it, resume it, read its result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras

from lossweights import manifest as manifests
from lossweights import search
from lossweights._files import check_name
from lossweights.driver import drive
from lossweights.errors import DataError, ObjectiveError, TermError
from lossweights.folder import (
    list_results,
    read_manifest,
    refuse_existing,
    sweep_folder,
    write_test,
)
from lossweights.launch import launch
from lossweights.metrics import Metric
from lossweights.problem import Data, Problem, rehearse
from lossweights.progress import SweepProgress
from lossweights.report import write_report
from lossweights.result import RESERVED_COLUMNS, SweepResult, model_path
from lossweights.scales import reference_scales
from lossweights.space import Space, SpaceLike
from lossweights.store import Store
from lossweights.terms import as_term
from lossweights.tracking import Ending, Tracker
from lossweights.training import FitTrainer
from lossweights.winner import train_winner

log = logging.getLogger("lossweights")

# Keras' names for the weighted total: smaller weights would win.
_WEIGHTED = ("loss", "val_loss", "total", "total_loss", "weighted_loss")
TRAINERS = ("auto", "fit")


class Sweep:
    """A search over the weights of a loss of several terms.

    Every trial samples weights, trains the same model on the same data from the same seed, and is
    judged by metrics that no weight enters.

    Args:
        name: Name of the sweep, of its folder and of its MLflow experiment.
        build_model: Gives a new, uncompiled Keras model. A function of a module, not a lambda.
        load_data: Gives `Data`.
        terms: Terms by name, each a Keras loss name, a Keras loss, a function or a `lw.terms` term.
        space: A distribution for each term, or a `Simplex`.
        metrics: Metrics by name, measured on validation data after every epoch.
        objectives: ``"minimize"`` or ``"maximize"`` for one or more of the metrics.
        optimizer: Name or instance of a Keras optimizer.
        epochs: Passes over the training data in each trial.
        batch_size: Rows a step.
        seed: Seed of the sampler, and of initialisation and batch order in every trial.
        scales: ``"data"`` divides each sampled weight by the magnitude its term has for the best
            constant prediction of the training targets, so that a weight of 1 means the same for
            every term; a mapping gives these magnitudes; ``None`` takes weights as sampled.
        baselines: Weight sets to try first, such as those in use today.
        probe_size: Most training rows on which magnitudes are measured each epoch.

    Raises:
        InvalidName, TermError, SpaceError, ObjectiveError, ValueError: Before any training.
    """

    def __init__(
        self,
        *,
        name: str,
        build_model: Callable[[], keras.Model],
        load_data: Callable[[], Data],
        terms: Mapping[str, Any],
        space: SpaceLike,
        metrics: Mapping[str, Metric],
        objectives: Mapping[str, str],
        optimizer: str | keras.optimizers.Optimizer = "adam",
        epochs: int = 20,
        batch_size: int = 64,
        seed: int = 0,
        scales: str | Mapping[str, float] | None = "data",
        baselines: Sequence[Mapping[str, float]] = (),
        probe_size: int = 1024,
    ) -> None:
        self.name = check_name(name, "sweep")
        if not isinstance(terms, Mapping) or not terms:
            raise TermError(f"Expected at least one term by name. Found {terms!r}.")
        self.problem = Problem(
            build_model=build_model,
            terms={key: as_term(term, check_name(key, "term")) for key, term in terms.items()},
            metrics=_checked_metrics(metrics),
            optimizer=optimizer,
            epochs=_at_least_one("epochs", epochs),
            batch_size=_at_least_one("batch_size", batch_size),
            probe_size=_at_least_one("probe_size", probe_size),
        )
        self.space = Space(list(terms), space)
        self.objectives = _checked_objectives(objectives, self.problem.metrics)
        self.load_data = load_data
        self.seed = _at_least("seed", seed, 0)
        self.scales = scales
        self._baselines = search.baselines(self.space, baselines)

    def run(
        self,
        trials: int = 64,
        *,
        name: str | None = None,
        root: str | Path = "mlruns",
        trainer: str = "auto",
        resume: bool = False,
        tracking: bool = True,
        quiet: bool = False,
        script: str | None = None,
    ) -> SweepResult:
        """Run the sweep until so many trials have ended, and save its picks and report.

        Args:
            trials: Trials in all, with those from before when resuming.
            name: Another name for this run of the sweep.
            root: Folder for MLflow's database, sweep folders and weight sets.
            trainer: ``"fit"`` trains with `model.fit`; ``"auto"`` chooses.
            resume: Go on with the sweep of this name instead of refusing it.
            tracking: Record to MLflow.
            quiet: Show no progress.
            script: Path of the launching script, kept so that `lossweights resume` finds it.

        Raises:
            SweepExists: The name has results and ``resume`` is false.
            SweepChanged: The resumed sweep is not the one that was started.
            DataError, ModelError, TermError, MetricError: What is to be trained does not fit.
            StoreError: The root cannot be written.
            SweepFailed: Three trials in a row failed.
        """
        name = self.name if name is None else check_name(name, "sweep")
        trials = _at_least_one("trials", trials)
        if trainer not in TRAINERS:
            raise ValueError(f"Expected a trainer among {TRAINERS}. Found {trainer!r}.")
        root = Path(root)
        if not resume:
            refuse_existing(root, name)
        data = self._checked_data()
        output_shape = rehearse(self.problem, data, self.seed)
        scales = self._reference_scales(data, output_shape)
        manifest = manifests.make_manifest(
            name=name,
            problem=self.problem,
            data=data,
            space=self.space,
            objectives=self.objectives,
            scales=scales,
            seed=self.seed,
            script=script,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        fit = FitTrainer(self.problem, data)
        with self._open_store(root, name, manifest, resume) as store:
            tracker = Tracker(root, store.name) if tracking else None
            if tracker is not None:
                tracker.start(self._tracked_params())
                for finished in list_results(store.folder).values():
                    tracker.trial_ended(finished)  # what an interrupted process could not record
            ending = Ending("KILLED", "Stopped before the end; it can be resumed.")
            try:
                with SweepProgress(self.objectives, trials, store.finished(), quiet=quiet) as bar:
                    drive(
                        store, self.space, fit, tracker, bar,
                        trials=trials, scales=scales, seed=self.seed,
                    )  # fmt: skip
                ending = self._conclude(SweepResult.read(store.name, root), root, fit, data)
            except Exception as error:
                ending = Ending("FAILED", f"{type(error).__name__}: {error}")
                raise
            finally:
                if tracker is not None:
                    tracker.finish(ending)
        return SweepResult.read(name, root)

    def _open_store(self, root: Path, name: str, manifest: dict[str, Any], resume: bool) -> Store:
        if resume:
            manifests.check_same(read_manifest(root, name), manifest)
            return Store.reopen(root, name, self.objectives, self.seed)
        store = Store.create(root, name, manifest, self.objectives, self.seed)
        store.enqueue(self._baselines)
        return store

    def _conclude(self, result: SweepResult, root: Path, fit: FitTrainer, data: Data) -> Ending:
        """Save picks, winner and report; say how the parent run ends."""
        files = list(result.save_picks(root).values())
        best = result.best_number("knee")
        winner = train_winner(fit, data, result.finished[best], model_path(root, result.name))
        files.extend([winner.path] if winner.path else [])
        write_test(sweep_folder(root, result.name), best, winner.test)
        files.append(write_report(result, sweep_folder(root, result.name) / "report.html"))
        measured = result.finished[best].result.metrics
        return Ending(
            status="FINISHED",
            note=result.verdict,
            artifacts=files,
            metrics={
                **{f"best/{name}": value for name, value in measured.items()},
                **{f"test/{name}": value for name, value in winner.test.items()},
            },
            tags={"lossweights.verdict": result.verdict},
        )

    def _tracked_params(self) -> dict[str, Any]:
        return {
            "epochs": self.problem.epochs,
            "batch_size": self.problem.batch_size,
            "optimizer": self.problem.make_optimizer().name,
            "seed": self.seed,
            "objectives": ", ".join(f"{d} {name}" for name, d in self.objectives.items()),
            **{f"space/{key}": value for key, value in self.space.describe().items()},
        }

    def _checked_data(self) -> Data:
        data = self.load_data()
        if not isinstance(data, Data):
            raise DataError(
                f"Expected load_data() to return lw.Data. Found {type(data).__name__}. "
                f"Return lw.Data(train=(x, y), val=(x, y))."
            )
        return data

    def _reference_scales(self, data: Data, output_shape: Any) -> dict[str, float] | None:
        if self.scales is None:
            return None
        if self.scales == "data":
            return reference_scales(
                self.problem.terms,
                data.train.y,
                sample_weight=data.train.sample_weight,
                output_shape=output_shape,
            )
        if isinstance(self.scales, Mapping) and set(self.scales) == set(self.problem.terms):
            return {name: float(self.scales[name]) for name in self.problem.terms}
        raise TermError(
            f"Expected scales='data', None, or a magnitude above 0 for each of the terms "
            f"{list(self.problem.terms)}. Found {self.scales!r}."
        )

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Launch the sweep from the command line: the last line of a script in ``sweeps/``."""
        launch(self, arguments)


def _checked_metrics(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    for name, metric in metrics.items():
        check_name(name, "metric")
        if not isinstance(metric, Metric):
            raise ObjectiveError(
                f"Expected a metric of lw.metrics as {name!r}. Found {metric!r}. "
                f"Write for example metrics={{'rmse': lw.metrics.RMSE()}}."
            )
        if name in RESERVED_COLUMNS:
            raise ObjectiveError(f"Expected another metric name. Found {name!r}, a table column.")
    return dict(metrics)


def _checked_objectives(
    objectives: Mapping[str, str], metrics: Mapping[str, Metric]
) -> dict[str, str]:
    if not isinstance(objectives, Mapping) or not objectives:
        raise ObjectiveError(
            f"Expected at least one objective, such as {{'rmse': 'minimize'}}. "
            f"Found {objectives!r}."
        )
    for name, direction in objectives.items():
        if name in _WEIGHTED:
            raise ObjectiveError(
                f"Expected objectives that do not depend on the searched weights. Found {name!r}: "
                f"a weighted sum gets smaller when the weights do, so the smallest weights would "
                f"win. Use a metric such as lw.metrics.RMSE()."
            )
        if name not in metrics:
            raise ObjectiveError(
                f"Expected objectives among the metrics {list(metrics)}. Found {name!r}. "
                f"Add it to metrics=."
            )
        if direction not in ("minimize", "maximize"):
            raise ObjectiveError(
                f"Expected 'minimize' or 'maximize' for the objective {name!r}. "
                f"Found {direction!r}."
            )
        if metrics[name].direction not in (direction, None):
            raise ObjectiveError(
                f"Expected {metrics[name].direction!r} for the objective {name!r}, since that is "
                f"the better way of {type(metrics[name]).__name__}. Found {direction!r}."
            )
    return dict(objectives)


def _at_least(what: str, value: object, lowest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValueError(
            f"Expected {what} as a whole number of at least {lowest}. Found {value!r}."
        )
    return value


def _at_least_one(what: str, value: object) -> int:
    return _at_least(what, value, 1)
