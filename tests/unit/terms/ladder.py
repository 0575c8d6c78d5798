"""All terms there are, with data each of them reads, and the ladder that each of them must climb.

The rungs are those of Keras' own tests of its losses (config, all correct, unweighted, scalar,
sample-weighted, zero-weighted, reductions, dtype), and the further promises of our terms: masks,
weights per element, half precision, a batch of one, gradients.
"""

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from lossweights import terms

from .boundary_properties import gradient, numeric_gradient

SHAPE = (4, 6, 5, 2)
REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None]
FINEST = "float64" if keras.backend.backend() == "tensorflow" else "float32"
MEANS = ["sum_over_batch_size", "mean", "mean_with_sample_weight"]


@dataclass(frozen=True)
class Rung:
    """One term, how to make it, and what it reads.

    Attributes:
        make: Builds the term, with Keras' keyword arguments.
        masks: It reads masks of probabilities instead of any numbers.
        maps: It reads masks with their distance maps.
        elements: ``f(e, y, p)`` of which the term is the mean over elements, if it is one, written
            with ``keras.ops`` in another way than the term itself.
        ratio: It is a ratio of sums over elements, in which a factor of their weights cancels.
        free_at_truth: The value of ``y_pred = y_true`` is 0.
    """

    make: Callable[..., terms.Term]
    masks: bool = False
    maps: bool = False
    elements: Callable[[Any, Any, Any], Any] | None = None
    free_at_truth: bool = True
    ratio: bool = False

    def data(self, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> tuple[Any, Any]:
        """Targets and predictions, float32."""
        rng = np.random.default_rng(seed)
        if not self.masks:
            y, p = rng.normal(size=shape), rng.normal(size=shape)
        else:
            y, p = rng.uniform(size=shape) < 0.4, rng.uniform(0.05, 0.95, size=shape)
        y = y.astype("float32")
        return (terms.with_distance_map(y) if self.maps else y), p.astype("float32")

    def truth(self) -> tuple[Any, Any]:
        """Targets, and predictions that are right."""
        y, p = self.data()
        return y, y[..., : p.shape[-1]]

    def reference(self, reduction: str | None) -> keras.losses.Loss:
        """A Keras loss of the same elements, reduced by Keras itself."""
        return _MeanOf(self.elements, name="reference", reduction=reduction)


class _MeanOf(keras.losses.Loss):
    """The mean over the last axis of a function of each element."""

    def __init__(self, elements: Any, **host: Any) -> None:
        super().__init__(**host)
        self.elements = elements

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(self.elements(y_true - y_pred, y_true, y_pred), axis=-1)


def _entropy(y: Any, p: Any) -> Any:
    return -(y * ops.log(p) + (1 - y) * ops.log(1 - p))


@keras.saving.register_keras_serializable(package="tests")
def pseudo_huber(y_true: Any, y_pred: Any) -> Any:
    """A user's loss, of each element."""
    return ops.sqrt(1.0 + ops.square(y_true - y_pred)) - 1.0


# Every term that is exported, in some settings of each: a new term belongs in here.
ALL_TERMS: dict[str, Rung] = {
    "mse": Rung(terms.MeanSquaredError, elements=lambda e, y, p: e * e),
    "mae": Rung(terms.MeanAbsoluteError, elements=lambda e, y, p: ops.maximum(e, -e)),
    "huber": Rung(
        lambda **host: terms.Huber(0.7, **host),
        elements=lambda e, y, p: ops.where(
            ops.abs(e) < 0.7, e * e / 2, 0.7 * ops.abs(e) - 0.7 * 0.7 / 2
        ),
    ),
    "under": Rung(
        terms.Underestimation, elements=lambda e, y, p: ops.where(y > p, 2.0 * (y - p), 0.0)
    ),
    "under2": Rung(
        lambda **host: terms.Underestimation(1.5, 2, **host),
        elements=lambda e, y, p: ops.where(y > p, 1.5 * e * e, 0.0),
    ),
    "over": Rung(
        terms.Overestimation, elements=lambda e, y, p: ops.where(p > y, 2.0 * (p - y), 0.0)
    ),
    "over2": Rung(
        lambda **host: terms.Overestimation(1.5, 2, **host),
        elements=lambda e, y, p: ops.where(p > y, 1.5 * e * e, 0.0),
    ),
    "pinball": Rung(
        lambda **host: terms.Pinball(0.8, **host),
        elements=lambda e, y, p: ops.maximum(0.8 * e, -0.2 * e),
    ),
    "expectile": Rung(
        lambda **host: terms.Expectile(0.8, **host),
        elements=lambda e, y, p: ops.where(e < 0, 0.2 * e * e, 0.8 * e * e),
    ),
    "newsvendor": Rung(
        lambda **host: terms.Newsvendor(3.0, 0.5, **host),
        elements=lambda e, y, p: ops.where(e > 0, 3.0 * e, -0.5 * e),
    ),
    "linex": Rung(
        lambda **host: terms.Linex(0.5, **host),
        elements=lambda e, y, p: ops.exp(0.5 * e) - 0.5 * e - 1.0,
    ),
    "linex_over": Rung(
        lambda **host: terms.Linex(-0.5, **host),
        elements=lambda e, y, p: ops.exp(-0.5 * e) + 0.5 * e - 1.0,
    ),
    "dice": Rung(terms.Dice, masks=True, ratio=True),
    "tversky": Rung(lambda **host: terms.Tversky(0.3, 0.7, **host), masks=True, ratio=True),
    "focal": Rung(
        terms.Focal,
        masks=True,
        elements=lambda e, y, p: ops.abs(e) ** 2 * _entropy(y, p),
    ),
    "focal_balanced": Rung(
        lambda **host: terms.Focal(1.5, 0.25, **host),
        masks=True,
        elements=lambda e, y, p: (0.75 - 0.5 * y) * ops.abs(e) ** 1.5 * _entropy(y, p),
    ),
    "focal_logits": Rung(
        lambda **host: terms.Focal(from_logits=True, **host),
        masks=True,
        elements=lambda e, y, p: ops.abs(y - ops.sigmoid(p)) ** 2 * _entropy(y, ops.sigmoid(p)),
        free_at_truth=False,
    ),
    "boundary": Rung(lambda **host: terms.Boundary((1, 2), **host)),
    "boundary_sobel": Rung(lambda **host: terms.Boundary((1, 2), "sobel", **host)),
    "boundary_one_axis": Rung(lambda **host: terms.Boundary(-3, **host)),
    "total_variation": Rung(
        lambda **host: terms.TotalVariation((1, 2), **host), free_at_truth=False
    ),
    "soft_boundary_dice": Rung(terms.SoftBoundaryDice, masks=True, ratio=True),
    "boundary_f1": Rung(lambda **host: terms.BoundaryF1(theta=3, **host), masks=True, ratio=True),
    "distance_boundary": Rung(
        lambda **host: terms.DistanceBoundary((1, 2), **host), masks=True, maps=True
    ),
    "hausdorff": Rung(
        lambda **host: terms.HausdorffDistance((1, 2), **host), masks=True, maps=True
    ),
    "on_mask": Rung(
        lambda **host: terms.OnChannels(terms.Underestimation(), **host), masks=True, maps=True
    ),
    "known": Rung(lambda **host: terms.OnKnown("mse", **host), elements=lambda e, y, p: e * e),
    "keras_mse": Rung(
        lambda **host: terms.KerasLoss("MeanSquaredError", **host), elements=lambda e, y, p: e * e
    ),
    "keras_bce": Rung(
        lambda **host: terms.KerasLoss("BinaryCrossentropy", **host),
        masks=True,
        elements=lambda e, y, p: _entropy(y, p),
    ),
    "custom": Rung(
        lambda **host: terms.CustomLoss(pseudo_huber, **host),
        elements=lambda e, y, p: ops.sqrt(1.0 + e * e) - 1.0,
    ),
}


def value(loss: terms.Term, y: Any, p: Any, weight: Any = None, mask: Any = None) -> np.ndarray:
    """The reduced loss, with a Keras mask on the predictions if one is given."""
    pred = ops.convert_to_tensor(p)
    if mask is not None:
        pred._keras_mask = ops.convert_to_tensor(mask)
    return np.asarray(ops.convert_to_numpy(loss(y, pred, sample_weight=weight)))


def per_sample(rung: Rung, y: Any, p: Any) -> np.ndarray:
    """The unweighted value of each sample."""
    return value(rung.make(reduction=None), y, p)


def close(found: Any, expected: Any, rtol: float = 2e-5) -> None:
    """Equal up to float32 rounding."""
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-6)


