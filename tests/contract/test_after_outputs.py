"""What follows a model's outputs is compiled where the model is not, and stays what it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import lossweights as lw
from lossweights.data import Data
from lossweights.training import Adaptive, FitTrainer, Member, SerialTrainer
from lossweights.training._after_outputs import compiled_after

from .parity import SEED, assert_same, problem, train

TERMS = {"ce": "categorical_crossentropy", "mse": "mse"}


def entropy(outputs, y):
    """Of classes, as Keras computes it."""
    return keras.losses.categorical_crossentropy(y, outputs)


@pytest.mark.parametrize("softmax", [keras.activations.softmax, tf.nn.softmax])
def test_cross_entropies_are_computed_from_logits(softmax):
    """The probability of the right class is 0 in float32, the cross-entropy is not infinite."""

    @tf.function(autograph=False)
    def cost(logits, y):
        return compiled_after(entropy)(softmax(logits), y)

    found = cost(tf.constant([[200.0, 0.0]]), tf.constant([[0.0, 1.0]]))
    assert found.numpy() == pytest.approx([200.0])


def test_what_draws_random_numbers_is_not_compiled():
    """XLA draws them in another way than Keras does alone."""
    graphs = []

    def noisy(outputs):
        graphs.append(tf.compat.v1.get_default_graph())
        return outputs + keras.random.normal((1,), seed=3)

    @tf.function(autograph=False)
    def call(outputs):
        graphs.append(tf.compat.v1.get_default_graph())
        return compiled_after(noisy)(outputs)

    found = call(tf.constant([1.0]))
    assert graphs[0] is graphs[-1]
    assert found.numpy() == pytest.approx(1.0 + keras.random.normal((1,), seed=3).numpy())


def masks():
    """A net for masks that is sure of what it predicts first, beyond what float32 tells from 1."""
    sure = keras.initializers.VarianceScaling(400.0, seed=0)
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3, padding="same", activation="relu"),
            layers.Conv2D(2, 3, padding="same", kernel_initializer=sure, activation="softmax"),
        ]
    )


def images(rows, rng):
    """Random images, and masks of two classes."""
    inside = rng.integers(0, 2, (rows, 6, 6))
    x = (inside + rng.normal(size=inside.shape))[..., None].astype("float32")
    return x, np.stack([1 - inside, inside], axis=-1).astype("float32")


def strange(y_true, y_pred):
    """The mean square, by a way through text that no XLA knows."""
    read = tf.strings.to_number(tf.strings.as_string(y_true), tf.float32)
    return tf.reduce_mean(tf.square(read - y_pred), axis=(1, 2, 3))


@pytest.mark.parametrize(
    ("terms", "compiled"), [(TERMS, True), ({**TERMS, "strange": strange}, False)]
)
def test_a_net_for_masks_is_trained_as_by_fit(terms, compiled):
    """Also with terms that XLA cannot compile, which then go without."""
    rng = np.random.default_rng(0)
    given = Data(train=images(40, rng), val=images(11, rng))
    made = problem(masks, terms, optimizer=keras.optimizers.SGD(1e-3))
    members = [Member(dict.fromkeys(terms, 1.0), SEED)]
    trainer = SerialTrainer(made, given)
    assert trainer.form.xla_after
    assert_same(train(trainer, members), train(FitTrainer(made, given), members))
    assert trainer.form.xla_after == compiled


@pytest.mark.parametrize("method", [lw.adaptive.GradNorm(), lw.adaptive.EnCodec()])
def test_a_sure_net_is_weighed_as_by_fit(method):
    """By gradients of a cross-entropy from logits, or at probabilities that are all but 0 or 1."""
    rng = np.random.default_rng(0)
    given = Data(train=images(40, rng), val=images(11, rng))
    made = problem(masks, TERMS, optimizer=keras.optimizers.SGD(1e-3))
    weights = dict.fromkeys(TERMS, 1.0)
    members = [Member(weights, SEED, Adaptive(method, weights))]
    one, other = (train(kind(made, given), members) for kind in (SerialTrainer, FitTrainer))
    assert_same(one, other)
    assert np.isfinite([list(w) for w in one[0].in_force().values()]).all()
