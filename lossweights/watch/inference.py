"""A model as it is measured: in inference mode, and left exactly as it was.

Whatever a layer assigns while it is called, be it a random generator's state or a statistic, stays
in a `keras.StatelessScope` and is forgotten with it. Measuring changes no training.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops, tree

from lossweights.base.errors import ModelError
from lossweights.foreign.keras_names import layers_of, mask_of, swapped_call
from lossweights.terms.model_losses import gathered

Tensor = Any
Values: TypeAlias = Sequence[tuple[keras.Variable, Tensor]]  # that some variables have meanwhile

MASK_ROWS = 1024  # that are looked at together
STATISTICS_ROWS = 256  # that moving statistics and the model's own losses are measured on


def build(model: keras.Model, x: Any) -> None:
    """Build a model that does not know the shape of its inputs yet, without computing anything.

    Args:
        model: The model.
        x: Inputs of the shapes that it is to take.
    """
    if not model.built:
        symbolic_outputs(model, x)


def symbolic_outputs(model: keras.Model, x: Any) -> Any:
    """The outputs of a model as Keras' symbols, with a shape and a type; nothing is computed.

    Args:
        model: The model.
        x: Inputs, for a model that is a class of its own or does not know their shape.
    """
    outputs = getattr(model, "outputs", None)  # of a functional model, in the order of their names
    if outputs is not None:
        return outputs[0] if len(outputs) == 1 else outputs

    def unknown(array: Any) -> keras.KerasTensor:
        kind = array.dtype.kind
        dtype = {"f": keras.config.floatx(), "U": "string", "S": "string", "O": "string"}.get(
            kind, str(array.dtype)
        )
        return keras.KerasTensor((None, *array.shape[1:]), dtype)

    return model(tree.map_structure(unknown, x), training=False)


def outputs_of(model: keras.Model, x: Any, values: Values = ()) -> Any:
    """The outputs of a model in inference mode; the model stays as it is.

    Args:
        model: The model, built.
        x: Inputs, as the model takes them.
        values: What some of its variables are to be meanwhile.
    """
    with keras.StatelessScope(state_mapping=list(values)):
        return model(x, training=False)


def output_masks(model: keras.Model, x: Any) -> Any:
    """Which elements of a model's outputs count under Keras' masks.

    Args:
        model: The model, built.
        x: Inputs, as the model takes them.

    Returns:
        Of the structure of the outputs; a boolean array for each that has a mask, otherwise
        ``None``. ``None`` alone if no output has one.
    """
    count = len(tree.flatten(x)[0])

    def masks(rows: slice) -> Any:
        part = tree.map_structure(lambda array: ops.convert_to_tensor(array[rows]), x)
        return tree.map_structure(mask_of, outputs_of(model, part))

    if all(mask is None for mask in tree.flatten(masks(slice(2)))):
        return None
    found = [masks(slice(start, start + MASK_ROWS)) for start in range(0, count, MASK_ROWS)]

    def joined(*parts: Any) -> Any:
        if parts[0] is None:
            return None
        return np.concatenate([ops.convert_to_numpy(part).astype(bool) for part in parts])

    return tree.map_structure(joined, *found)


def batch_statistics(model: keras.Model, x: Any, values: Values = ()) -> Values:
    """What the moving statistics of a model would come to be if its parameters stayed as they are.

    Moving averages follow the parameters late: those of an untrained model are no statistics at
    all, and while they warm up the loss in inference mode falls though nothing is learned. With
    the statistics of the rows themselves it moves with the parameters alone, as the loss does that
    training lowers. (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, recompute them
    likewise, as "precise BatchNorm".)

    Args:
        model: The model, built.
        x: The rows to take the statistics of.
        values: What some of its variables are to be meanwhile.

    Returns:
        The moving statistics of batch normalisation and the value of each, for `outputs_of`. Empty
        for a model that trains with none.
    """
    layers = normalizing_layers(model)
    if not layers:
        return []
    variables = [v for layer in layers for v in (layer.moving_mean, layer.moving_variance)]
    with _of_this_batch(layers), keras.StatelessScope(state_mapping=list(values)) as scope:
        model(x, training=False)
        found = [(variable, scope.get_current_value(variable)) for variable in variables]
    return [(variable, value) for variable, value in found if value is not None]


def normalizing_layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The layers that normalise by the batch in training, and by moving statistics otherwise."""
    return [
        layer
        for layer in layers_of(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


@contextmanager
def _of_this_batch(layers: Sequence[keras.layers.BatchNormalization]) -> Iterator[None]:
    """Let batch normalisation alone see the batch, as in training, and keep nothing of earlier."""
    momenta = [layer.momentum for layer in layers]

    def in_training(layer: keras.layers.BatchNormalization) -> Any:
        return lambda inputs, training=None, mask=None: type(layer).call(
            layer, inputs, training=True, mask=mask
        )

    with ExitStack() as swapped:
        for layer in layers:
            swapped.enter_context(swapped_call(layer, in_training(layer)))
            layer.momentum = 0.0  # so that the new moving average is the statistic of the batch
        try:
            yield
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum


class OwnLosses:
    """The losses that a model adds to the sum by itself: regularisers, activities, ``add_loss``.

    Some are means over the rows of a batch or depend on parameters alone; what a layer gives to
    ``add_loss`` may be a sum over the rows as well. So what they come to may depend on how many
    rows a batch has; it is told as a number and what each row of a batch adds to it. That is exact
    for sums and for means.

    Measured in inference mode, except where the model adds losses only in training.

    Args:
        model: The model, built.
        x: A few inputs.
        taken: The names of those that are terms, and have no part in this.

    Attributes:
        exist: Whether there are any.
    """

    def __init__(self, model: keras.Model, x: Any, taken: Collection[str] = ()) -> None:
        self._model, self._taken = model, taken
        alone, still = self._losses(None, ()), self._losses(x, ())
        training = self._losses(x, (), training=True)
        self.exist = bool(alone or still or training)
        self._see_data = len(still) > len(alone) or len(training) > len(alone)
        self._training = len(training) > len(still)

    def measure(self, x: Any, values: Values = ()) -> tuple[Tensor, Tensor]:
        """What they come to with the parameters as they are, float32 scalars.

        Args:
            x: Inputs, of which the first even number are used.
            values: What some variables of the model are to be meanwhile.

        Returns:
            The part that does not depend on how many rows a batch has, and what each row adds.
        """
        rows = tree.flatten(x)[0].shape[0]
        if not self._see_data or rows < 2:
            return self._total(x if self._see_data else None, values), ops.zeros((), "float32")
        half = rows // 2
        first, second, whole = (
            self._total(tree.map_structure(lambda a, part=part: a[part], x), values)
            for part in (slice(half), slice(half, 2 * half), slice(2 * half))
        )
        a_row = (whole - (first + second) / 2.0) / half
        return whole - a_row * (2 * half), a_row

    def measure_as_trained(self, x: Any, values: Values = ()) -> tuple[Tensor, Tensor]:
        """What `measure` gives, with the statistics that the rows have, as in training."""
        return self.measure(x, [*values, *batch_statistics(self._model, x, values)])

    def _total(self, x: Any, values: Values) -> Tensor:
        losses = self._losses(x, values, training=self._training)
        return ops.sum(ops.stack([ops.cast(ops.sum(loss), "float32") for loss in losses]))

    def _losses(self, x: Any, values: Values, *, training: bool = False) -> list[Tensor]:
        """What the model added: without inputs, for its parameters alone."""
        # Keras takes what it regularises from the scope alone.
        now = [(v, ops.convert_to_tensor(v)) for v in self._model.trainable_variables]
        scope = keras.StatelessScope(state_mapping=[*now, *values], collect_losses=True)
        with gathered(self._taken), scope:
            if x is not None:
                self._model(x, training=training)
            return list(self._model.losses)


def own_training(model: keras.Model) -> list[str]:
    """What a model class overrides of how `model.fit` computes and lowers a loss, by name."""
    return [
        name
        for name in ("compute_loss", "train_step")
        if getattr(type(model), name) is not getattr(keras.Model, name)
    ]


def refuse_carried_state(model: keras.Model) -> None:
    """Refuse models whose outputs depend on the rows that they saw before.

    Raises:
        ModelError: A recurrent layer is stateful.
    """
    stateful = [layer.name for layer in layers_of(model) if getattr(layer, "stateful", 0)]
    if stateful:
        raise ModelError(
            f"Expected a model whose outputs depend on the inputs alone. Found layers that carry "
            f"their state from batch to batch: {', '.join(stateful)}. What is measured on some "
            f"rows between two epochs would depend on the rows before, and disturb those after. "
            f"Make them with stateful=False."
        )
