"""What Keras and TensorFlow keep to themselves and we cannot do without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

RANDOM_STATE = "seed_generator_state"  # how Keras names the variable of a SeedGenerator


def layers_of(model: Any, *, include_self: bool = True) -> list[Any]:
    """A layer or model and all layers in it, however deep, each once.

    Keras lists publicly the layers of a model, not those inside a layer of another kind.
    """
    if hasattr(model, "_flatten_layers"):
        return list(model._flatten_layers(include_self=include_self, recursive=True))
    found = [model] if include_self else []
    for layer in getattr(model, "layers", []):
        found += [each for each in layers_of(layer) if not any(each is one for one in found)]
    return found


def holds_layers(layer: Any) -> bool:
    """Whether a layer is made of others."""
    return bool(getattr(layer, "_layers", getattr(layer, "layers", ())))


def mask_of(tensor: Any) -> Any:
    """The mask that a Keras layer or loss left on its output, or ``None``.

    JAX arrays take no attributes: Keras keeps theirs aside.
    """
    try:
        from keras.src.backend import get_keras_mask
    except ImportError:
        return getattr(tensor, "_keras_mask", None)
    return get_keras_mask(tensor)


def logits_of(output: Any) -> Any:
    """The logits that Keras left on a softmax or sigmoid, or ``None``.

    Its cross-entropies read them instead of the probabilities.
    """
    return getattr(output, "_keras_logits", None)


def set_logits(output: Any, logits: Any) -> None:
    """Leave logits on a tensor as Keras does."""
    output._keras_logits = logits


def is_symbolic() -> bool:
    """Whether Keras calls layers and losses now only to learn the shapes of what they give."""
    try:
        from keras.src.backend.common.symbolic_scope import in_symbolic_scope
    except ImportError:
        return False
    return bool(in_symbolic_scope())


def clear_losses(layer: Any) -> None:
    """Take back what a layer gave to ``add_loss`` in this call of its model.

    Keras clears publicly when a model is called anew, and not before it has counted.
    """
    layer._clear_losses()


def producer_of(tensor: Any) -> Any:
    """The layer that a symbolic tensor of a functional model comes from; ``None`` if unknown."""
    return getattr(getattr(tensor, "_keras_history", None), "operation", None)


def is_called_once(layer: Any) -> bool:
    """Whether a functional model calls a layer in one place alone; false if nobody knows."""
    return len(getattr(layer, "_inbound_nodes", ())) == 1


def compiled_loss_weights(model: Any) -> Any:
    """What ``compile(loss_weights=)`` was given.

    Publicly a compiled model gives a description of all that was compiled, which fails for
    whatever cannot be described.
    """
    loss: Any = getattr(model, "_compile_loss", None)
    if hasattr(loss, "_user_loss_weights"):
        return loss._user_loss_weights
    with suppress(Exception):  # of anybody's losses and metrics
        return (model.get_compile_config() or {}).get("loss_weights")
    return None


def call_arguments(loss: Any) -> Mapping[str, Any]:
    """What an instance of a loss class of Keras gives to its function.

    Some of it is in no config (Keras 3.15: Huber's delta, CosineSimilarity's axis).
    """
    return dict(getattr(loss, "_fn_kwargs", {}))


def direction_of(metric: Any) -> str | None:
    """Which way a metric of Keras is better, ``"minimize"`` or ``"maximize"``; None if unknown.

    Keras keeps it for KerasTuner alone.
    """
    known = {"up": "maximize", "down": "minimize"}
    return known.get(getattr(metric, "_direction", None) or "")


def decays(optimizer: Any, variable: Any) -> bool:
    """Whether an optimizer pulls a variable to zero beside the gradient; true if nobody knows."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of LossScaleOptimizer
    decay = getattr(optimizer, "weight_decay", None)
    if decay is None or (isinstance(decay, int | float) and not decay):
        return False  # a variable in the place of the number may be anything
    knows = getattr(optimizer, "_use_weight_decay", None)
    return True if knows is None else bool(knows(variable))


def without_decay(optimizer: Any) -> tuple[Any, Any]:
    """The variables that ``exclude_from_weight_decay`` was given, and the pattern of their names.

    No configuration of an optimizer has them.
    """
    return (
        getattr(optimizer, "_exclude_from_weight_decay", None),
        getattr(optimizer, "_exclude_from_weight_decay_pattern", None),
    )


def learning_rate_of(optimizer: Any) -> Any:
    """The learning rate as it was given; ``optimizer.learning_rate`` is what it is at this step."""
    return getattr(optimizer, "_learning_rate", None)


def is_random_state(variable: Any) -> bool:
    """Whether a variable is the state of a `keras.random.SeedGenerator`."""
    return str(variable.name) == RANDOM_STATE


def set_call(layer: Any, function: Callable[..., Any]) -> None:
    """Let one layer compute a function from now on; Keras looks ``call`` up on the instance."""
    layer.__dict__["call"] = function  # past the tracking of attributes, which would keep it


@contextmanager
def swapped_call(layer: Any, function: Callable[..., Any]) -> Iterator[None]:
    """Let one layer compute a function for a while."""
    set_call(layer, function)
    try:
        yield
    finally:
        del layer.__dict__["call"]


def has_state(kind: str) -> bool:
    """Whether a kind of TensorFlow operation has a state; true if nobody knows.

    A function of a graph's own is no kind of operation: what it is made of counts for itself.
    """
    try:
        from tensorflow.python.framework import op_def_registry
    except ImportError:
        return True
    definition = op_def_registry.get(kind)
    return definition is not None and bool(definition.is_stateful)


def handle_of(iterator: Any) -> Any:
    """What TensorFlow saves and restores an iterator by; ``None`` if it cannot be had."""
    return getattr(iterator, "_iterator_resource", None)


@contextmanager
def set_aside(optimizer: Any, numbers: Mapping[str, Any]) -> Iterator[None]:
    """Let an optimizer read other values of its numbers for a while, past Keras' tracking."""
    before = {name: vars(optimizer)[name] for name in numbers}
    vars(optimizer).update(numbers)
    try:
        yield
    finally:
        vars(optimizer).update(before)
