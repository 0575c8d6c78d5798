"""A volume without channels is never read as channels without a word."""

import warnings

import numpy as np
import pytest

from lossweights import metrics, terms
from lossweights.base.errors import TermError

pytestmark = pytest.mark.science

VOLUMES = [(1, 16, 16, 16), (2, 8, 24, 24), (1, 4, 32, 20), (1, 24, 24, 13), (1, 6, 5, 4)]
IMAGES = [(1, 16, 16, 1), (2, 6, 5, 2), (1, 9, 8, 3), (1, 64, 64, 19), (1, 40, 48, 20)]  # classes
TERMS = {
    "soft boundary dice": terms.SoftBoundaryDice,
    "boundary F1": terms.BoundaryF1,
}


def ball(shape):
    """A ball of ones in the middle of each volume."""
    places = np.indices(shape[1:]) - np.reshape(np.divide(shape[1:], 2), (-1, 1, 1, 1))
    return np.broadcast_to((places**2).sum(axis=0) < 9, shape).astype("float32")


def classes(shape):
    """Classes one-hot, every one of them somewhere."""
    numbers = np.arange(np.prod(shape[:-1])).reshape(shape[:-1]) % shape[-1]
    return np.eye(shape[-1], dtype="float32")[numbers]


@pytest.mark.parametrize("shape", [*VOLUMES, (1, 6, 6, 6, 1), (1, 8, 8, 8, 2)], ids=str)
@pytest.mark.parametrize("make", TERMS.values(), ids=TERMS)
def test_terms_ask_for_axes(make, shape):
    """Where no axes are named, what may be a volume is refused with both ways to name them."""
    y = np.zeros(shape, "float32")
    with pytest.raises(TermError, match=r"may be a volume.*axes=\(1, 2, 3\).*axes=\(1, 2\)"):
        make()(y, y)
    for axes in ((1, 2), (1, 2, 3)):
        assert float(make(axes=axes)(y, y)) == 0.0


@pytest.mark.parametrize("shape", [s for s in IMAGES if s[-1] <= 3], ids=str)
@pytest.mark.parametrize("make", TERMS.values(), ids=TERMS)
def test_images_raise_no_alarm(make, shape):
    """Grey images and colours are read as before."""
    y = classes(shape)
    p = np.roll(y, 1, axis=1)
    assert float(make()(y, p)) == float(make(axes=(1, 2))(y, p))


@pytest.mark.parametrize("shape", [(1, 64, 64, 19), (1, 40, 48, 20), (2, 128, 128, 24)], ids=str)
@pytest.mark.parametrize("make", TERMS.values(), ids=TERMS)
def test_many_channels_are_read_with_a_word(make, shape):
    """A term cannot see whether they are classes or a few cuts of a volume, so it says how it read.

    Naming the axes ends that.
    """
    y = classes(shape)
    with pytest.warns(UserWarning, match=rf"as {shape[-1]} channels of images.*axes=\(1, 2, 3\)"):
        value = float(make()(y, y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(make(axes=(1, 2))(y, y)) == value
        make(axes=(1, 2, 3))(y, y)


@pytest.mark.parametrize("shape", [*VOLUMES, (1, 32, 32, 8)], ids=str)
def test_distance_maps_ask_for_axes(shape):
    """Masks that overlap along the last axis may be a volume's cuts, also few of them."""
    y = ball(shape)
    with pytest.raises(TermError, match="may be a volume"):
        terms.with_distance_map(y)
    assert terms.with_distance_map(y, axes=(1, 2, 3)).shape == (*shape, 2)
    assert terms.with_distance_map(y, axes=(1, 2)).shape == (*shape[:-1], 2 * shape[-1])


@pytest.mark.parametrize("shape", [*IMAGES, (1, 20, 20, 150)], ids=str)
def test_distance_maps_of_classes_raise_no_alarm(shape):
    """Classes exclude each other, and so are channels however many they are."""
    y = classes(shape)
    np.testing.assert_array_equal(
        terms.with_distance_map(y), terms.with_distance_map(y, axes=(1, 2))
    )


@pytest.mark.parametrize("make", [terms.DistanceBoundary, terms.HausdorffDistance])
def test_terms_on_distance_maps(make):
    """With a map made along the right axes they still ask for them, and then agree with it."""
    y = terms.with_distance_map(ball((1, 8, 8, 8)), axes=(1, 2, 3))
    p = np.zeros((1, 8, 8, 8, 1), "float32")
    with pytest.raises(TermError, match="may be a volume"):
        make()(y, p)
    assert float(make(axes=(1, 2, 3))(y, p)) > 0


METRICS = [metrics.IoU(), metrics.BoundaryIoU(), metrics.BoundaryF1(), metrics.HD95()]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metrics_warn(metric):
    """They take no axes: a warning says how a volume is given, and nothing is said of classes."""
    volume = ball((1, 8, 8, 8))
    with pytest.warns(UserWarning, match=r"as 8 channels of images.*y\[\.\.\., None\]"):
        metric.evaluate(volume, volume)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.evaluate(volume[..., None], volume[..., None])
        metric.evaluate(classes((1, 16, 16, 40)), classes((1, 16, 16, 40)))


@pytest.mark.parametrize("metric", METRICS[:1], ids=lambda metric: metric.name)
def test_metrics_warn_in_graphs(metric):
    """There only the shape can tell, so classes too are told how they are read."""
    import keras
    from keras import ops

    inputs = keras.Input((8, 8, 8))
    model = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
    model.compile(loss="mse", metrics=[metric])
    volume = ball((1, 8, 8, 8))
    with pytest.warns(UserWarning, match="as 8 channels of images"):
        model.evaluate(volume, volume, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.statistics(ops, *[ops.convert_to_tensor(volume[..., None])] * 2)
