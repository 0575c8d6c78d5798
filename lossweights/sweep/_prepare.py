"""Preparing a sweep of a Keras model: load, try once, find the scales, describe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossweights.base.errors import DataError
from lossweights.data import Data, Folds, Split, pooled
from lossweights.data.once import Neighbours
from lossweights.data.shared import SharedFile, bytes_to_share, share, take
from lossweights.loss.masks import with_masks
from lossweights.loss.mean_prediction import mean_magnitudes
from lossweights.loss.scales import of_mean_one, reference_scales
from lossweights.metrics import KerasMetric
from lossweights.metrics.constant import along_constants, best_constant
from lossweights.results.result import SweepResult
from lossweights.search.space import Space
from lossweights.sweep._describe import describe_problem
from lossweights.sweep._factor import redundancy
from lossweights.sweep._folds import constants_of_folds, mean_of_tables, statistics_of
from lossweights.sweep._units import option_units
from lossweights.sweep.prepared import Prepared
from lossweights.tracking import Ending
from lossweights.training import SetupRequest, Trainer, Trainers, TrainingSetup
from lossweights.training.problem import Problem, Rehearsal, rehearse

log = logging.getLogger("lossweights")

# What takes long to import at the end of a sweep.
_END = (
    "lossweights.report.summary",
    "scipy.stats",
    "sklearn.ensemble",
    "lossweights.sweep._conclude",
)
_PICTURES = ("matplotlib.backends.backend_agg", "matplotlib.figure")
_ROWS_TO_CUT = 256  # on which it is tried whether a metric is a mean of batches


@dataclass(frozen=True, kw_only=True)
class PreparedSweep(Prepared):
    """A sweep of a Keras model, ready to run.

    Attributes:
        whole: The data, or folds of them.
        trainers: The trainers of its problem.
        held: Where other processes find the data, if they are shared.
    """

    whole: Data | Folds
    trainers: Trainers
    held: SharedFile | None = None

    @property
    def data(self) -> Data:
        """The data; of several folds the last."""
        return self.whole.last if isinstance(self.whole, Folds) else self.whole

    @property
    def shared(self) -> SharedFile | None:
        """Where workers find its data, if those are held once."""
        return self.held

    def sharing(self) -> PreparedSweep:
        """The same, with data that other processes can find if they are large."""
        whole, held = share(self.whole)
        return self if held is None else self._on(whole, held)

    def taking(self, path: str) -> PreparedSweep:
        """The same, with data that another process shares; see `Prepared.taking`."""
        return self._on(take(self.whole, path), None)

    @property
    def bytes_to_share(self) -> int:
        """The size of its data where it is worth holding them once."""
        return bytes_to_share(self.whole)

    def held_with(self, neighbours: Neighbours) -> PreparedSweep:
        """The same, with data that the workers of a node hold once."""
        whole, held = neighbours.hold(self.whole)
        return self if held is None else self._on(whole, held)

    def _on(self, whole: Data | Folds, held: SharedFile | None) -> PreparedSweep:
        return replace(self, whole=whole, trainers=self.trainers.on(whole), held=held)

    def choose(self, request: SetupRequest) -> TrainingSetup:
        """What trains its trials fastest."""
        return self.trainers.choose(request)

    def end_imports(self, *, recorded: bool) -> Sequence[str]:
        """What draws importance, verdict, summary, report and pictures."""
        return (*_END, *(_PICTURES if recorded else ()))

    def make_trainer(self, name: str, members: int | None = None) -> Trainer:
        """The trainer of that name, for so many members at once."""
        return self.trainers.make(name, members)

    def conclude(
        self,
        result: SweepResult,
        root: Path,
        *,
        recorded: bool,
        parameters: Sequence[NDArray[Any]] | None,
        tell: Callable[[SweepResult], None],
    ) -> Ending:
        """Write verdict, weight sets, winner and report."""
        from lossweights.sweep._conclude import conclude_sweep  # what workers do not need

        return conclude_sweep(
            result,
            root,
            self.trainers,
            self.data,
            recorded=recorded,
            parameters=parameters,
            tell=tell,
        )


def prepare_sweep(
    problem: Problem,
    load_data: Callable[[], Data | Folds],
    *,
    seed: int,
    seeds: int,
    folds: int | None = None,
    stat: str = "mean",
    scales: str | Mapping[str, float] | None,
    objectives: Mapping[str, str],
    shown: Mapping[str, Any],
    rehearsed: bool,
    space: Space,
) -> PreparedSweep:
    """Load the data of a problem and get its trainers ready.

    Args:
        problem: What is trained.
        load_data: Gives the data.
        seed: Seed of every training.
        seeds: From how many seeds each weight set is trained.
        folds: Into how many folds training and validation rows are divided; ``None`` leaves them as
            they are loaded.
        stat: What counts of several trainings, for objectives.
        scales: As `lossweights.sweep.sweep.Sweep` takes them.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        shown: What the tracker shows of the sweep.
        rehearsed: Whether every part is tried once, and scales are found; workers need neither.
        space: What is sampled. Terms that every trial switches off may be undefined, and need no
            scale.

    Raises:
        DataError, ModelError, TermError, MetricError, WeightError: Something does not fit.
    """
    whole, off = _loaded(load_data, folds, seed), space.switched_off
    every = list(whole) if isinstance(whole, Folds) else [whole]
    data = every[-1]
    stats = statistics_of(stat, objectives, seeds * len(every))
    divisors = baseline = None
    units: dict[str, dict[str, float]] = {}
    notes: tuple[str, ...] = ()
    constants: dict[str, dict[str, Any]] = {}
    if rehearsed:
        rehearsal = [rehearse(problem, fold, seed, off) for fold in every][-1]
        divisors = _scales(scales, problem, data, rehearsal, off)
        if scales is not None:
            given = {*off, *(scales if isinstance(scales, Mapping) else ())}
            units = option_units(problem.terms, _read_by_terms(data.train.sample, rehearsal), given)
        baseline = mean_of_tables([_baseline(problem, fold, rehearsal) for fold in every])
        shape = rehearsal.output_shape
        constants = constants_of_folds(
            [_constants(problem, fold, shape, objectives) for fold in every]
        )
        note = redundancy(space, problem.make_optimizer(), sees_more=rehearsal.sees_more)
        notes = (*((note,) if note else ()), *_means_of_batches(problem, data, rehearsal))
    description = describe_problem(problem, whole)
    description["recipe"]["seeds"] = seeds
    if len(every) > 1:
        description["recipe"]["folds"] = len(every)
    if stats:
        description["recipe"]["stat"] = stat
    return PreparedSweep(
        description=description,
        scales=divisors,
        units=units,
        baseline=baseline,
        constants=constants,
        shown=shown,
        settings=description["keras"],
        rows=data.rows,
        notes=notes,
        whole=whole,
        trainers=Trainers(problem, whole, seeds, description, stats),
    )


def _loaded(load_data: Callable[[], Data | Folds], folds: int | None, seed: int) -> Data | Folds:
    data = load_data()
    if isinstance(data, Folds):
        if folds is None:
            return data
        raise DataError(
            f"Expected load_data() to return lw.Data beside folds={folds}, which divides them. "
            f"Found {len(data)} folds. Leave out folds=."
        )
    if not isinstance(data, Data):
        raise DataError(
            f"Expected load_data() to return lw.Data. Found {type(data).__name__}. "
            f"Return lw.Data(train=(x, y), val=(x, y))."
        )
    return data if folds is None else pooled(data, folds, seed)


def _scales(
    scales: str | Mapping[str, float] | None,
    problem: Problem,
    data: Data,
    rehearsal: Rehearsal,
    off: Collection[str],
) -> dict[str, float] | None:
    """What sampled weights are divided by."""
    if scales is None:
        return None
    given = dict(scales) if isinstance(scales, Mapping) else {}
    on = {name: term for name, term in problem.terms.items() if name not in {*off, *given}}
    if not on:
        return {name: given.get(name, 1.0) for name in problem.terms}
    found = {**reference_scales(on, **_read_by_terms(data.train.sample, rehearsal)), **given}
    if rehearsal.has_own_losses:
        log.info(
            "The model adds losses by itself. So that they count as much as without scales, the "
            "terms are divided by their scales and the sum is put back to the size that it had."
        )
        found = of_mean_one(found)
    return {name: found.get(name, 1.0) for name in problem.terms}


def _baseline(problem: Problem, data: Data, rehearsal: Rehearsal) -> dict[str, float] | None:
    """Magnitudes for the mean of the targets, where magnitudes of trials are measured."""
    probe = data.train.spread(problem.probe_size)
    try:
        return mean_magnitudes(problem.terms, **_read_by_terms(probe, rehearsal))
    except Exception as error:
        # A term that reads no constant, or a function that fails for one: trials are judged
        # without.
        log.debug("No magnitudes for a constant prediction: %s", error)
        return None


def _constants(
    problem: Problem, data: Data, output_shape: Any, objectives: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Each objective for the best constant prediction, where trials measure it."""
    y, weight = (_by_name(v, output_shape) for v in (data.val.y, data.val.sample_weight))
    metrics = {name: problem.metrics[name] for name in objectives}
    found = {
        name: best_constant(metrics[name], direction, y, weight, output_shape=output_shape)
        for name, direction in objectives.items()
    }
    several = len(metrics) > 1  # one objective alone has its best constant to be compared with
    along = along_constants(metrics, y, weight, output_shape=output_shape) if several else {}
    return {
        name: {**asdict(constant), **({"along": along[name]} if name in along else {})}
        for name, constant in found.items()
        if constant is not None
    }


