"""Measured gradients against closed forms and single tapes, and the calibration of the output."""

import keras
import numpy as np
import pytest
from keras import layers

from lossweights import CombinedLoss
from lossweights.base.errors import LossweightsError, ModelError
from lossweights.dominance.gram import contributions
from lossweights.dominance.shares import decrease_shares
from lossweights.terms import Boundary, Underestimation, on
from lossweights.watch.gradients import GradientProbe, calibration_residual, has_free_offset
from lossweights.watch.probe import Probe

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="gradients of terms are TensorFlow's"
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = (X @ [[1.0], [2.0], [-1.0]] + 1.0 + RNG.normal(size=(40, 1))).astype("float32")
SERIES = RNG.normal(size=(40, 6)).astype("float32")


def linear(loss, units=1, **options):
    """One Dense layer, as it was initialised."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(units, **options)])
    model.compile(keras.optimizers.SGD(0.05), loss=loss)
    return model


def two_terms(a=1.0, b=0.5):
    """Squared error and a linear penalty on underestimation."""
    return CombinedLoss({"mse": "mse", "under": Underestimation()}, {"mse": a, "under": b})


def closed_form(model, weight=1.0):
    """Both terms' gradients of a linear model as vectors, and those at its output."""
    p = model.predict(X, verbose=0)
    at_output = weight * np.hstack([2 * (p - Y), -2.0 * (p < Y)]) / len(X)
    design = np.hstack([X, np.ones((len(X), 1))])
    return at_output.T @ design, at_output.T


def test_the_gram_matrix_of_a_linear_model():
    """Inner products of the gradients written out by hand, in the order of the terms."""
    loss = two_terms()
    model = linear(loss)
    by_parameters, values_by_output = closed_form(model)
    found = GradientProbe(model, loss, X, Y).measure()
    np.testing.assert_allclose(found, by_parameters @ by_parameters.T, rtol=1e-4)
    found = GradientProbe(model, loss, X, Y, wrt="output").measure()
    np.testing.assert_allclose(found, values_by_output @ values_by_output.T, rtol=1e-4)


def test_weights_of_samples_count_as_in_fit():
    """A weight for each sample multiplies its part in the gradient."""
    loss = two_terms()
    model = linear(loss)
    weight = RNG.uniform(0, 2, 40).astype("float32")
    g, _ = closed_form(model, weight[:, None])
    found = GradientProbe(model, loss, X, Y, weight).measure()
    np.testing.assert_allclose(found, g @ g.T, rtol=1e-4)


def test_weights_of_the_terms_do_not_count():
    """The matrix is of the unweighted terms, and measures the model as it is now."""
    loss = two_terms()
    model = linear(loss)
    probe = GradientProbe(model, loss, X, Y)
    before = probe.measure()
    loss.set_weights({"mse": 100.0, "under": 0.0})
    np.testing.assert_array_equal(probe.measure(), before)
    model.layers[0].bias.assign([5.0])
    g, _ = closed_form(model)
    np.testing.assert_allclose(probe.measure(), g @ g.T, rtol=1e-4)


def test_deep_models_against_one_tape_a_term():
    """Embedding, dropout and batch normalisation; three terms; a term that reads no parameter."""
    import tensorflow as tf

    terms = {
        "mse": "mse",
        "boundary": Boundary(axes=1),
        "none": lambda y_true, y_pred: keras.ops.mean(y_true, axis=-1),
    }
    loss = CombinedLoss(terms)
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(11, 5),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(6),
        ]
    )
    x = RNG.integers(0, 11, (40, 4))
    found = GradientProbe(model, loss, x, SERIES).measure()
    model.layers[3].rate = 0.0  # what is left to know of training is batch normalisation
    variables, vectors = [v.value for v in model.trainable_variables], []
    for name in terms:
        with tf.GradientTape() as tape:
            mean = loss.components(SERIES, model(x, training=True))[name]
        parts = tape.gradient(mean, variables, unconnected_gradients="zero")
        vectors.append(np.concatenate([np.ravel(tf.convert_to_tensor(part)) for part in parts]))
    g = np.stack(vectors)
    np.testing.assert_allclose(found, g @ g.T, rtol=1e-4, atol=1e-9)
    assert found[2].tolist() == [0.0, 0.0, 0.0]


