"""The optimizer that a weight set was swept with, made again from its description."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import keras

from lossweights.base.errors import WeightSetError
from lossweights.base.names import shown
from lossweights.base.sampled import HYPER

_CLASS, _NOT_DECAYED, _CODE = "class", "not_decayed", "code"


def swept_optimizer(
    weights: Any, given: str | keras.optimizers.Optimizer | None
) -> keras.optimizers.Optimizer:
    """The optimizer to train with: the one given, set as it was swept.

    Args:
        weights: The `lossweights.loss.weight_set.WeightSet`.
        given: An optimizer, which keeps its settings but for those that the sweep chose; a name,
            which is set as the sweep's if that is of its class; or ``None`` for the sweep's.

    Raises:
        WeightSetError: The set has no optimizer that a description can make, and none was given.
    """
    described = weights.provenance.recipe.get("optimizer")
    if isinstance(given, keras.optimizers.Optimizer):
        optimizer = given
    elif given is None:
        optimizer = _made(described, weights)
    else:
        optimizer = keras.optimizers.get(given)
        name = type(optimizer).__name__
        if isinstance(described, Mapping) and described.get(_CLASS) == name:
            optimizer = _made(described, weights)
    config = optimizer.get_config()
    own = {n.removeprefix(HYPER): v for n, v in weights.chosen.items() if n.startswith(HYPER)}
    chosen = {name: value for name, value in own.items() if name in config}
    return type(optimizer).from_config({**config, **chosen}) if chosen else optimizer


def _made(described: Any, weights: Any) -> keras.optimizers.Optimizer:
    name = described.get(_CLASS) if isinstance(described, Mapping) else None
    kind = getattr(keras.optimizers, name, None) if isinstance(name, str) else None
    if kind is None or not _is_optimizer(kind) or _CODE in described:
        found = "code of your own" if described else "none"
        raise WeightSetError(
            f"Expected an optimizer of Keras in the weight set {weights.name or ''}. Found "
            f"{found}. Give one: weights.compile(model, optimizer=...)."
        )
    settings = {k: v for k, v in described.items() if k not in (_CLASS, _NOT_DECAYED)}
    try:
        rate = settings.get("learning_rate")
        if isinstance(rate, str):
            settings["learning_rate"] = _schedule(rate)
        made: keras.optimizers.Optimizer = kind(**settings)
    except (TypeError, ValueError, SyntaxError, AttributeError, KeyError) as error:
        raise WeightSetError(
            f"Expected settings that make a keras.optimizers.{name}. Found "
            f"{shown(dict(settings))}: {error}. Give one: weights.compile(model, optimizer=...)."
        ) from None
    if isinstance(described.get(_NOT_DECAYED), str):
        made.exclude_from_weight_decay(var_names=[described[_NOT_DECAYED]])
    return made


def _is_optimizer(kind: Any) -> bool:
    is_class = isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)
    return is_class and kind is not keras.optimizers.Optimizer


def _schedule(described: str) -> keras.optimizers.schedules.LearningRateSchedule:
    """A schedule of Keras as a manifest spells it: a dict literal, of which nothing is run."""
    value = ast.literal_eval(described)
    kind = getattr(keras.optimizers.schedules, value["class_name"])
    if not issubclass(kind, keras.optimizers.schedules.LearningRateSchedule):
        raise ValueError(f"no schedule of Keras: {value['class_name']}")
    made: keras.optimizers.schedules.LearningRateSchedule = kind.from_config(value["config"])
    return made
