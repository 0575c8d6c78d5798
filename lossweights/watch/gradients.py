"""Gradients of the terms, measured: the Gram matrix, and whether the output's offset is trained.

All terms' gradients are of the unweighted means over a fixed set of rows, in inference mode. They
need automatic differentiation outside `keras.ops`, so this module works on the TensorFlow backend;
on others it says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
from keras import ops, tree
from numpy.typing import NDArray

from lossweights.base.errors import ModelError
from lossweights.foreign.keras_names import (
    decays,
    is_called_once,
    layers_of,
    logits_of,
    mask_of,
    producer_of,
)
from lossweights.loss.combined import CombinedLoss
from lossweights.watch.backends import require_tensorflow
from lossweights.watch.inference import OwnLosses, batch_statistics, outputs_of
from lossweights.watch.probe import compiled, count_rows, placed
from lossweights.watch.reading import Reading

KINKS_FROM = 0.05  # a smaller residual needs no second look for kinks at the optimum
SHIFT = 1e-3  # of the spread of the targets

Wrt = Literal["parameters", "output"]
KINDS: tuple[Wrt, ...] = ("parameters", "output")

# Layers through which a constant added to what comes in shifts what goes out by a constant.
_SHIFTING = (
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Permute,
    keras.layers.Reshape,
)
_WITH_BIAS = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_ONLY_IN_TRAINING = (
    keras.layers.AlphaDropout,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)


class GradientProbe:
    """Measures the Gram matrix of the terms' gradients on fixed rows, one graph call a time.

    ``M_ij`` is the inner product of the gradients of the terms i and j, unweighted. What it says
    for any weights is in `lossweights.dominance.gram`. Batch normalisation takes its statistics
    from the rows, as in training. The model stays as it is.

    Args:
        model: The model to measure, built.
        loss: The combined loss whose terms are differentiated; its weights play no part.
        x: Inputs, as the model takes them. All rows go through in one batch.
        y: Targets, as the terms take them.
        sample_weight: Weights as given to ``fit``, or ``None``.
        wrt: ``"parameters"``, the trainable parameters: what the optimizer sees; one backward pass
            a term. Or ``"output"``, the model's output: no backward pass through the model, much
            cheaper, and another quantity. It ignores how the model turns a pull on its output into
            one on its parameters, and can order the terms differently.
        reading: Where the terms read and what is added to them, if that is known already. The
            losses of other outputs come behind the terms.
        own: The model's own losses, to come last, if it has any; at its parameters, not its output.

    Raises:
        LossweightsError: The Keras backend is not TensorFlow.
        ModelError: The model has no trainable parameters.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: CombinedLoss,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        wrt: Wrt = "parameters",
        reading: Reading | None = None,
        own: OwnLosses | None = None,
    ) -> None:
        require_tensorflow()
        if wrt not in KINDS:
            raise ValueError(f"Expected wrt among {KINDS}. Found {wrt!r}.")
        if wrt == "parameters" and not model.trainable_variables:
            raise ModelError(
                "Expected a built model with trainable parameters. Found none. Build it first, or "
                "measure gradients at the output."
            )
        self._model, self._reading = model, reading or Reading(model, loss)
        self._own = own if own is not None and own.exist else None
        self._arrays = placed((x, y, sample_weight))
        measured = self._by_parameters if wrt == "parameters" else self._by_output
        self._gram: Callable[..., Any] = compiled(measured)

    def measure(self, batch_rows: int = 1) -> NDArray[np.float64]:
        """The Gram matrix of the model as it is now, shape ``(terms, terms)``.

        Args:
            batch_rows: Rows of a training batch, which own losses of a model may depend on.
        """
        rows = ops.convert_to_tensor(batch_rows, "float32")
        return np.asarray(self._gram(*self._arrays, rows), dtype=np.float64)

    def _by_parameters(self, x: Any, y: Any, sample_weight: Any, batch_rows: Any) -> Any:
        import tensorflow as tf

        variables = [variable.value for variable in self._model.trainable_variables]
        with tf.GradientTape(persistent=True) as tape, self._reading.gathering():
            y_pred = outputs_of(self._model, x, batch_statistics(self._model, x))
            means = list(self._reading.components(y, y_pred, sample_weight).values())
            if self._own is not None:
                fixed, a_row = self._own.measure_as_trained(x)
                means.append(fixed + batch_rows * a_row)
        gradients = [_gradient(tape, mean, variables) for mean in means]
        return _inner_products(gradients)

    def _by_output(self, x: Any, y: Any, sample_weight: Any, batch_rows: Any) -> Any:
        gradients = _output_gradients(self._model, self._reading, x, y, sample_weight)
        if self._own is not None:  # they are no function of the output
            gradients.append([ops.zeros_like(gradient) for gradient in gradients[0]])
        return _inner_products(gradients)


