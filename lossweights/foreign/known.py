"""Every name that is nobody's promise: what for, what happens without it, and whether it is there.

Such names may move with any release. One test looks for all of them and says in a sentence which
one is gone. At run time what is gone costs as little as it can: another way where there is one, the
careful answer where there is not, and `model.fit` instead of a stack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

from lossweights.foreign.devices import memory_limits
from lossweights.foreign.generated_files import GENERATED, generated_files
from lossweights.foreign.keras_names import (
    RANDOM_STATE,
    call_arguments,
    direction_of,
    handle_of,
    is_called_once,
    is_random_state,
    learning_rate_of,
    logits_of,
    mask_of,
    producer_of,
    swapped_call,
    without_decay,
)
from lossweights.foreign.mlflow_names import COLUMNS, LOCATIONS
from lossweights.foreign.random_states import KERAS_GENERATOR, keras_states, tensorflow_states
from lossweights.foreign.tracing import is_described


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


def _leaves_logits() -> bool:
    import tensorflow as tf

    found: list[bool] = []

    def ask(x: Any) -> Any:
        import keras

        found.append(logits_of(keras.activations.softmax(x)) is x)
        return x

    tf.function(ask, autograph=False)(tf.zeros((1, 2)))
    return found == [True]


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


def _writes_files() -> bool:
    import tensorflow as tf

    before = len(generated_files())
    tf.autograph.to_graph(_writes_files)
    return len(generated_files()) > before


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


def _knows_directions() -> bool:
    import keras

    metrics = (keras.metrics.AUC(), keras.metrics.MeanAbsoluteError())
    return [direction_of(metric) for metric in metrics] == ["maximize", "minimize"]


def _knows_descriptions() -> bool:
    import keras

    told: list[bool] = []

    def ask(x: Any) -> Any:
        told.append(is_described())
        return x

    keras.layers.Lambda(ask)(keras.Input((1,)))
    return told == [True] and not is_described()


def _has_tables() -> bool:
    from mlflow.store.tracking.dbmodels import models

    found = {name: set(table.columns.keys()) for name, table in models.Base.metadata.tables.items()}
    return all(found[table] == set(columns) for table, columns in COLUMNS.items()) and all(
        column in found[table] for table, column in LOCATIONS if table in found
    )


def _has_repositories() -> bool:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return callable(get_artifact_repository)


def _keeps_generator() -> bool:
    import keras

    keras.random.normal((1,))
    states = keras_states()
    return states is not None and states[0](KERAS_GENERATOR) is not None


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
        "keras", "Tensor._keras_logits", "cross-entropies read the logits of a softmax there",
        "what follows the outputs of images is not compiled for itself", _leaves_logits,
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
        "keras", "Metric._direction", "no public name says which way a metric is better",
        "an objective in the wrong direction is not noticed", _knows_directions,
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
        "keras", "in_symbolic_scope", "it tells a description of a model from its compilation",
        "metrics outside of graphs cannot be compiled on JAX, and it warns of weights too often",
        _knows_descriptions,
    ),
    ForeignName(
        "tensorflow", "op_def_registry", "it says which operations have a state",
        "every operation may have one, and nothing is stacked", _knows_operations, in_stacks=True,
    ),
    ForeignName(
        "tensorflow", "OwnedIterator._iterator_resource", "no public way restarts a shuffle",
        "a dataset's shuffle goes on from trial to trial", _has_handle,
    ),
    ForeignName(
        "tensorflow", f"modules called {GENERATED}...", "nothing else says which files are whose",
        "a worker whose driver was killed leaves a few small temporary files", _writes_files,
    ),
    ForeignName(
        "tensorflow", "device_lib.list_local_devices", "no public name says how much memory there "
        "is on a card", "stacks on a GPU begin as small as on a processor",
        lambda: min(memory_limits("CPU")) > 0,
    ),
    ForeignName(
        "keras", "global_state.global_seed_generator", "no public name gives the generator that "
        "is drawn from without a seed", "a plan moves that generator", _keeps_generator,
    ),
    ForeignName(
        "tensorflow", "Context._rng and stateful_random_ops.global_generator", "no public name "
        "gives what seeds of operations are drawn from, or tells whether there is a generator",
        "a plan moves them", lambda: tensorflow_states() is not None,
    ),
    ForeignName(
        "mlflow", "tables of its database", "no public way writes a whole run at once, says that "
        "artifacts lie elsewhere now, or erases a run",
        "MLflow writes itself, which takes longer, and moved roots keep old addresses", _has_tables,
    ),
    ForeignName(
        "mlflow", "get_artifact_repository", "its client remembers where the artifacts of a run "
        "were, which may have moved", "files of a sweep are not recorded", _has_repositories,
    ),
)  # fmt: skip
