"""The winner: the model of the picked weight set, kept as a plain one."""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from lossweights.base.files import is_full, write_atomic
from lossweights.data import Data
from lossweights.records import TrialResult
from lossweights.training import TRAINERS, Member, NotStackable, Trainers

log = logging.getLogger("lossweights")

RELATIVE = 1e-5  # that the saved model's numbers may differ from the trial's: beyond is another one
ABSOLUTE = 1e-8  # where a number is 0
PARAMETERS = ".weights.h5"  # what Keras asks the file's name to end with


@dataclass(frozen=True)
class Winner:
    """The winner.

    Attributes:
        path: The saved model, or its parameters alone, or ``None`` if nothing could be saved.
        val: Metrics of that model on the validation data.
        remark: What whoever uses it must know: that its numbers are not those of its trial, or that
            it could not be saved whole; empty if nothing.
        model: The model, if it is saved whole.
    """

    path: Path | None
    val: Mapping[str, float]
    remark: str = ""
    model: keras.Model | None = None


def make_winner(
    trainers: Trainers,
    data: Data,
    best: TrialResult,
    label: str,
    path: Path,
    objectives: Iterable[str],
    at_once: int = 1,
    parameters: Sequence[NDArray[Any]] | None = None,
) -> Winner:
    """Save the model that a trial ended with, or train its weights again, from its seed.

    The model is made by ``build_model`` and given the parameters, so that a layer that Keras cannot
    make from a description costs nothing. The file holds architecture and parameters alone,
    uncompiled, so that ``keras.models.load_model(path)`` needs nothing of this package.

    Where the parameters of the trial are no longer there, as when the sweep was gone on with, or do
    not give its numbers, it is trained by `model.fit`. Where that does not give them either, since
    rounding has moved a sample over a kink, it is trained again just as the trial was.

    Args:
        trainers: Train the problem.
        data: The data of the problem.
        best: The training of the weights that are promoted.
        label: What a message calls it, such as ``"trial 12"``.
        path: File to write, ending in ``.keras``.
        objectives: The metrics in which the saved model must have the trial's numbers.
        at_once: How many members were trained at once.
        parameters: What the trial ended with, if that was held.
    """
    wanted, objectives = _measured(best), list(objectives)
    kept = None
    if parameters is not None:
        kept = _as_it_ended(trainers, data, best, objectives, parameters)
    if kept is None:
        kept = _trained_again(trainers, data, best, objectives, at_once)
    if kept is None:
        return Winner(None, {}, f"No winner is saved: {label} could not be repeated.")
    saved, remark = _save(kept.model, path)
    if kept.off:
        shown = [f"{name} {kept.val[name]:.6g} instead of {wanted[name]:.6g}" for name in kept.off]
        remark = (
            f"The saved winner is not what {label} was: trained again from the same seed it "
            f"has {', '.join(shown)}, since something in the training is not the same each time, "
            f"such as random numbers without a seed, or was changed meanwhile. {remark}"
        ).rstrip()
    return Winner(saved, kept.val, remark, kept.model if saved == path else None)


@dataclass(frozen=True)
class _Trained:
    """A model, its metrics on validation data, and the objectives that are not the trial's."""

    model: keras.Model
    val: Mapping[str, float]
    off: list[str]


def _as_it_ended(
    trainers: Trainers,
    data: Data,
    result: TrialResult,
    objectives: list[str],
    parameters: Sequence[NDArray[Any]],
) -> _Trained | None:
    """The model with the parameters of its trial; ``None`` if it has not the trial's numbers."""
    try:
        model = trainers.model_of(_member(result), parameters)
    except ValueError as error:
        log.debug("the winner's parameters do not fit: %s", error)
        return None
    val = trainers.measure_on(data.val, model).metrics
    wanted = _measured(result)
    is_it = all(_are_alike(val[key], wanted[key]) for key in objectives)
    return _Trained(model, val, []) if is_it else None


def _member(result: TrialResult) -> Member:
    return Member(result.weights, result.seed, chosen=result.chosen)


def _trained_again(
    trainers: Trainers, data: Data, result: TrialResult, objectives: list[str], at_once: int
) -> _Trained | None:
    """The model of a trial, at best with its numbers; ``None`` if no training came to an end."""
    kept: _Trained | None = None
    member, wanted = _member(result), _measured(result)
    for name, copies in dict.fromkeys([("fit", 1), (result.trainer, at_once)]):
        if name not in TRAINERS:
            continue
        try:
            model = trainers.trained(name, member, copies)
        except (LookupError, NotStackable) as error:
            log.debug("the winner could not be trained by %s: %s", name, error)
            continue
        val = trainers.measure_on(data.val, model).metrics
        off = [key for key in objectives if not _are_alike(val[key], wanted[key])]
        if kept is None or not off:
            kept = _Trained(model, val, off)
        if not off:
            break
    return kept


def _measured(result: TrialResult) -> Mapping[str, float]:
    """What was measured of the training from the trial's own seed; a trial may have several."""
    of_seed = [replica.metrics for replica in result.replicas if replica.seed == result.seed]
    return of_seed[0] if of_seed else result.metrics


def _are_alike(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _save(model: keras.Model, path: Path) -> tuple[Path | None, str]:
    """Save a model, or else its parameters: the file, and what is to be said of it.

    Raises:
        OSError: The disk takes no more.
    """
    parameters = path.with_name(path.stem + PARAMETERS)
    saved, why = _written(model.save, path)
    if saved:
        parameters.unlink(missing_ok=True)  # of an earlier winner
        return path, ""
    path.unlink(missing_ok=True)
    saved, deeper = _written(model.save_weights, parameters)
    if saved:
        return parameters, (
            f"The winner's model cannot be written ({why}), so its parameters alone are saved, for "
            f"build_model() and load_weights({parameters.name!r})."
        )
    parameters.unlink(missing_ok=True)
    return None, f"The winner cannot be saved ({why}; its parameters alone: {deeper})."


def _written(write: Callable[[Path], None], path: Path) -> tuple[bool, str]:
    """Whether Keras could write a file, which is then whole, and why not."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / path.name
            write(temporary)
            write_atomic(path, temporary.read_bytes())
    except Exception as error:  # layers may raise anything where they are described
        if is_full(error):
            raise
        log.debug("%s cannot be written", path, exc_info=True)
        return False, f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
    return True, ""
