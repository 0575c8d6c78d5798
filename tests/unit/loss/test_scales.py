"""Reference scales against closed forms: variances, deviations, entropies, differences."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from lossweights.base.errors import DataError, TermError, WeightError
from lossweights.loss.scales import reference_scales
from lossweights.loss.weights import check_scales
from lossweights.terms import (
    Boundary,
    DistanceBoundary,
    Focal,
    Pinball,
    TotalVariation,
    Underestimation,
    on,
    reading,
    with_distance_map,
)

RNG = np.random.default_rng(0)


def scale(term, y, sample_weight=None, **options):
    """The scale of a single term."""
    return reference_scales({"term": term}, y, sample_weight, **options)["term"]


def entropy(rates):
    """The entropy of a distribution, in nats."""
    return float(-np.sum(rates * np.log(rates)))


def test_closed_forms_of_one_number_a_sample():
    """Variance, mean absolute deviation, and what follows from them."""
    y = RNG.gamma(2.0, size=(500, 1))
    deviation = y - y.mean()
    assert scale("mse", y) == pytest.approx(np.var(y), rel=1e-5)
    from_median = np.mean(np.abs(y - np.median(y)))
    assert scale("mae", y) == pytest.approx(from_median, rel=1e-5)
    # 2 relu(e) = |e| + e, and e has the mean 0.
    assert scale(Underestimation(), y) == pytest.approx(np.mean(np.abs(deviation)), rel=1e-5)
    assert scale(Pinball(0.5), y) == pytest.approx(from_median / 2, rel=1e-5)


def test_targets_without_an_axis():
    """One number a sample, without a channel axis, is no special case."""
    y = RNG.normal(size=50)
    assert scale("mse", y) == pytest.approx(np.var(y), rel=1e-5)
    assert scale(Underestimation(), list(y)) == pytest.approx(
        np.mean(np.abs(y - y.mean())), rel=1e-5
    )


def test_one_constant_for_each_channel():
    """Targets (n, 24) are predicted by 24 means, images by one for each channel."""
    y = RNG.normal(size=(60, 24)) + np.arange(24.0)
    assert scale("mse", y) == pytest.approx(np.mean(np.var(y, axis=0)), rel=1e-4)
    images = RNG.normal(size=(7, 5, 4, 3)) * [1.0, 2.0, 3.0] + [0.0, 5.0, -5.0]
    assert scale("mse", images) == pytest.approx(np.mean(np.var(images, axis=(0, 1, 2))), rel=1e-4)


def test_one_constant_along_differenced_axes():
    """A boundary along the last axis makes one constant of it, for every term of the loss."""
    y = RNG.normal(size=(60, 24)) + np.arange(24.0)
    scales = reference_scales({"mse": "mse", "shape": Boundary(axes=1)}, y)
    assert scales["mse"] == pytest.approx(np.var(y), rel=1e-4)
    assert scales["shape"] == pytest.approx(np.mean(np.abs(np.diff(y, axis=1))), rel=1e-4)
    assert scale(Boundary(axes=-1), y) == pytest.approx(scales["shape"], rel=1e-6)


@pytest.mark.parametrize(("size", "side"), [(32, 8), (32, 16), (64, 32)])
def test_boundary_scale_of_a_square(size, side):
    """A centred square has the mean difference 2 s / (N (N - 1)) along each axis."""
    y = np.zeros((3, size, size, 1))
    corner = (size - side) // 2
    y[:, corner : corner + side, corner : corner + side] = 1.0
    each = 2 * side / (size * (size - 1))
    assert scale(Boundary(axes=(1, 2)), y) == pytest.approx(2 * each, rel=1e-5)


@given(factor=st.floats(0.01, 100.0), offset=st.floats(-10.0, 10.0))
def test_equivariant_in_units(factor, offset):
    """New units multiply a scale as its term's units say; a shift does nothing."""
    y = np.random.default_rng(1).normal(size=(40, 6))
    terms = {"mse": "mse", "under": Underestimation(), "shape": Boundary(axes=1)}
    before, after = reference_scales(terms, y), reference_scales(terms, factor * y + offset)
    assert after["mse"] == pytest.approx(factor**2 * before["mse"], rel=1e-3)
    assert after["under"] == pytest.approx(factor * before["under"], rel=1e-3)
    assert after["shape"] == pytest.approx(factor * before["shape"], rel=1e-3)


