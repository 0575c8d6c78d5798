"""What two models share that should each begin afresh: a trial must not go on from the last."""

from __future__ import annotations

from typing import Any

import keras

from lossweights.base.errors import ModelError
from lossweights.foreign.keras_names import holds_layers, layers_of


def refuse_shared(model: keras.Model, other: keras.Model, x: Any) -> None:
    """Refuse models of which two calls of ``build_model`` share what changes in training.

    A backbone made once and used in every model goes on from one trial to the next. If it is
    frozen and nothing in it changes, it may well be shared.

    Args:
        model: What one call gave, built.
        other: What another call gave.
        x: A few inputs.

    Raises:
        ModelError: They share parameters that are trained, or state that training changes.
    """
    shared = {id(v) for v in model.variables} & {id(v) for v in other.variables}
    if not shared:
        return
    with keras.StatelessScope() as scope:
        model(x, training=True)
        assigned = {id(v) for v in model.variables if scope.get_current_value(v) is not None}
    changing = shared & (assigned | {id(v) for v in model.trainable_variables})
    layers = [
        layer.name
        for layer in layers_of(model, include_self=False)
        if not holds_layers(layer) and any(id(v) in changing for v in layer.variables)
    ]
    if changing:
        raise ModelError(
            f"Expected build_model() to make a new model each time. Found that two calls share "
            f"layers which training changes: {', '.join(layers) or 'the model itself'}. Each trial "
            f"would go on from the last. Make them inside build_model(), or freeze what is shared "
            f"with layer.trainable = False."
        )
