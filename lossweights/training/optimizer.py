"""A fresh optimizer with all that another one was set to, and what decides its numbers."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from lossweights.base.code_hash import code_hash
from lossweights.base.errors import RecipeError
from lossweights.foreign.keras_names import learning_rate_of, without_decay

Schedule = keras.optimizers.schedules.LearningRateSchedule


def fresh_optimizer(given: str | keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """An optimizer that has made no step yet, set as the one given.

    A learning rate of the user's own, a schedule or a function, is the same object: neither keeps
    anything from step to step.

    Raises:
        RecipeError: Keras knows no such optimizer; or it excludes variables from weight decay that
            are those of one model, where every training has a new one.
    """
    try:
        optimizer = keras.optimizers.get(given)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"Expected an optimizer of Keras, or its name. Found {given!r}. In detail: {error}"
        ) from None
    config = _config(optimizer)
    own_rate = _own_rate(optimizer)
    if own_rate is not None:
        config["learning_rate"] = own_rate
    made = type(optimizer).from_config(config)
    pattern = excluded_names(optimizer)
    if pattern is not None:
        made.exclude_from_weight_decay(var_names=[pattern])
    return made


def describe_optimizer(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Everything that an optimizer was set to, by name; a schedule as its class and settings.

    Where the user's own code is in it, a hash of that.
    """
    described: dict[str, Any] = {"class": type(optimizer).__name__, **_config(optimizer)}
    rate = _own_rate(optimizer)
    if isinstance(rate, Schedule) and not _is_keras(rate):
        # Not as Keras describes it: by the module, which is another one in a worker process.
        described["learning_rate"] = {"class": type(rate).__name__, **rate.get_config()}
    elif rate is not None and not isinstance(rate, Schedule):
        described["learning_rate"] = getattr(rate, "__name__", type(rate).__name__)
    pattern = excluded_names(optimizer)
    if pattern is not None:
        described["not_decayed"] = pattern
    own = [part for part in (type(optimizer), rate) if part is not None and not _is_keras(part)]
    if own:
        described["code"] = [
            code_hash(type(part) if isinstance(part, Schedule) else part) for part in own
        ]
    return described


def excluded_names(optimizer: keras.optimizers.Optimizer) -> str | None:
    """The pattern of the names of variables that weight decay leaves out, or ``None``.

    Raises:
        RecipeError: It leaves out variables themselves.
    """
    variables, pattern = without_decay(optimizer)
    if variables:
        raise RecipeError(
            "Expected variables without weight decay by their names. Found variables themselves, "
            "which belong to one model, while each training builds a new one. Write "
            "optimizer.exclude_from_weight_decay(var_names=['bias'])."
        )
    return None if pattern is None else str(pattern.pattern)


def _config(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a lambda is written down: it is not
            return dict(optimizer.get_config())
    except NotImplementedError as error:
        raise RecipeError(
            f"Expected an optimizer that can be made anew for each training. Found one whose "
            f"{type(_own_rate(optimizer) or optimizer).__name__} has no get_config(). Write one: "
            f"it returns the arguments of the constructor. In detail: {error}"
        ) from None


def _own_rate(optimizer: keras.optimizers.Optimizer) -> Any:
    """A learning rate that is no number but computes one, or ``None``."""
    rate = learning_rate_of(optimizer)
    is_number = isinstance(rate, keras.Variable | int | float) or keras.ops.is_tensor(rate)
    return None if is_number or not callable(rate) else rate


def _is_keras(part: Any) -> bool:
    kind = part if isinstance(part, type) or not isinstance(part, Schedule) else type(part)
    return str(getattr(kind, "__module__", "")).split(".")[0] == "keras"
