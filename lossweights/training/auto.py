"""The choice of a trainer: by what the model contains, and where that leaves doubt by timing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lossweights.data import Data
from lossweights.problem import Problem
from lossweights.training.contract import Trainer
from lossweights.training.fit import FitTrainer
from lossweights.training.serial import SerialTrainer
from lossweights.training.stackable import NotStackable
from lossweights.training.stacked import StackedTrainer
from lossweights.training.stacked_convolution import convolutions, patch_bytes

TIMED_STEPS = 5
# Patches of an image take so much more memory than the image that a product with them cannot
# compete with a convolution; beyond this many bytes a batch it is not even tried.
MOST_PATCH_BYTES = 4 << 20


TRAINERS: Mapping[str, Callable[[Problem, Data], Trainer]] = {
    "fit": FitTrainer,
    "serial": SerialTrainer,
    "stacked": StackedTrainer,
}


def choose_trainer(problem: Problem, data: Data) -> tuple[Trainer, str]:
    """The trainer that trains a problem fastest, of those that train it as `model.fit` does.

    Args:
        problem: What is to be trained.
        data: The data.

    Returns:
        The trainer, and why, as the end of a line.
    """
    model = problem.make_model(seed=0, x=data.train.head(1).x)
    found = convolutions(model)
    if found and patch_bytes(model, problem.batch_size) > MOST_PATCH_BYTES:
        return _serial_or_fit(problem, data, "it has convolutions over images")
    try:
        stacked = StackedTrainer(problem, data)
    except NotStackable as error:
        return _serial_or_fit(problem, data, error.reason)
    if stacked.capacity == 1:
        return _serial_or_fit(problem, data, "a stack of such models would not fit")
    if not found:
        return stacked, "its layers can be stacked"
    return _faster(problem, data, stacked)


def _faster(problem: Problem, data: Data, stacked: StackedTrainer) -> tuple[Trainer, str]:
    """The faster of the stack and one member after another, by timing a few steps of each."""
    try:
        serial = SerialTrainer(problem, data)
    except NotStackable:
        return stacked, "its layers can be stacked"
    times = {trainer: trainer.seconds_a_step(TIMED_STEPS) for trainer in (stacked, serial)}
    best = min(times, key=lambda trainer: times[trainer])
    other = stacked if best is serial else serial
    faster = times[other] / times[best]
    return best, f"a step of a member measured {faster:.1f} times faster than {other.name}"


def _serial_or_fit(problem: Problem, data: Data, why_not_stacked: str) -> tuple[Trainer, str]:
    try:
        return SerialTrainer(problem, data), why_not_stacked
    except NotStackable as error:
        return FitTrainer(problem, data), error.reason
