"""What every term called "boundary" must do, as assertions that the tests of each family share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from lossweights.terms import BoundaryF1, SoftBoundaryDice

SIZE = 12
RATIOS = (BoundaryF1, SoftBoundaryDice)  # of sums over elements
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="vectorized_map is TensorFlow's"
)


def as_they_are(masks: Any) -> Any:
    """The ``y_true`` of terms that read plain masks."""
    return masks


@dataclass(frozen=True)
class Case:
    """A term with the step that turns masks into the ``y_true`` it reads."""

    term: Any
    prepare: Callable[[Any], Any] = as_they_are

    def values(self, masks: Any, pred: Any, element_weight: Any = None) -> np.ndarray:
        """The value of each sample."""
        values = self.term.per_sample(self.prepare(masks), pred, element_weight)
        return np.asarray(ops.convert_to_numpy(values))

    def gradient(self, masks: Any, pred: Any) -> np.ndarray:
        """The gradient of the summed values by ``pred``."""
        return gradient(lambda p: self.term.per_sample(self.prepare(masks), p), pred)


def gradient(per_sample: Callable[[Any], Any], pred: Any) -> np.ndarray:
    """The gradient of ``sum(per_sample(pred))`` by ``pred``, on the backend Keras runs on."""
    pred = ops.convert_to_tensor(pred)
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda p: ops.sum(per_sample(p)))(pred))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(pred)
        total = ops.sum(per_sample(pred))
    return np.asarray(tape.gradient(total, pred))


def numeric_gradient(per_sample: Callable[..., Any], pred: np.ndarray, *rows: Any) -> np.ndarray:
    """The same by central differences in float64, all of them side by side in one large batch.

    Args:
        per_sample: From predictions and what else there is of each sample to a value of each.
        pred: Predictions.
        rows: What else there is of each sample: targets, weights.
    """
    step = 1e-6
    nudge = step * np.eye(pred.size)
    nudges = np.concatenate([nudge, -nudge]).reshape(-1, *pred.shape)
    copies = [np.tile(row, (len(nudges), *[1] * (row.ndim - 1))) for row in map(np.asarray, rows)]
    values = per_sample((pred + nudges).reshape(-1, *pred.shape[1:]), *copies)
    up, down = np.asarray(values).reshape(2, pred.size, -1).sum(axis=-1)
    return ((up - down) / (2 * step)).reshape(pred.shape)


def square(size: int = SIZE, side: int = SIZE // 2, channels: int = 1) -> np.ndarray:
    """A centred square, shape ``(1, size, size, channels)``; further channels hold smaller ones."""
    mask = np.zeros((1, size, size, channels), "float32")
    for channel in range(channels):
        rows = slice(size // 2 - side // 2 + channel, size // 2 + side // 2 - channel)
        mask[:, rows, rows, channel] = 1
    return mask


def shifted(mask: np.ndarray, by: int) -> np.ndarray:
    """The mask moved to the right, what leaves on one side coming back on the other."""
    return np.roll(mask, by, axis=2)


def assert_sees_where_pixels_are(case: Case) -> None:
    """(i) Shuffling the pixels of target and prediction together changes the value."""
    y, p = square(), shifted(square(), 3)
    order = np.random.default_rng(0).permutation(SIZE * SIZE)
    y_shuffled, p_shuffled = (m.reshape(1, -1, 1)[:, order].reshape(m.shape) for m in (y, p))
    before, after = case.values(y, p), case.values(y_shuffled, p_shuffled)
    assert abs(float(after[0] - before[0])) > 0.02 * float(before[0])


def assert_ignores_channel_order(case: Case) -> None:
    """(ii) Reordering the channels of target and prediction together changes nothing."""
    y = square(channels=3)
    p = np.random.default_rng(1).uniform(size=y.shape).astype("float32")
    order = [2, 0, 1]
    np.testing.assert_allclose(
        case.values(y[..., order], p[..., order]), case.values(y, p), rtol=1e-6
    )


def assert_pays_for_a_shift(case: Case) -> None:
    """(iii) A mask that is right but for its place costs something."""
    assert float(case.values(square(), shifted(square(), 3))[0]) > 1e-3


def assert_pays_for_inversion(case: Case) -> None:
    """(iv) The mask inside out costs something."""
    assert float(case.values(square(), 1 - square())[0]) > 1e-3


def assert_finite_with_one_channel(case: Case) -> None:
    """(v) A single channel is no special case: value and gradient are finite, and say something."""
    y = square(channels=1)
    p = np.full_like(y, 0.25) + 0.5 * shifted(y, 1)
    assert case.values(y, p)[0] > 0
    slope = case.gradient(y, p)
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0


def assert_finite_on_constant_images(case: Case) -> None:
    """(vi) Flat predictions of flat or structured masks have finite values and gradients."""
    for y in (square(), np.zeros_like(square()), np.ones_like(square())):
        for level in (0.0, 0.5, 1.0):
            p = np.full_like(y, level)
            assert np.isfinite(case.values(y, p)).all()
            assert np.isfinite(case.gradient(y, p)).all()


def assert_ignores_a_constant(case: Case) -> None:
    """(vii) Adding a constant to the prediction changes nothing."""
    y = square()
    p = np.random.default_rng(2).uniform(size=y.shape).astype("float32")
    np.testing.assert_allclose(case.values(y, p + 3.0), case.values(y, p), rtol=1e-5)


def assert_free_at_the_truth(case: Case) -> None:
    """The true mask costs nothing, whether it is a shape, empty or full."""
    for y in (square(channels=2), np.zeros_like(square()), np.ones_like(square())):
        np.testing.assert_array_equal(case.values(y, y), [0.0])


def assert_one_value_per_sample(case: Case) -> None:
    """Each sample has its own value, the one it would have alone in a batch."""
    rng = np.random.default_rng(3)
    y = np.concatenate([square(), shifted(square(), 2), np.zeros_like(square())])
    p = rng.uniform(size=y.shape).astype("float32")
    together = case.values(y, p)
    alone = [case.values(y[i : i + 1], p[i : i + 1])[0] for i in range(len(y))]
    assert together.shape == (3,)
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def assert_sample_weights_choose(case: Case) -> None:
    """As a Keras loss: weights per sample scale its value, and so do equal ones of its elements.

    But those of a ratio, in which a common factor cancels.
    """
    rng = np.random.default_rng(9)
    y = np.concatenate([square(), shifted(square(), 2)])
    p = rng.uniform(size=y.shape).astype("float32")
    values = case.values(y, p)
    for first, second in ((1.0, 0.0), (0.5, 3.0)):
        expected = (first * values[0] + second * values[1]) / 2
        each = np.array([first, second], "float32")
        everywhere = np.broadcast_to(each[:, None, None], y.shape[:-1])
        for sample_weight in (each, each[:, None], everywhere):
            found = float(case.term(case.prepare(y), p, sample_weight=sample_weight))
            if sample_weight is everywhere and isinstance(case.term, RATIOS):
                expected = float(np.mean(np.where(each > 0, values, 0.0)))
            np.testing.assert_allclose(found, expected, rtol=1e-5)


def assert_blind_outside_the_weights(case: Case) -> None:
    """What is predicted where the element weight is 0 changes neither value nor gradient."""
    rng = np.random.default_rng(4)
    y = square()
    p, q = (rng.uniform(size=y.shape).astype("float32") for _ in range(2))
    weight = np.ones(y.shape[:-1], "float32")
    weight[:, :, 8:] = 0
    garbage = np.where(weight[..., None] > 0, p, q)
    np.testing.assert_array_equal(case.values(y, p, weight), case.values(y, garbage, weight))
    assert case.values(y, p, weight)[0] > 0
    slope = gradient(lambda x: case.term.per_sample(case.prepare(y), x, weight), p)
    np.testing.assert_array_equal(slope[:, :, 8:], 0.0)
    np.testing.assert_array_equal(case.values(y, p, np.zeros_like(weight)), [0.0])


def assert_counts_weights(case: Case, factor: float) -> None:
    """Weights of 1 change nothing, given with or without channels; 2 multiplies by ``factor``."""
    y = square(channels=2)
    p = np.random.default_rng(5).uniform(size=y.shape).astype("float32")
    plain = case.values(y, p)
    np.testing.assert_allclose(case.values(y, p, np.ones(y.shape[:-1])), plain, rtol=1e-6)
    np.testing.assert_allclose(case.values(y, p, np.ones(y.shape)), plain, rtol=1e-6)
    twice = case.values(y, p, np.full(y.shape[:-1], 2.0))
    np.testing.assert_allclose(twice, factor * plain, rtol=1e-6)


def assert_safe_in_half_precision(case: Case) -> None:
    """Half-precision inputs give the float32 value of the same numbers, as float32."""
    y = square()
    p = ops.cast(np.random.default_rng(6).uniform(size=y.shape), "float32")
    for dtype in ("float16", "bfloat16"):
        half = ops.cast(p, dtype)
        values = case.term.per_sample(ops.cast(case.prepare(y), "float32"), half)
        assert keras.backend.standardize_dtype(values.dtype) == "float32"
        exact = case.values(y, ops.cast(half, "float32"))
        np.testing.assert_array_equal(np.asarray(values), exact)


def assert_survives_its_config(case: Case) -> None:
    """Written by Keras and read again, the term has the same arguments and values."""
    term = case.term
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(term))
    assert type(again) is type(term)
    assert again.get_config() == term.get_config()
    assert again.axes == term.axes
    y, p = square(), shifted(square(), 3)
    np.testing.assert_array_equal(Case(again, case.prepare).values(y, p), case.values(y, p))


def assert_gradient_is_the_slope(case: Case) -> None:
    """The gradient equals finite differences in float64 at a point away from kinks."""
    if keras.backend.backend() == "jax":
        pytest.skip("Keras computes in float32 on JAX")
    y = square(size=6, side=4, channels=2).astype("float64")
    p = np.random.default_rng(7).uniform(0.05, 0.95, size=y.shape)
    found = case.gradient(y, p)
    expected = numeric_gradient(lambda x, y: case.term.per_sample(y, x), p, case.prepare(y))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


def assert_maps_over_a_stack(case: Case) -> None:
    """Vectorised over a stack of predictions, or compiled, the term gives the same values."""
    import tensorflow as tf

    y = square()
    target = tf.constant(case.prepare(y), "float32")
    stack = tf.constant(np.random.default_rng(8).uniform(size=(3, *y.shape)), "float32")
    one_by_one = np.stack([case.values(y, p) for p in stack])

    @tf.function
    def mapped(predictions: Any) -> Any:
        """All members at once; an op that cannot be vectorised is an error."""
        return tf.vectorized_map(
            lambda p: case.term.per_sample(target, p), predictions, fallback_to_while_loop=False
        )

    np.testing.assert_allclose(mapped(stack), one_by_one, rtol=1e-5)
    compiled = tf.function(lambda p: case.term.per_sample(target, p), jit_compile=True)
    np.testing.assert_allclose(compiled(stack[0]), one_by_one[0], rtol=1e-5)


# What holds for every term called "boundary".
EVERY_TERM = [
    assert_sees_where_pixels_are,
    assert_ignores_channel_order,
    assert_pays_for_a_shift,
    assert_finite_with_one_channel,
    assert_finite_on_constant_images,
    assert_one_value_per_sample,
    assert_sample_weights_choose,
    assert_blind_outside_the_weights,
    assert_safe_in_half_precision,
    assert_survives_its_config,
    assert_gradient_is_the_slope,
]


def every_property(*more: Callable[[Case], None]) -> pytest.MarkDecorator:
    """Parametrises a test over what holds for every term, and what these terms promise beyond."""
    return pytest.mark.parametrize("holds", [*EVERY_TERM, *more], ids=lambda holds: holds.__name__)