def assert_config_round_trip(rung: Rung) -> None:
    """The config is JSON and makes the same term, with name, reduction and dtype."""
    y, p = rung.data()
    loss = rung.make(name="mine", reduction="sum", dtype="float16")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(loss)
    assert (again.name, again.reduction, again.dtype) == ("mine", "sum", "float16")
    assert again.get_config() == loss.get_config()
    np.testing.assert_array_equal(value(again, y, p), value(loss, y, p))


def assert_copies(rung: Rung) -> None:
    """Pickled or copied, a term is the same."""
    y, p = rung.data()
    loss = rung.make(name="mine")
    for again in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert again.name == "mine"
        np.testing.assert_array_equal(value(again, y, p), value(loss, y, p))


def assert_description_round_trip(rung: Rung) -> None:
    """The description is flat JSON and makes the same term; only foreign code has none."""
    y, p = rung.data()
    loss = rung.make()
    description = terms.describe(loss)
    if isinstance(loss, terms.CustomLoss):
        assert description is None
        return
    again = terms.from_description(json.loads(json.dumps(description)))
    assert terms.describe(again) == description
    np.testing.assert_array_equal(value(again, y, p), value(loss, y, p))


def assert_all_correct(rung: Rung) -> None:
    """A prediction that is right costs nothing."""
    if rung.free_at_truth:
        np.testing.assert_allclose(per_sample(rung, *rung.truth()), 0.0, atol=1e-6)


