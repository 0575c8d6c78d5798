"""Preparing a sweep of a Keras model: load, try once, find the scales, describe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lossweights.base.errors import DataError
from lossweights.data import Data, Split
from lossweights.loss.masks import with_masks
from lossweights.loss.mean_prediction import mean_magnitudes
from lossweights.loss.scales import of_mean_one, reference_scales
from lossweights.metrics.constant import along_constants, best_constant
from lossweights.results.result import SweepResult
from lossweights.search.space import Space
from lossweights.sweep._conclude import conclude_sweep
from lossweights.sweep._describe import describe_problem
from lossweights.sweep._factor import redundancy
from lossweights.sweep._units import option_units
from lossweights.sweep.prepared import Prepared
from lossweights.tracking import Ending
from lossweights.training import SetupRequest, Trainer, Trainers, TrainingSetup
from lossweights.training.problem import Problem, Rehearsal, rehearse

log = logging.getLogger("lossweights")


@dataclass(frozen=True, kw_only=True)
class PreparedSweep(Prepared):
    """A sweep of a Keras model, ready to run.

    Attributes:
        data: The data.
        trainers: The trainers of its problem.
    """

    data: Data
    trainers: Trainers

    def choose(self, request: SetupRequest) -> TrainingSetup:
        """What trains its trials fastest."""
        return self.trainers.choose(request)

    def make_trainer(self, name: str, members: int | None = None) -> Trainer:
        """The trainer of that name, for so many members at once."""
        return self.trainers.make(name, members)

    def conclude(self, result: SweepResult, root: Path) -> Ending:
        """Write verdict, weight sets and report, and train the winner."""
        return conclude_sweep(result, root, self.trainers, self.data)


def prepare_sweep(
    problem: Problem,
    load_data: Callable[[], Data],
    *,
    seed: int,
    seeds: int,
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
        scales: As `lossweights.sweep.sweep.Sweep` takes them.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        shown: What the tracker shows of the sweep.
        rehearsed: Whether every part is tried once, and scales are found; workers need neither.
        space: What is sampled. Terms that every trial switches off may be undefined, and need no
            scale.

    Raises:
        DataError, ModelError, TermError, MetricError, WeightError: Something does not fit.
    """
    data, off = _loaded(load_data), space.switched_off
    divisors = baseline = None
    units: dict[str, dict[str, float]] = {}
    note = ""
    constants: dict[str, dict[str, Any]] = {}
    if rehearsed:
        rehearsal = rehearse(problem, data, seed, off)
        divisors = _scales(scales, problem, data, rehearsal, off)
        if scales == "data":
            units = option_units(problem.terms, _read_by_terms(data.train.sample, rehearsal), off)
        baseline = _baseline(problem, data, rehearsal)
        constants = _constants(problem, data, rehearsal.output_shape, objectives)
        note = redundancy(space, problem.make_optimizer(), sees_more=rehearsal.sees_more)
    description = describe_problem(problem, data)
    description["recipe"]["seeds"] = seeds
    return PreparedSweep(
        description=description,
        scales=divisors,
        units=units,
        baseline=baseline,
        constants=constants,
        shown=shown,
        settings=description["keras"],
        notes=(note,) if note else (),
        data=data,
        trainers=Trainers(problem, data, seeds, description),
    )


def _loaded(load_data: Callable[[], Data]) -> Data:
    data = load_data()
    if not isinstance(data, Data):
        raise DataError(
            f"Expected load_data() to return lw.Data. Found {type(data).__name__}. "
            f"Return lw.Data(train=(x, y), val=(x, y))."
        )
    return data


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
    if isinstance(scales, Mapping):
        return dict(scales)
    on = {name: term for name, term in problem.terms.items() if name not in off}
    found = reference_scales(on, **_read_by_terms(data.train.sample, rehearsal))
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
