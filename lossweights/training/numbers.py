"""The numbers of an optimizer that each member may have for itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from lossweights.base.errors import RecipeError
from lossweights.base.sampled import HYPER
from lossweights.foreign.keras_names import learning_rate_of
from lossweights.training._contract import Member

RATE, DECAY = "learning_rate", "weight_decay"
MOMENTUM, EPSILON = "momentum", "epsilon"
# Those that Keras reads as numbers in every step, so that a variable may stand in their place.
ADJUSTABLE = (RATE, DECAY, MOMENTUM, "beta_1", "beta_2", "rho", EPSILON)
PARTS = (MOMENTUM, "beta_1", "beta_2", "rho")  # from 0 to 1


class Momentum(keras.Variable):
    """A momentum that is a variable: of one Keras asks in Python whether it is 0.

    It says that it is not, so that its update is made for every value; that for 0 is the one that
    an optimizer without momentum makes.
    """

    def __ne__(self, other: object) -> Any:
        return True

    def __gt__(self, other: object) -> Any:
        return True

    __hash__ = keras.Variable.__hash__


def own_number(optimizer: keras.optimizers.Optimizer, name: str) -> float | None:
    """The value that an optimizer was given for a number of its own; ``None`` for none.

    Raises:
        RecipeError: It has no such number, or computes it.
    """
    known = [each for each in ADJUSTABLE if hasattr(optimizer, each)]
    if name not in known or hasattr(optimizer, "inner_optimizer"):
        raise RecipeError(
            f"Expected hyper= to name numbers of {type(optimizer).__name__} among {known}. Found "
            f"{name!r}. What changes the model is for build_model(hp)."
        )
    value = learning_rate_of(optimizer) if name == RATE else getattr(optimizer, name)
    if value is None:
        return None
    if isinstance(value, keras.Variable):
        return float(keras.ops.convert_to_numpy(value))
    if isinstance(value, int | float):
        return float(value)
    raise RecipeError(
        f"Expected a plain number as {name} of the optimizer, which hyper= takes the place of. "
        f"Found {type(value).__name__}. Give the optimizer a number, or leave {name!r} out."
    )


def numbers_of(member: Member, usual: Mapping[str, float]) -> dict[str, float]:
    """The numbers of a member; the usual value where it has none of its own."""
    return {name: float(member.chosen.get(f"{HYPER}{name}", usual[name])) for name in usual}


def without_decay(numbers: Mapping[str, float]) -> dict[str, float]:
    """The numbers that the optimizer of trained weights has too, which knows no decay."""
    return {name: value for name, value in numbers.items() if name != DECAY}


def adjustable(
    optimizer: keras.optimizers.Optimizer, names: Iterable[str]
) -> keras.optimizers.Optimizer:
    """The optimizer, with a variable in the place of each number, so that a graph reads it anew."""
    for name in names:
        if name != RATE:  # is a variable
            value = getattr(optimizer, name)
            kind = Momentum if name == MOMENTUM else keras.Variable
            setattr(optimizer, name, kind(float(value), trainable=False, name=name))
    return optimizer


def adjust(optimizer: Any, numbers: Mapping[str, float]) -> None:
    """Set the numbers of an `adjustable` optimizer."""
    for name, value in numbers.items():
        variable = learning_rate_of(optimizer) if name == RATE else getattr(optimizer, name)
        variable.assign(value)
