"""What other packages keep to themselves and we cannot do without: all of it, and only here.

Such names may move with any release. So each stands in `NAMES` with the reason; one test looks for
all of them and says in a sentence which one is gone. At run time what is gone costs as little as it
can: another way where there is one, the careful answer where there is not, and `model.fit` instead
of a stack (`missing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
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


def decays(optimizer: Any, variable: Any) -> bool:
    """Whether an optimizer pulls a variable to zero beside the gradient; true if nobody knows."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of LossScaleOptimizer
    if not getattr(optimizer, "weight_decay", None):
        return False
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


@dataclass(frozen=True)
class ForeignName:
    """A name that is nobody's promise.

    Attributes:
        owner: The package that has it.
        name: The name.
        why: What for, and why no public name does.
        otherwise: What happens at run time without it.
        is_there: Whether the installed version has it and it does what it did.
        in_stacks: Whether stacks cannot do without it.
    """

    owner: str
    name: str
    why: str
    otherwise: str
    is_there: Callable[[], bool]
    in_stacks: bool = False

    def __str__(self) -> str:
        version = metadata.version(self.owner)
        return (
            f"{self.owner} {version} has no {self.name} as it was: {self.why}. Without it "
            f"{self.otherwise}."
        )


@cache
def missing(*, in_stacks: bool = False) -> tuple[ForeignName, ...]:
    """The names that the installed packages have no longer.

    Args:
        in_stacks: Only those that a stack needs.
    """
    return tuple(n for n in NAMES if (n.in_stacks or not in_stacks) and not _holds(n.is_there))


def _holds(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # of whatever came in its place
        return False


def _dense() -> Any:
    import keras

    return keras.layers.Dense(1)


def _called() -> tuple[Any, Any]:
    import keras

    layer = _dense()
    return layer, layer(keras.Input((1,)))


def _calls_what_is_set() -> bool:
    import numpy as np

    layer = _dense()
    layer.build((None, 1))
    with swapped_call(layer, lambda inputs: inputs + 1.0):
        return float(np.ravel(layer(np.zeros((1, 1), "float32")))[0]) == 1.0


def _masks() -> bool:
    import keras
    import numpy as np

    masked = keras.layers.Masking()(np.zeros((1, 2, 1), "float32"))
    return mask_of(masked) is not None


def _remembers_weights() -> bool:
    import keras

    model = keras.Sequential([keras.Input((1,)), _dense()])
    model.compile(loss="mse", loss_weights=[0.5])
    return list(model._compile_loss._user_loss_weights) == [0.5]


def _excludes() -> bool:
    import keras

    optimizer = keras.optimizers.AdamW(1e-3)
    layer = _dense()
    layer.build((None, 1))
    optimizer.exclude_from_weight_decay([layer.kernel], ["bias"])
    kept, pattern = without_decay(optimizer)
    return bool(kept) and pattern is not None and not optimizer._use_weight_decay(layer.bias)


def _remembers_rate() -> bool:
    import keras

    rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    return learning_rate_of(keras.optimizers.SGD(rate)) is rate


def _names_random_state() -> bool:
    import keras

    return is_random_state(keras.random.SeedGenerator(0).state)


def _knows_operations() -> bool:
    from tensorflow.python.framework import op_def_registry

    kinds = ("RandomStandardNormal", "MatMul")
    return [bool(op_def_registry.get(kind).is_stateful) for kind in kinds] == [True, False]


def _has_handle() -> bool:
    import tensorflow as tf

    return handle_of(iter(tf.data.Dataset.range(2))) is not None


def _knows_delta() -> bool:
    import keras

    return call_arguments(keras.losses.Huber(delta=2.5)).get("delta") == 2.5


NAMES = (
    ForeignName(
        "keras", "Layer._flatten_layers", "it lists the layers inside layers of any kind",
        "only layers of models inside models are seen, and nothing is stacked",
        lambda: len(_dense()._flatten_layers(include_self=True, recursive=True)) == 1,
        in_stacks=True,
    ),
    ForeignName(
        "keras", "Layer._layers", "it says whether a layer is made of others",
        "an error about shared layers names too many", lambda: _dense()._layers == [],
    ),
    ForeignName(
        "keras", "get_keras_mask", "no public name gives the mask of an output",
        "masked elements count", _masks, in_stacks=True,
    ),
    ForeignName(
        "keras", "KerasTensor._keras_history", "it says which layer made a model's output",
        "'perhaps trained too little' is not said",
        lambda: producer_of((pair := _called())[1]) is pair[0],
    ),
    ForeignName(
        "keras", "Layer._inbound_nodes", "it says in how many places a layer is called",
        "'perhaps trained too little' is not said", lambda: is_called_once(_called()[0]),
    ),
    ForeignName(
        "keras", "CompileLoss._user_loss_weights", "a description of a compiled model may fail",
        "loss_weights beside losses that cannot be described count as 1", _remembers_weights,
    ),
    ForeignName(
        "keras", "LossFunctionWrapper._fn_kwargs", "configs of losses leave arguments out",
        "those arguments are Keras' defaults", _knows_delta,
    ),
    ForeignName(
        "keras", "Optimizer._use_weight_decay and _exclude_from_weight_decay",
        "no configuration has what exclude_from_weight_decay was given",
        "optimizers with exclusions decay everything", _excludes, in_stacks=True,
    ),
    ForeignName(
        "keras", "Optimizer._learning_rate", "a schedule of one's own is seen nowhere else",
        "a schedule has to be registered", _remembers_rate, in_stacks=True,
    ),
    ForeignName(
        "keras", RANDOM_STATE, "members of a stack share the states of random generators",
        "nothing is stacked", _names_random_state, in_stacks=True,
    ),
    ForeignName(
        "keras", "Layer.call looked up on the instance",
        "one layer computes something else for a while, or as a matrix product",
        "measurements see moving averages, and nothing is stacked", _calls_what_is_set,
        in_stacks=True,
    ),
    ForeignName(
        "tensorflow", "op_def_registry", "it says which operations have a state",
        "every operation may have one, and nothing is stacked", _knows_operations, in_stacks=True,
    ),
    ForeignName(
        "tensorflow", "OwnedIterator._iterator_resource", "no public way restarts a shuffle",
        "a dataset's shuffle goes on from trial to trial", _has_handle,
    ),
)  # fmt: skip