def _means_of_batches(problem: Problem, data: Data, rehearsal: Rehearsal) -> Iterator[str]:
    """What is to be said of metrics of Keras whose value depends on how rows are cut."""
    shape = rehearsal.output_shape
    some = data.val.head(_ROWS_TO_CUT)
    for name, metric in problem.metrics.items():
        if not isinstance(metric, KerasMetric) or isinstance(shape, Mapping):
            continue
        guesses = np.random.default_rng(0).uniform(size=(len(some), *shape[1:])).astype("float32")
        try:
            depends = metric.is_mean_of_batches(some.y, guesses)
        except Exception as error:  # of a metric that wants weights, or other predictions
            log.debug("whether %s is a mean of batches is not known: %s", name, error)
            continue
        if depends:
            yield (
                f"The metric {name!r} is a mean of batches: its value depends on how rows are cut. "
                f"The sweep gives it all validation rows as one batch, `model.fit` does not."
            )


def _read_by_terms(split: Split, rehearsal: Rehearsal) -> dict[str, Any]:
    """What terms read of a split: targets, weights under the model's masks, and the shape."""
    shape = rehearsal.output_shape
    y, weight, masks = (
        _by_name(values, shape)
        for values in (split.y, split.sample_weight, rehearsal.masks(split.x))
    )
    return {"y": y, "sample_weight": with_masks(weight, masks), "output_shape": shape}


def _by_name(values: Any, output_shape: Any) -> Any:
    """The values of several outputs by name, as terms and metrics read them."""
    several = isinstance(output_shape, Mapping) and isinstance(values, list | tuple)
    return dict(zip(output_shape, values, strict=True)) if several else values