def test_several_outputs():
    """Terms on outputs of their own are orthogonal at the output, and meet in the shared layer."""
    inputs = keras.Input((3,))
    shared = layers.Dense(4)(inputs)
    model = keras.Model(inputs, [layers.Dense(1, name=name)(shared) for name in ("a", "b")])
    loss = CombinedLoss({"one": on("a", "mse"), "two": on("b", "mae")})
    model.compile("sgd", loss=loss.by_output())
    at_output = GradientProbe(model, loss, X, [Y, Y], wrt="output").measure()
    assert at_output[0, 1] == 0.0
    at_parameters = GradientProbe(model, loss, X, {"a": Y, "b": Y}).measure()
    assert at_parameters[0, 1] != 0.0


def test_summed_contributions_of_a_keras_training_are_its_decrease_shares():
    """Full-batch SGD in small steps, gradients measured before each: D to three digits."""
    loss = two_terms(1.0, 3.0)
    model = linear(loss)
    model.compile(keras.optimizers.SGD(2e-3), loss=loss)
    gradients, magnitudes = GradientProbe(model, loss, X, Y), Probe(model, loss, X, Y)
    start, grams = magnitudes.measure().magnitudes, []
    for _ in range(400):
        grams.append(gradients.measure())
        model.train_on_batch(X, Y)
    end = magnitudes.measure().magnitudes
    D = decrease_shares([1.0, 3.0], list(start.values()), list(end.values()))
    np.testing.assert_allclose(contributions([1.0, 3.0], grams), D, atol=2e-3)


def test_what_is_refused():
    """Nothing to train, and a word that is neither kind of gradient."""
    loss = two_terms()
    model = linear(loss)
    with pytest.raises(ValueError, match="Expected wrt among"):
        GradientProbe(model, loss, X, Y, wrt="inputs")
    model.trainable = False
    with pytest.raises(ModelError, match="trainable parameters"):
        GradientProbe(model, loss, X, Y)


def test_another_backend_is_refused_with_the_way_on(monkeypatch):
    """Gradients are TensorFlow's here; the message says that the rest works without."""
    loss = two_terms()
    model = linear(loss)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(LossweightsError, match="gradients=None"):
        GradientProbe(model, loss, X, Y)
    assert calibration_residual(model, loss, X, Y) is None


def test_the_residual_is_that_of_the_identity():
    """``a mean(p - y) - b under_rate``, twice, over the root mean square of the gradient."""
    a, b = 1.5, 0.7
    loss = two_terms(a, b)
    model = linear(loss)
    p = model.predict(X, verbose=0)
    identity = a * np.mean(p - Y) - b * np.mean(p < Y)
    size = np.sqrt(np.mean((a * (p - Y) - b * (p < Y)) ** 2))
    assert calibration_residual(model, loss, X, Y) == pytest.approx(abs(identity) / size, rel=1e-4)


def test_the_residual_vanishes_with_training():
    """Far from the optimum it is large; trained to the end it is nothing, penalty or not."""
    for b in (0.0, 2.0):
        loss = two_terms(1.0, b)
        model = linear(loss, bias_initializer=keras.initializers.Constant(8.0))
        assert calibration_residual(model, loss, X, Y) > 0.8
        steps = 400
        x, y = np.tile(X, (steps, 1)), np.tile(Y, (steps, 1))
        model.fit(x, y, batch_size=len(X), shuffle=False, verbose=0)
        assert calibration_residual(model, loss, X, Y) < 0.02


def test_a_shift_invariant_term_changes_no_residual():
    """A boundary term pulls on differences alone, so that the identity is that of the others."""
    loss = CombinedLoss({"mse": "mse"})
    model = linear(loss, units=6)
    plain = calibration_residual(model, loss, X, SERIES)
    both = CombinedLoss({"mse": "mse", "boundary": Boundary(axes=1)}, {"mse": 1.0, "boundary": 1.0})
    p = model.predict(X, verbose=0)
    e = SERIES - p
    g = -2 * e / 6
    s = np.sign(np.diff(e, axis=1)) / 5
    total = g + np.pad(s, ((0, 0), (0, 1))) - np.pad(s, ((0, 0), (1, 0)))
    assert np.sum(total) == pytest.approx(np.sum(g), rel=1e-4)
    expected = plain * np.sqrt(np.mean(g**2) / np.mean(total**2))
    assert calibration_residual(model, both, X, SERIES) == pytest.approx(expected, rel=1e-3)


L2 = keras.regularizers.L2(0.1)


