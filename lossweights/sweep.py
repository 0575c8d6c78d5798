"""A sweep: problem, space and objectives under one name; run it, resume it, read its result."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import keras

from lossweights import search
from lossweights._files import check_name
from lossweights.abstract import AbstractSweep, Choice, Prepared
from lossweights.data import Data
from lossweights.describe import describe_problem
from lossweights.early_stopping import EarlyStopping
from lossweights.errors import DataError, ObjectiveError, RecipeError, TermError
from lossweights.executors.processes import available_cores
from lossweights.folder import sweep_folder, write_test
from lossweights.metrics import Metric
from lossweights.problem import Problem
from lossweights.problem import rehearse as try_once
from lossweights.report import write_report
from lossweights.result import RESERVED_COLUMNS, SweepResult, model_path
from lossweights.scales import check_scales, reference_scales
from lossweights.space import Space, SpaceLike
from lossweights.terms import as_term
from lossweights.tracking import Ending
from lossweights.training import TRAINERS, FitTrainer, Trainer, choose_trainer
from lossweights.winner import train_winner

log = logging.getLogger("lossweights")

# Keras' names for the weighted total: smaller weights would win.
_WEIGHTED = ("loss", "val_loss", "total", "total_loss", "weighted_loss")
TRIALS_A_WORKER = 16  # below, importing TensorFlow again costs more than a worker saves
MAX_SEED = 2**32 - 1  # of NumPy's generator, which Keras seeds too


class Sweep(AbstractSweep):
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
        early_stopping: When a training ends before its last epoch, such as
            ``lw.EarlyStopping("rmse", patience=3)``; its best epoch counts then.

    Raises:
        InvalidName, TermError, WeightError, SpaceError, ObjectiveError, RecipeError: Before any
            training.
    """

    trainers = ("auto", *TRAINERS)

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
        early_stopping: EarlyStopping | None = None,
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
            early_stopping=early_stopping,
        )
        self.space = Space(list(terms), space)
        self.objectives = _checked_objectives(objectives, self.problem.metrics)
        self.load_data = load_data
        self.seed = _whole("seed", seed, 0, MAX_SEED)
        self.scales = _checked_scales(scales, list(terms))
        self.problem.make_optimizer()  # so that a misspelt one is refused here
        self.baselines = search.baselines(self.space, baselines)

    def prepare(self, *, rehearse: bool) -> Prepared:
        """Load the data, try every part once, and find the reference scales."""
        data = self._checked_data()
        scales = None
        if rehearse:
            output_shape = try_once(self.problem, data, self.seed)
            scales = self._reference_scales(data, output_shape)
        trainers = _Trainers(self.problem, data)
        return Prepared(
            parts=describe_problem(self.problem, data),
            scales=scales,
            make_trainer=trainers.make,
            conclude=lambda result, root: self._conclude(result, root, trainers.fit, data),
            shown=self._tracked_params(),
            choose=trainers.choose,
        )

    def _conclude(self, result: SweepResult, root: Path, fit: FitTrainer, data: Data) -> Ending:
        """Save picks, winner and report; say how the parent run ends."""
        folder = sweep_folder(root, result.name)
        files = [*result.save_picks(root).values(), write_report(result, folder / "report.html")]
        tags = {"lossweights.verdict": result.verdict}
        if not result.has_best:
            return Ending("FAILED", f"No trial is complete. {result.verdict}", files, tags=tags)
        best = result.best_number("knee")
        winner = train_winner(fit, data, result.finished[best], model_path(root, result.name))
        files.extend([winner.path] if winner.path else [])
        write_test(folder, best, winner.test)
        measured = result.finished[best].result.metrics
        return Ending(
            status="FINISHED",
            note=result.verdict,
            artifacts=files,
            metrics={
                **{f"best/{name}": value for name, value in measured.items()},
                **{f"test/{name}": value for name, value in winner.test.items()},
            },
            tags=tags,
        )

    def _tracked_params(self) -> dict[str, Any]:
        stopping = self.problem.early_stopping
        return {
            "epochs": self.problem.epochs,
            "batch_size": self.problem.batch_size,
            "optimizer": self.problem.make_optimizer().name,
            "seed": self.seed,
            **({} if stopping is None else {"early_stopping": str(stopping)}),
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
        if self.scales != "data":
            return None if self.scales is None else dict(self.scales)
        rows = data.train.sample
        return reference_scales(
            self.problem.terms,
            rows.y,
            sample_weight=rows.sample_weight,
            output_shape=output_shape,
        )


class _Trainers:
    """The trainers of a problem, each built when it is first needed."""

    def __init__(self, problem: Problem, data: Data) -> None:
        self._problem, self._data = problem, data
        self._built: dict[str, Trainer] = {}

    def make(self, name: str) -> Trainer:
        """The trainer of that name."""
        if name == "auto":
            name = self._chosen[0]
        if name not in self._built:
            self._built[name] = TRAINERS[name](self._problem, self._data)
        return self._built[name]

    @property
    def fit(self) -> FitTrainer:
        """The reference trainer, which trains the winner too."""
        trainer = self.make("fit")
        assert isinstance(trainer, FitTrainer)
        return trainer

    def choose(self, name: str, trials: int) -> Choice:
        """What trains so many trials fastest: a stack by itself, or a worker a core.

        A stack keeps all cores busy. Training one member after another keeps one core busy and
        hardly two, if there are trials enough to pay for starting the workers.
        """
        why = ""
        if name == "auto":
            name, why = self._chosen
        cores = available_cores()
        pays = cores > 1 and trials >= TRIALS_A_WORKER * cores and self.make(name).capacity == 1
        return Choice(name, cores if pays else 0, why)

    @cached_property
    def _chosen(self) -> tuple[str, str]:
        trainer, why = choose_trainer(self._problem, self._data)
        self._built.setdefault(trainer.name, trainer)
        return trainer.name, why


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


def _checked_scales(
    scales: str | Mapping[str, float] | None, names: Sequence[str]
) -> Literal["data"] | dict[str, float] | None:
    if scales is None or scales == "data":
        return "data" if scales else None
    return check_scales(scales, names)


def _whole(what: str, value: object, lowest: int, highest: float = math.inf) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
        return value
    bounds = f"of at least {lowest}" if highest == math.inf else f"from {lowest} to {highest}"
    raise RecipeError(f"Expected {what} as a whole number {bounds}. Found {value!r}.")


def _at_least_one(what: str, value: object) -> int:
    return _whole(what, value, 1)
