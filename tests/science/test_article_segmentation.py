"""Cross-entropy plus 0.2 times a boundary term: what it should measure, and that it trains."""

import functools
from dataclasses import dataclass

import keras
import numpy as np
import pytest

from lossweights.loss.combined import CombinedLoss
from lossweights.terms import Boundary

pytestmark = pytest.mark.science

SIZE = 16


def one_hot(masks):
    """Masks of 0 and 1 as two classes, background first."""
    return np.stack([1 - masks, masks], axis=-1).astype("float32")


def discs(count, seed):
    """Noisy images of a disc each, and their masks as two classes."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((SIZE, SIZE))
    middle = rng.uniform(5, SIZE - 5, size=(2, count, 1, 1))
    radius = rng.uniform(2, 5, size=(count, 1, 1))
    masks = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < radius**2
    images = masks + rng.normal(scale=0.5, size=masks.shape)
    return images[..., None].astype("float32"), one_hot(masks.astype("float32"))


def last_axis_term(y, p):
    """A "boundary" along the last axis, of absolute differences: the mistake to avoid."""
    y_steps, p_steps = (np.abs(np.diff(array, axis=-1)) for array in (y, p))
    return np.abs(y_steps - p_steps).mean() if y_steps.size else np.nan


def test_channels_are_no_boundary():
    """Along the last axis a mask in the wrong place is perfect, and where pixels lie is unseen."""
    _, y = discs(4, seed=0)
    misplaced = np.roll(y, 3, axis=2)
    assert last_axis_term(y, misplaced) == 0.0
    assert np.isnan(last_axis_term(y[..., 1:], misplaced[..., 1:]))

    p = np.random.default_rng(1).uniform(size=y.shape[:-1])
    p = one_hot(p)
    confidence = np.mean(1 - np.abs(p[..., 0] - p[..., 1]))
    assert last_axis_term(y, p) == pytest.approx(confidence, rel=1e-6)
    order = np.random.default_rng(2).permutation(SIZE * SIZE)
    shuffled = [array.reshape(4, -1, 2)[:, order].reshape(y.shape) for array in (y, p)]
    assert last_axis_term(*shuffled) == pytest.approx(last_axis_term(y, p), rel=1e-6)


def test_boundary_measures_space():
    """On the axes of the image a misplaced mask costs, inversion costs more still."""
    _, y = discs(4, seed=0)
    term = Boundary(axes=(1, 2))
    misplaced, inverted = np.roll(y, 3, axis=2), y[..., ::-1]
    right, shifted, worst = (float(term(y, p)) for p in (y, misplaced, inverted))
    assert right == 0.0
    assert 0.05 < shifted < worst
    order = np.random.default_rng(2).permutation(SIZE * SIZE)
    y_shuffled, p_shuffled = (
        array.reshape(4, -1, 2)[:, order].reshape(y.shape) for array in (y, misplaced)
    )
    assert float(term(y_shuffled, p_shuffled)) > 2 * shifted
    assert float(term(y[..., 1:], misplaced[..., 1:])) == pytest.approx(shifted, rel=1e-6)


@dataclass(frozen=True)
class Training:
    """A trained model with its loss, and its terms on unseen images before and after."""

    model: keras.Model
    loss: CombinedLoss
    history: list[float]
    before: dict[str, float]
    after: dict[str, float]


@functools.cache
def trained(boundary_weight):
    """A small fully convolutional net, from one start, on cross-entropy and the boundary term."""
    keras.utils.set_random_seed(1)
    loss = combined(boundary_weight)
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(8, 5, padding="same", activation="relu"),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(2, 1, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    before = unseen_terms(model, loss)
    history = model.fit(*discs(120, seed=1), epochs=15, batch_size=16, verbose=0).history["loss"]
    return Training(model, loss, history, before, unseen_terms(model, loss))


def combined(boundary_weight):
    """Cross-entropy and the boundary term, as one loss."""
    return CombinedLoss(
        terms={"cce": "categorical_crossentropy", "boundary": Boundary(axes=(1, 2))},
        weights={"cce": 1.0, "boundary": boundary_weight},
    )


def unseen_terms(model, loss):
    """The unweighted terms on images that were not trained on."""
    x, y = discs(60, seed=2)
    components = loss.components(y, model(x, training=False))
    return {name: float(value) for name, value in components.items()}


def test_small_net_learns_both_terms():
    """Trained on cross-entropy + 0.2 boundary, both terms fall and the discs are found."""
    run = trained(0.2)
    assert np.isfinite(run.history).all()
    assert run.history[-1] < 0.3 * run.history[0]
    assert run.after["cce"] < 0.2 * run.before["cce"]
    assert run.after["boundary"] < 0.7 * run.before["boundary"]
    x, y = discs(60, seed=2)
    found, true = run.model.predict(x, verbose=0)[..., 1] > 0.5, y[..., 1] > 0.5
    assert (found & true).sum() / (found | true).sum() > 0.8


def test_keras_reports_the_weighted_sum():
    """``evaluate`` gives cross-entropy + 0.2 boundary, though its last batch is a partial one."""
    run = trained(0.2)
    total = run.after["cce"] + 0.2 * run.after["boundary"]
    found = run.model.evaluate(*discs(60, seed=2), batch_size=25, verbose=0)
    assert found == pytest.approx(total, rel=1e-5)


def test_boundary_weight_sharpens_the_outline():
    """The larger its weight, the smaller the boundary term that the same net ends with."""
    without, little, much = (trained(weight).after["boundary"] for weight in (0.0, 0.2, 2.0))
    assert little < 0.98 * without
    assert much < 0.95 * little


def test_sample_weights_choose_samples():
    """A weight of 1 for the first image of four and 0 for the rest leaves a quarter of its loss."""
    _, y = discs(4, seed=0)
    p = np.full_like(y, 0.5)
    p[1:] = 0.9
    loss = combined(0.2)
    first = float(loss(y[:1], p[:1]))
    assert first > 0
    found = float(loss(y, p, sample_weight=np.array([1.0, 0.0, 0.0, 0.0])))
    assert found == pytest.approx(first / 4, rel=1e-6)