@pytest.mark.parametrize(
    ("tail", "free"),
    [
        ([layers.Dense(4)], True),
        ([layers.Dense(4), layers.Rescaling(100.0), layers.Reshape((2, 2))], True),
        ([layers.Dense(4), layers.Activation("linear"), layers.Flatten()], True),
        ([layers.Reshape((3, 1)), layers.Conv1D(2, 1)], True),
        ([layers.Dense(4, activation="relu")], False),
        ([layers.Dense(4), layers.Activation("softmax")], False),
        ([layers.Dense(4, use_bias=False)], False),
        ([layers.Dense(4, bias_regularizer=L2)], False),
        ([layers.Dense(4, activity_regularizer=L2)], False),
        ([layers.Dense(4, trainable=False)], False),
        ([layers.Dense(4, bias_constraint="non_neg")], False),
        ([layers.Dense(4, bias_constraint=keras.constraints.MaxNorm(1e6))], False),
        ([layers.Dense(4, kernel_constraint="non_neg", kernel_regularizer=L2)], True),
        ([layers.Dense(4), layers.Reshape((2, 2), activity_regularizer=L2)], False),
        ([layers.Dense(4), layers.Activation("linear", activity_regularizer=L2)], False),
        ([layers.Dense(4), layers.Rescaling([1.0, 2.0, 3.0, 4.0])], False),
        ([layers.Dropout(0.5), layers.Dense(4)], False),
        ([layers.BatchNormalization(), layers.Dense(4)], False),
        ([layers.Reshape((3, 1)), layers.LSTM(2, dropout=0.1), layers.Dense(4)], False),
        ([layers.Reshape((3, 1)), layers.LSTM(2), layers.Dense(4)], True),
        ([layers.Dense(4), layers.Dropout(0.5)], False),
    ],
)
def test_where_the_offset_is_free(tail, free):
    """Only a trained, unpenalised bias whose output nothing bends makes the identity hold."""
    model = keras.Sequential(
        [keras.Input((3,)), *(type(t).from_config(t.get_config()) for t in tail)]
    )
    assert has_free_offset(model) is free


@pytest.mark.parametrize(
    ("optimizer", "free"),
    [
        (keras.optimizers.AdamW(), False),
        (keras.optimizers.AdamW(weight_decay=0.0), True),
        (keras.optimizers.SGD(weight_decay=1e-4), False),
        (keras.optimizers.LossScaleOptimizer(keras.optimizers.Lion(weight_decay=0.1)), False),
        (keras.optimizers.Adam(clipnorm=1.0, use_ema=True), True),
    ],
    ids=["AdamW", "AdamW without", "SGD", "scaled", "Adam"],
)
def test_a_bias_that_the_optimizer_decays_is_not_free(optimizer, free):
    """Decay pulls it beside the gradient; clipping and averaging do not move where it rests."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    assert has_free_offset(model)
    assert has_free_offset(model, optimizer) is free


@pytest.mark.parametrize("way", ["var_names", "var_list"])
def test_a_bias_that_is_excluded_from_decay_is_free(way):
    """``exclude_from_weight_decay`` is respected, by name and by variable."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4)])
    optimizer = keras.optimizers.AdamW()
    excluded = {"var_names": ["bias"], "var_list": [model.layers[-1].bias]}[way]
    optimizer.exclude_from_weight_decay(**{way: excluded})
    assert has_free_offset(model, optimizer)


def test_a_frozen_bias_is_not_free():
    """Frozen itself, with its layer, or with the whole model: no training moves it."""

    def made():
        return keras.Sequential([keras.Input((3,)), layers.Dense(4)])

    alone, layer, whole = made(), made(), made()
    alone.layers[-1].bias.trainable = False
    layer.layers[-1].trainable = False
    whole.trainable = False
    assert not any(map(has_free_offset, (alone, layer, whole)))


def test_a_bias_that_works_in_two_places_is_not_free():
    """A layer called twice: its bias is held by what it does inside as well."""
    inputs = keras.Input((3,))
    dense = layers.Dense(3)
    assert not has_free_offset(keras.Model(inputs, dense(keras.ops.relu(dense(inputs)))))


def test_a_class_of_its_own_may_do_anything():
    """A subclass of a layer or of a model is not followed."""

    class Bounded(layers.Dense):
        def call(self, x):
            return keras.ops.clip(super().call(x), 0.0, 1.0)

    class Own(keras.Model):
        def train_step(self, data):
            return {}

    inputs = keras.Input((3,))
    assert not has_free_offset(keras.Model(inputs, Bounded(4)(inputs)))
    assert not has_free_offset(Own(inputs, layers.Dense(4)(inputs)))


def test_models_whose_layers_cannot_be_followed():
    """Several outputs, or a subclass with a ``call`` of its own: no claim."""
    inputs = keras.Input((3,))
    two = keras.Model(inputs, [layers.Dense(1)(inputs), layers.Dense(1)(inputs)])
    assert not has_free_offset(two)

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return keras.ops.exp(self.dense(x))

    own = Own()
    own(X)
    assert not has_free_offset(own)