def assert_shape_and_independence(rung: Rung) -> None:
    """One value for each sample, finite, not negative, and the same in a batch of one."""
    y, p = rung.data()
    values = per_sample(rung, y, p)
    assert values.shape == (len(p),)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    close([per_sample(rung, y[i : i + 1], p[i : i + 1])[0] for i in range(len(p))], values)


def assert_elements(rung: Rung) -> None:
    """Unweighted, the value is the mean over elements of the formula, in the finest floats."""
    if rung.elements is None:
        return
    y, p = rung.data()
    exact = rung.elements(*(ops.convert_to_tensor(x, FINEST) for x in (y - p, y, p)))
    expected = np.mean(ops.convert_to_numpy(exact).reshape(len(p), -1), axis=1)
    close(per_sample(rung, y, p), expected)


def assert_reductions(rung: Rung) -> None:
    """Each reduction is Keras' of the values of the samples, unweighted and sample-weighted."""
    y, p = rung.data()
    values = per_sample(rung, y, p)
    weight = np.array([1.0, 0.0, 2.5, 0.25], "float32")
    count, total = len(values), weight.sum()
    expected = {
        "sum": (values.sum(), (weight * values).sum()),
        "mean_with_sample_weight": (values.mean(), (weight * values).sum() / total),
        "none": (values, weight * values),
        None: (values, weight * values),
    }
    for reduction in REDUCTIONS:
        plain, weighted = expected.get(reduction, (values.mean(), (weight * values).sum() / count))
        loss = rung.make(reduction=reduction)
        close(value(loss, y, p), plain)
        close(value(loss, y, p, weight), weighted)
        close(value(loss, y, p, weight[:, None]), weighted)


def assert_scalar_weighted(rung: Rung) -> None:
    """A scalar weight multiplies, zero switches off; equal weights too, but those in a ratio."""
    y, p = rung.data()
    loss = rung.make()
    plain = value(loss, y, p)
    for shape in ((), (4,), (4, 1), (4, 6), (4, 6, 5), (4, 6, 5, 1), p.shape):
        cancels = rung.ratio and np.prod(shape) > len(p)  # which weights of samples do not
        scaled = plain if cancels else 2.3 * plain
        close(value(loss, y, p, np.full(shape, 2.3, "float32")), scaled)
        assert value(loss, y, p, np.zeros(shape, "float32")) == 0.0


def assert_mask_drops_samples(rung: Rung) -> None:
    """Samples that are masked as a whole are as good as absent from a mean."""
    y, p = rung.data()
    kept = np.array([True, False, True, True])
    mask = np.broadcast_to(kept[:, None, None], p.shape[:-1])
    for reduction in MEANS:
        loss = rung.make(reduction=reduction)
        close(value(loss, y, p, mask=mask), value(loss, y[kept], p[kept]))
        close(value(loss, y, p, mask=kept), value(loss, y[kept], p[kept]))


def assert_mask_hides(rung: Rung) -> None:
    """What is predicted under a mask, or where the weight is 0, changes nothing."""
    y, p = rung.data()
    mask = np.random.default_rng(1).uniform(size=p.shape[:-1]) < 0.7
    other = np.where(mask[..., None], p, 1.0 - p).astype("float32")
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
        loss = rung.make(reduction=reduction)
        close(value(loss, y, other, mask=mask), value(loss, y, p, mask=mask))
        weight = mask.astype("float32")
        close(value(loss, y, other, weight), value(loss, y, p, weight))
    slope = gradient(lambda x: rung.make().per_sample(y, x, mask.astype("float32")), p)
    np.testing.assert_array_equal(slope[~mask], 0.0)


def assert_element_weights_as_keras(rung: Rung) -> None:
    """Means over elements treat weights and masks exactly as Keras treats them."""
    if rung.elements is None:
        return
    y, p = rung.data()
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.0, 2.0, size=p.shape[:-1]).astype("float32")
    mask = rng.uniform(size=p.shape[:-1]) < 0.6
    for reduction in MEANS:
        loss, keras_loss = rung.make(reduction=reduction), rung.reference(reduction)
        for given in ({"weight": weight}, {"mask": mask}, {"weight": weight, "mask": mask}):
            close(value(loss, y, p, **given), value(keras_loss, y, p, **given))
        both = (mask / mask.mean() if reduction != "mean_with_sample_weight" else mask) * weight
        scale = {"mean_with_sample_weight": both.sum()}.get(reduction, both.size)
        by_sample = value(rung.reference(None), y, p)
        close(value(loss, y, p, weight, mask), (both * by_sample).sum() / scale)