def calibration_residual(
    model: keras.Model, loss: CombinedLoss, x: Any, y: Any, sample_weight: Any = None
) -> float | None:
    """How far the offset of a model's output is from its optimum on training data, 0 to 1.

    A model whose output has a trained bias can shift all its predictions. Once it is trained, no
    shift lowers the loss: the mean of the loss's gradient over all outputs is 0. For ``a`` times
    squared error and ``b`` times `Underestimation` this is the identity
    ``a * mean(y_pred - y_true) = b * (rate of underestimation)``. The residual is that mean over
    the root mean square of the gradient; above 0.1 the model is probably trained too little.

    Where a term has a kink, as absolute errors have, the mean gradient need not be 0 at the
    optimum: if no small shift lowers the loss, the residual is 0.

    It says nothing about validation data. It is ``None`` wherever it cannot be known, see
    `has_free_offset`, and on backends other than TensorFlow. On a part of the training data it has
    a standard error of about one over the root of the rows.

    Args:
        model: A trained model.
        loss: The combined loss that it was trained with, with the weights in force.
        x: Training inputs.
        y: Training targets.
        sample_weight: Weights as given to ``fit``, or ``None``.
    """
    if keras.backend.backend() != "tensorflow" or not has_free_offset(
        model, getattr(model, "optimizer", None)
    ):
        return None
    import tensorflow as tf

    reading, arrays = Reading(model, loss), placed((x, y, sample_weight))
    weights = list(reading.weights().values())
    gradients = _output_gradients(model, reading, *arrays)
    pairs = zip(weights, gradients, strict=True)
    total = sum(w * tf.cast(g[0], tf.float64) for w, g in pairs if w)  # 0 times NaN is NaN
    spread = float(tf.sqrt(tf.reduce_mean(tf.square(total))))
    residual = abs(float(tf.reduce_mean(total))) / spread if spread > 0 else 0.0
    if residual < KINKS_FROM:
        return residual
    with reading.gathering():
        y_pred = outputs_of(model, arrays[0], batch_statistics(model, arrays[0]))

        def cost(shift: float) -> float:
            shifted = tree.map_structure(lambda output: output + shift, y_pred)
            means = reading.components(arrays[1], shifted, arrays[2]).values()
            return sum(w * float(mean) for w, mean in zip(weights, means, strict=True) if w)

        step = small_shift(arrays[1])
        return residual if min(cost(step), cost(-step)) < cost(0.0) else 0.0


def small_shift(y: Any) -> float:
    """A shift of predictions that is small beside the spread of the targets."""
    values = np.asarray(tree.flatten(y)[0], dtype=np.float64)
    return SHIFT * float(np.std(values[np.isfinite(values)]))


def has_free_offset(model: keras.Model, optimizer: Any = None) -> bool:
    """Whether a trained bias shifts the model's one output, and nothing but the loss holds it.

    Then, and only then, training to the end makes the mean gradient at the output zero. It does not
    where the bias is frozen, constrained, regularised, decayed by the optimizer or shared with
    another place of the model, where what comes after it bends or is penalised, where training
    sees other outputs than measuring does (dropout, batch normalisation), or where a model of a
    class of its own may do anything.

    Args:
        model: The model to be trained.
        optimizer: What trains it, if that is known.
    """
    outputs = tree.flatten(getattr(model, "outputs", None) or [])
    keras_own = type(model).__module__.split(".")[0] == "keras"
    if len(outputs) != 1 or not keras_own or _differs_in_training(model):
        return False
    layer = producer_of(outputs[0])
    while _passes_shifts(layer):
        layer = producer_of(layer.input)
    return (
        type(layer) in _WITH_BIAS
        and layer.use_bias
        and any(layer.bias is variable for variable in model.trainable_variables)
        and layer.activation is keras.activations.linear
        and layer.bias_regularizer is None
        and layer.bias_constraint is None
        and layer.activity_regularizer is None
        and is_called_once(layer)  # another place would hold it as well
        and not decays(optimizer, layer.bias)
    )


def _differs_in_training(model: keras.Model) -> bool:
    """Whether a layer does in training what it does not in measuring."""
    return any(
        isinstance(layer, _ONLY_IN_TRAINING)
        or getattr(layer, "dropout", 0)
        or getattr(layer, "recurrent_dropout", 0)
        for layer in layers_of(model)
    )


def _passes_shifts(layer: Any) -> bool:
    if getattr(layer, "activity_regularizer", None) is not None:
        return False
    if type(layer) is keras.layers.Rescaling:
        return np.ndim(layer.scale) == 0
    if type(layer) is keras.layers.Activation:
        return bool(layer.activation is keras.activations.linear)
    return type(layer) in _SHIFTING


def _output_gradients(
    model: keras.Model, reading: Reading, x: Any, y: Any, sample_weight: Any
) -> list[list[Any]]:
    """The gradient of each term with respect to each output."""
    import tensorflow as tf

    with reading.gathering():
        y_pred = outputs_of(model, x, batch_statistics(model, x))
        y_pred = tree.map_structure(_by_itself, y_pred)
        outputs = tree.flatten(y_pred)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(outputs)
            means = reading.components(y, y_pred, sample_weight)
    return [_gradient(tape, mean, outputs) for mean in means.values()]


def _by_itself(output: Any) -> Any:
    """An output without its logits, by which a cross-entropy would be no function of it."""
    import tensorflow as tf

    if logits_of(output) is None or mask_of(output) is not None:
        return output
    return tf.identity(output)


def _gradient(tape: Any, mean: Any, sources: list[Any]) -> list[Any]:
    """Gradients in float32 as dense tensors; zeros where the term does not depend on a source."""
    import tensorflow as tf

    found = tape.gradient(mean, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.cast(tf.convert_to_tensor(gradient), tf.float32) for gradient in found]


def _inner_products(gradients: list[list[Any]]) -> Any:
    """The Gram matrix, summed variable by variable: gradients are never copied into one vector."""
    import tensorflow as tf

    total = tf.zeros((len(gradients), len(gradients)), tf.float32)
    for of_one_source in zip(*gradients, strict=True):
        flat = tf.stack([tf.reshape(gradient, [-1]) for gradient in of_one_source])
        total += tf.linalg.matmul(flat, flat, transpose_b=True)
    return total


__all__ = [
    "GradientProbe",
    "calibration_residual",
    "count_rows",
    "has_free_offset",
]