def test_entropies():
    """Cross-entropies have the entropy of the base rates, from probabilities or from logits."""
    labels = RNG.choice(3, p=[0.2, 0.3, 0.5], size=400)
    rates = np.bincount(labels) / 400
    one_hot = np.eye(3)[labels]
    binary = (labels == 0).astype("float32")[:, None]
    classes = entropy(rates)
    yes_or_no = entropy(np.array([rates[0], 1 - rates[0]]))
    for from_logits in (False, True):
        losses = keras.losses
        found = scale(losses.CategoricalCrossentropy(from_logits=from_logits), one_hot)
        assert found == pytest.approx(classes, rel=1e-4)
        found = scale(losses.BinaryCrossentropy(from_logits=from_logits), binary)
        assert found == pytest.approx(yes_or_no, rel=1e-4)
        for y in (labels, labels[:, None], labels.astype("float32")):
            found = scale(losses.SparseCategoricalCrossentropy(from_logits=from_logits), y)
            assert found == pytest.approx(classes, rel=1e-4)
        assert scale(Focal(0.0, from_logits=from_logits), binary) == pytest.approx(
            yes_or_no, rel=1e-4
        )


def test_class_numbers_of_images():
    """Class maps have one frequency for each class over all pixels; ignored ones do not count."""
    labels = RNG.choice(3, p=[0.2, 0.3, 0.5], size=(6, 5, 5))
    rates = np.bincount(labels.ravel()) / labels.size
    for y in (labels, labels[..., None]):
        assert scale("sparse_categorical_crossentropy", y) == pytest.approx(
            entropy(rates), rel=1e-4
        )
    ignoring = keras.losses.SparseCategoricalCrossentropy(ignore_class=2)
    assert scale(ignoring, labels) == pytest.approx(entropy(rates[:2] / rates[:2].sum()), rel=1e-4)


def test_classes_that_the_targets_do_not_show():
    """The model's output shape tells of classes that no target has; they cost nothing."""
    labels = np.array([0, 1, 0, 1])
    sparse = "sparse_categorical_crossentropy"
    found = scale(sparse, labels, output_shape=(None, 5))
    assert found == pytest.approx(np.log(2), rel=1e-4)
    with pytest.raises(TermError, match=r"class numbers from 0.*'term'.*Found -1"):
        scale(sparse, np.array([-1, 0]))


def test_scale_is_the_component_of_the_constant():
    """A scale is the unweighted mean of its term over the data, whatever the batches."""
    y = RNG.normal(size=(2500, 800)).astype("float32")  # more rows than are done at once
    constant = np.broadcast_to(y.mean(axis=0), y.shape)
    under = Underestimation()
    expected = np.mean(ops.convert_to_numpy(under.per_sample(y, constant)))
    assert scale(under, y) == pytest.approx(expected, rel=1e-5)


def test_distance_maps_are_not_predicted():
    """Targets with their maps are predicted by the rate of the masks: mean |map| |rate - mask|."""
    masks = (RNG.uniform(size=(5, 8, 8, 2)) < 0.4).astype("float32")
    y = with_distance_map(masks)
    rates = masks.mean(axis=(0, 1, 2))
    terms = {"distance": DistanceBoundary((1, 2)), "mse": reading(Underestimation(power=2))}
    for options in ({}, {"output_shape": (None, 8, 8, 2)}):
        scales = reference_scales(terms, y, **options)
        distances = np.abs(y[..., 2:])
        expected = np.mean(distances * np.abs(rates - masks))
        assert scales["distance"] == pytest.approx(expected, rel=1e-4)
        expected = np.mean(2 * np.maximum(masks - rates, 0) ** 2)
        assert scales["mse"] == pytest.approx(expected, rel=1e-4)


def test_sample_weights():
    """The constant is the weighted mean, and the scale divides by the number of samples."""
    y = RNG.normal(size=(50, 1))
    weight = RNG.uniform(size=50)
    mean = np.average(y[:, 0], weights=weight)
    expected = np.mean(weight * (y[:, 0] - mean) ** 2)
    assert scale("mse", y, weight) == pytest.approx(expected, rel=1e-5)
    assert scale("mse", y, weight[:, None]) == pytest.approx(expected, rel=1e-5)


def test_element_weights():
    """Elements of weight 0 count neither for the constant nor for the scale."""
    y = RNG.normal(size=(30, 6, 2))
    weight = (RNG.uniform(size=(30, 6)) < 0.5).astype("float32")
    means = [np.average(y[..., channel], weights=weight) for channel in range(2)]
    expected = np.mean(weight[..., None] * (y - means) ** 2)
    assert scale("mse", y, weight) == pytest.approx(expected, rel=1e-5)
    hidden = np.where(weight[..., None] > 0, y, 1e3)
    assert scale("mse", hidden, weight) == pytest.approx(expected, rel=1e-5)