def assert_all_masked(rung: Rung) -> None:
    """A mask that hides everything gives zero, not a division by it."""
    y, p = rung.data()
    mask = np.zeros(p.shape[:-1], bool)
    for reduction in REDUCTIONS:
        np.testing.assert_array_equal(value(rung.make(reduction=reduction), y, p, mask=mask), 0.0)


def assert_half_precision(rung: Rung) -> None:
    """Half precision in gives float32 out, computed in float32."""
    y, p = rung.data()
    for half in ("float16", "bfloat16"):
        y_half, p_half = (ops.cast(x, half) for x in (y, p))
        y_back, p_back = (ops.convert_to_numpy(ops.cast(x, "float32")) for x in (y_half, p_half))
        values = rung.make().per_sample(y_half, p_half)
        assert keras.backend.standardize_dtype(values.dtype) == "float32"
        close(ops.convert_to_numpy(values), per_sample(rung, y_back, p_back))


def assert_dtype(rung: Rung) -> None:
    """The dtype of the loss is that of its result, as in Keras."""
    y, p = rung.data()
    for dtype, rtol in (("float32", 1e-6), ("bfloat16", 1e-2), ("float16", 1e-3)):
        loss = rung.make(dtype=dtype)
        result = loss(y, p)
        assert keras.backend.standardize_dtype(result.dtype) == dtype == loss.dtype
        close(float(result), value(rung.make(), y, p), rtol=rtol)


def assert_gradient_is_the_slope(rung: Rung) -> None:
    """In float64 the gradient agrees with central differences."""
    y, p = (x.astype("float64") for x in rung.data(shape=(2, 4, 4, 1)))
    term = rung.make()
    weight = np.random.default_rng(3).uniform(0.5, 2.0, size=p.shape[:-1])

    def values(x: Any, y: Any, element_weight: Any = None) -> Any:
        return term.per_sample(y, x, element_weight)

    for rows in ((y,), (y, weight)):
        found = gradient(lambda x, rows=rows: values(x, *rows), p)
        np.testing.assert_allclose(found, numeric_gradient(values, p, *rows), atol=1e-6)


def assert_finite_everywhere(rung: Rung) -> None:
    """Values and gradients are finite on constant images, exact zeros and ones, at the truth."""
    y, p = rung.data()
    flat = [np.full_like(p, level) for level in (0.0, 0.5, 1.0)]
    empty = np.zeros_like(p)
    targets = [y] + [terms.with_distance_map(m) if rung.maps else m for m in (empty, empty + 1)]
    for target in targets:
        for pred in (*flat, target[..., : p.shape[-1]]):
            assert np.isfinite(per_sample(rung, target, pred)).all()
            assert np.isfinite(gradient(lambda x: rung.make().per_sample(target, x), pred)).all()  # noqa: B023


def assert_no_pull_at_the_truth(rung: Rung) -> None:
    """Where the prediction is right the subgradient is 0, so it stays."""
    if rung.free_at_truth and (rung.maps or not rung.masks):
        y, p = rung.truth()
        np.testing.assert_array_equal(gradient(lambda x: rung.make().per_sample(y, x), p), 0.0)


def assert_compiles_and_vectorises(rung: Rung) -> None:
    """The values are the same in a graph of unknown batch size and under ``vectorized_map``."""
    tf = pytest.importorskip("tensorflow")
    y, p = rung.data()
    term = rung.make()
    expected = per_sample(rung, y, p)
    unknown = [tf.TensorSpec((None, *x.shape[1:])) for x in (y, p)]
    close(tf.function(term.per_sample, input_signature=unknown)(y, p), expected)
    members = tf.stack([p, 1.0 - p])
    each = tf.function(lambda m: tf.vectorized_map(lambda pred: term.per_sample(y, pred), m))(
        members
    )
    close(each, [expected, per_sample(rung, y, 1.0 - p)])


LADDER = [
    assert_config_round_trip,
    assert_copies,
    assert_description_round_trip,
    assert_all_correct,
    assert_shape_and_independence,
    assert_elements,
    assert_reductions,
    assert_scalar_weighted,
    assert_mask_drops_samples,
    assert_mask_hides,
    assert_element_weights_as_keras,
    assert_all_masked,
    assert_half_precision,
    assert_dtype,
    assert_finite_everywhere,
    assert_no_pull_at_the_truth,
]

# On TensorFlow only: JAX has no float64 by default, and no vectorized_map by that name.
TENSORFLOW_LADDER = [assert_gradient_is_the_slope, assert_compiles_and_vectorises]