def test_several_outputs():
    """Each term is scaled by the targets and weights of its own output."""
    y = {"depth": RNG.normal(size=(40, 1)), "class": RNG.integers(0, 3, size=40)}
    terms = {
        "mse": on("depth", "mse"),
        "ce": on("class", "sparse_categorical_crossentropy"),
    }
    shapes = {"depth": (None, 1), "class": (None, 4)}
    scales = reference_scales(terms, y, output_shape=shapes)
    assert scales["mse"] == pytest.approx(np.var(y["depth"]), rel=1e-5)
    assert scales["ce"] == pytest.approx(entropy(np.bincount(y["class"]) / 40), rel=1e-4)
    half = {"class": np.full(40, 0.5)}
    weighted = reference_scales(terms, y, half)
    assert weighted == pytest.approx({"mse": scales["mse"], "ce": scales["ce"] / 2}, rel=1e-4)
    with pytest.raises(TermError, match="output 'depth'"):
        reference_scales(terms, {"class": y["class"]})


def test_no_scale():
    """What has no scale is told why, one reason for each of the ways to have none."""
    y = RNG.normal(size=(20, 5))
    nothing = r"costs nothing there.*Leave the term out, or pass scales=\{...\}"
    with pytest.raises(WeightError, match=rf"'smooth'. Found 0.0. A constant.*{nothing}"):
        reference_scales({"mse": "mse", "smooth": TotalVariation(axes=1)}, y)
    with pytest.raises(WeightError, match=rf"'mse'. Found 0.0. .*{nothing}"):
        reference_scales({"mse": "mse"}, np.full((20, 5), 3.0))
    with pytest.raises(WeightError, match=r"'mse'. Found nan. The targets hold numbers that are"):
        reference_scales({"mse": "mse"}, np.array([[1.0], [np.nan]]))
    with pytest.raises(WeightError, match=r"'angle'. Found -.* negative .* add a number"):
        reference_scales({"angle": "cosine_similarity"}, y + 10)
    with pytest.raises(WeightError, match=r"'x'. Found nan. .*finite for no constant.*formula"):
        reference_scales({"x": lambda t, p: ops.log(-ops.square(p) - 1.0)}, y)
    with pytest.raises(WeightError, match=r"'x'. Found 1\..*e-39. float32 takes it for 0. .*unit"):
        reference_scales(
            {"x": lambda t, p: ops.where(t > 1, 2e-38, 0.0)}, 2.0 * (np.arange(20) > 18)
        )


@pytest.mark.parametrize("shape", [5, (), {"a": (None, 1)}, [(None, 1), (None, 2)], ("x",)])
def test_shape_of_no_output(shape):
    """What is not the shape of one output is refused before anything is measured."""
    with pytest.raises(TermError, match="shape of one output"):
        reference_scales({"mse": "mse"}, np.zeros((4, 1)), output_shape=shape)


def test_terms_that_do_not_fit():
    """A term that cannot read the targets is named."""
    with pytest.raises(TermError, match=r"'shape': .*\(20, 5\)"):
        reference_scales({"mse": "mse", "shape": Boundary(axes=(1, 3))}, RNG.normal(size=(20, 5)))


def test_no_constant():
    """Losses of sequences and of embeddings have no constant prediction."""
    for name in ("ctc", "circle"):
        with pytest.raises(TermError, match=r"constant prediction.*the term 'x'"):
            reference_scales({"x": name}, np.zeros((4, 3)))


@pytest.mark.parametrize(
    ("y", "weight"),
    [(np.zeros((0, 3)), None), (np.float64(1.0), None), (np.ones((3, 1)), np.zeros(3))],
)
def test_no_data(y, weight):
    """Without a sample that counts there is no mean."""
    with pytest.raises(DataError, match="at least one sample"):
        reference_scales({"mse": "mse"}, y, weight)


def test_check_scales():
    """Scales come back as floats in the order of the terms."""
    checked = check_scales({"b": np.float32(2.0), "a": 1}, ["a", "b"])
    assert list(checked.items()) == [("a", 1.0), ("b", 2.0)]
    assert all(type(value) is float for value in checked.values())
    for bad in ({"a": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": True}, None, [1.0, 2.0]):
        with pytest.raises(WeightError, match="Expected"):
            check_scales(bad, ["a", "b"])
