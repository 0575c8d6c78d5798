"""CombinedLoss: its arithmetic, its weights, what it refuses, and its life inside Keras models."""

import copy
import json
import math
import pickle

import keras
import numpy as np
import pytest
from keras import ops

from lossweights import CombinedLoss
from lossweights.base.errors import InvalidName, LossweightsError, TermError, WeightError
from lossweights.loss.output_loss import OutputLoss
from lossweights.terms import Boundary, Dice, TotalVariation, Underestimation, on

RNG = np.random.default_rng(0)
Y, P = RNG.normal(size=(2, 6, 8)).astype("float32")
WEIGHTS = {"mse": 1.0, "under": 0.5, "boundary": 0.2}
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="weights in a compiled step are TensorFlow's"
)


def make(**options):
    """Three terms of three families."""
    terms = {"mse": "mse", "under": Underestimation(), "boundary": Boundary(axes=1)}
    return CombinedLoss(terms, options.pop("weights", WEIGHTS), **options)


def by_hand(y=Y, p=P):
    """The value of each of the three terms for each sample, in NumPy."""
    e = (y - p).astype("float64")
    return {
        "mse": np.mean(e**2, axis=1),
        "under": np.mean(2 * np.maximum(e, 0), axis=1),
        "boundary": np.mean(np.abs(np.diff(e, axis=1)), axis=1),
    }


def linear_model(loss, optimizer="sgd", **options):
    """One Dense unit for each of the 8 targets, from zero."""
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(8, **options)])
    model.compile(optimizer, loss=loss)
    return model


def floats(tensors):
    """Tensors by name, as arrays, and scalars as numbers."""
    arrays = {name: ops.convert_to_numpy(tensor) for name, tensor in tensors.items()}
    return {name: a if a.ndim else float(a) for name, a in arrays.items()}


# --- arithmetic


def test_weighted_sum_of_the_terms():
    """Each sample has the weighted sum of its terms, and the reductions are Keras'."""
    values = by_hand()
    total = sum(WEIGHTS[name] * values[name] for name in WEIGHTS)
    np.testing.assert_allclose(make().call(Y, P), total, rtol=1e-5)
    weight = RNG.uniform(size=6).astype("float32")
    assert float(make()(Y, P)) == pytest.approx(total.mean(), rel=1e-5)
    assert float(make()(Y, P, weight)) == pytest.approx((weight * total).mean(), rel=1e-5)
    assert float(make(reduction="sum")(Y, P)) == pytest.approx(total.sum(), rel=1e-5)
    mean = make(reduction="mean_with_sample_weight")(Y, P, weight)
    assert float(mean) == pytest.approx((weight * total).sum() / weight.sum(), rel=1e-5)
    np.testing.assert_allclose(make(reduction=None)(Y, P, weight), weight * total, rtol=1e-5)


def test_sample_weights_are_not_multiplied_into_a_batch_mean():
    """A weight of zero for all samples but one leaves that sample's loss over the batch size."""
    alone = np.array([1.0, 0, 0, 0, 0, 0], "float32")
    values = by_hand()
    expected = sum(WEIGHTS[name] * values[name][0] for name in WEIGHTS) / 6
    assert float(make()(Y, P, alone)) == pytest.approx(expected, rel=1e-5)


def test_components_are_unweighted_means():
    """They do not depend on the weights, respect sample weights and take arrays or tensors."""
    weight = RNG.uniform(size=6).astype("float32")
    for loss in (make(), make(weights={"mse": 7.0, "under": 0.0, "boundary": 0.0})):
        for y, p in ((Y, P), (ops.convert_to_tensor(Y), ops.convert_to_tensor(P))):
            means, weighted = floats(loss.components(y, p)), floats(loss.components(y, p, weight))
            assert list(means) == list(WEIGHTS)
            for name, values in by_hand().items():
                assert means[name] == pytest.approx(values.mean(), rel=1e-5)
                assert weighted[name] == pytest.approx((weight * values).mean(), rel=1e-5)


def test_components_add_up():
    """The weighted components are the loss, with weights and masks of any kind."""
    y, p = RNG.normal(size=(2, 4, 5, 2)).astype("float32")
    loss = make()
    element = RNG.uniform(size=(4, 5)).astype("float32")
    for weight in (None, 2.0, element[:, 0], element):
        for mask in (None, element > 0.3):
            pred = ops.convert_to_tensor(p)
            if mask is not None:
                pred._keras_mask = ops.convert_to_tensor(mask)
            components = floats(loss.components(y, pred, weight))
            total = sum(WEIGHTS[name] * components[name] for name in WEIGHTS)
            assert float(loss(y, pred, weight)) == pytest.approx(total, rel=1e-5)


def test_per_sample_terms():
    """Each term has one value per sample; element weights count as they do in training."""
    found = floats(make().per_sample_terms(Y, P))
    for name, values in by_hand().items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5)
    doubled = floats(make().per_sample_terms(Y, P, np.full(Y.shape, 2.0, "float32")))
    for name, values in by_hand().items():
        np.testing.assert_allclose(doubled[name], 2 * values, rtol=1e-5)


def test_half_precision_model():
    """Under mixed precision the sum is computed in float32 from half-precision predictions."""
    loss = make()
    total = loss(Y, ops.cast(P, "float16"))
    assert keras.backend.standardize_dtype(total.dtype) == "float32"
    rounded = P.astype("float16").astype("float32")
    assert float(total) == pytest.approx(float(loss(Y, rounded)), rel=1e-6)
    assert keras.backend.standardize_dtype(make(dtype="float16")(Y, P).dtype) == "float16"


# --- weights and scales


def test_weights_default_to_one():
    """Without weights, every term counts once."""
    loss = make(weights=None)
    assert loss.weights == {"mse": 1.0, "under": 1.0, "boundary": 1.0}
    assert loss.effective_weights == loss.weights
    assert loss.scales is None


def test_views_cannot_be_written_through():
    """What the properties give are copies."""
    loss = make(scales={"mse": 2.0, "under": 1.0, "boundary": 1.0})
    for view in (loss.weights, loss.scales, loss.effective_weights, loss.terms):
        view.clear()
    assert len(loss.weights) == len(loss.scales) == len(loss.terms) == 3


BAD_WEIGHTS = [
    {"mse": -1.0, "under": 1.0, "boundary": 1.0},
    {"mse": math.nan, "under": 1.0, "boundary": 1.0},
    {"mse": math.inf, "under": 1.0, "boundary": 1.0},
    {"mse": 1e39, "under": 1.0, "boundary": 1.0},
    {"mse": True, "under": 1.0, "boundary": 1.0},
    {"mse": "1", "under": 1.0, "boundary": 1.0},
    {"mse": None, "under": 1.0, "boundary": 1.0},
    {"mse": 0.0, "under": 0.0, "boundary": 0.0},
    {"mse": 1.0, "under": 1.0},
    {"mse": 1.0, "under": 1.0, "boundary": 1.0, "other": 1.0},
    {"mse": 1.0, "under": 1.0, "Boundary": 1.0},
    [1.0, 1.0, 1.0],
    1.0,
]


@pytest.mark.parametrize("weights", BAD_WEIGHTS, ids=str)
def test_bad_weights(weights):
    """At both doors, and the second leaves the weights as they were."""
    with pytest.raises(WeightError, match="Expected"):
        make(weights=weights)
    loss = make()
    before = float(loss(Y, P))
    with pytest.raises(WeightError, match="Expected"):
        loss.set_weights(weights)
    assert loss.weights == WEIGHTS
    assert float(loss(Y, P)) == before


def test_a_single_zero_is_allowed():
    """A term of weight zero adds nothing and stays a component."""
    loss = make(weights={"mse": 1.0, "under": 0.0, "boundary": 0.0})
    assert float(loss(Y, P)) == pytest.approx(by_hand()["mse"].mean(), rel=1e-5)
    assert float(loss.components(Y, P)["under"]) > 0


def test_explicit_scales():
    """What multiplies a term is its weight over its scale; both are kept."""
    scales = {"boundary": 4.0, "mse": 2.0, "under": 0.5}
    loss = make(scales=scales)
    assert loss.weights == WEIGHTS
    assert loss.scales == scales
    assert loss.effective_weights == {"mse": 0.5, "under": 1.0, "boundary": 0.05}
    plain = make(weights=loss.effective_weights)
    assert float(loss(Y, P)) == float(plain(Y, P))
    loss.set_weights({"mse": 4.0, "under": 0.0, "boundary": 0.0})
    assert loss.effective_weights == {"mse": 2.0, "under": 0.0, "boundary": 0.0}
    assert float(loss(Y, P)) == pytest.approx(2 * by_hand()["mse"].mean(), rel=1e-5)


@pytest.mark.parametrize(
    "scales",
    [
        {"mse": 1.0, "under": 1.0},
        {"mse": 0.0, "under": 1.0, "boundary": 1.0},
        {"mse": -1.0, "under": 1.0, "boundary": 1.0},
        {"mse": math.nan, "under": 1.0, "boundary": 1.0},
        {"mse": "1", "under": 1.0, "boundary": 1.0},
        "datum",
        3.0,
    ],
    ids=str,
)
def test_bad_scales(scales):
    """Scales that nothing can be divided by, or that miss a term, are refused."""
    with pytest.raises(WeightError, match=r"Expected .*scale"):
        make(scales=scales)


def test_scale_too_small_for_its_weight():
    """A quotient that float32 cannot hold is refused, not trained with."""
    with pytest.raises(WeightError, match="'mse'"):
        make(scales={"mse": 1e-39, "under": 1.0, "boundary": 1.0}, weights=dict(WEIGHTS, mse=10.0))


def test_scales_from_data():
    """Before `adapt` the loss says what to do; after it, every term of a constant counts alike."""
    loss = make(scales="data", weights={"mse": 1.0, "under": 1.0, "boundary": 1.0})
    for use in (lambda: loss(Y, P), lambda: loss.effective_weights):
        with pytest.raises(TermError, match=r"loss.adapt\(y_train\)"):
            use()
    assert loss.scales is None
    loss.set_weights({"mse": 2.0, "under": 1.0, "boundary": 1.0})
    floats(loss.components(Y, P))  # magnitudes need no scale

    loss.adapt(Y)
    constant = np.full_like(Y, Y.mean())
    means = floats(loss.components(Y, constant))
    assert loss.scales == pytest.approx(means)
    assert float(loss(Y, constant)) == pytest.approx(4.0, rel=1e-5)
    assert loss.weights["mse"] == 2.0


def test_adapt_again_and_in_vain():
    """Scales follow new data; a loss without scales has nothing to adapt."""
    loss = CombinedLoss({"mse": "mse"}, scales="data")
    loss.adapt([[0.0], [2.0]])
    loss.adapt([[0.0], [4.0]])
    assert loss.scales == {"mse": 4.0}
    assert loss.effective_weights == {"mse": 0.25}
    with pytest.raises(TermError, match="scales='data'"):
        make().adapt(Y)


def test_scales_that_the_weights_cannot_be_divided_by():
    """If the data's scales make a weight overflow, the loss stays as it was."""
    loss = CombinedLoss({"mse": "mse"}, {"mse": 1e10}, scales="data")
    with pytest.raises(WeightError, match="'mse'"):
        loss.adapt([[0.0], [1e-15]])
    with pytest.raises(TermError, match="adapt"):
        loss(Y, P)


def test_a_term_without_scale_is_refused_by_name():
    """Smoothness costs a constant nothing: no scale, and the loss stays as it was."""
    loss = CombinedLoss({"mse": "mse", "tv": TotalVariation(axes=1)}, scales="data")
    with pytest.raises(WeightError, match=r"'tv'.*Found 0.0.*scales=\{...\}"):
        loss.adapt(Y)
    with pytest.raises(TermError, match="adapt"):
        loss(Y, P)


# --- what it refuses


def test_bad_terms():
    """No terms, names that are none, and terms that are none."""
    for terms in ({}, None, "mse", ["mse", "mae"]):
        with pytest.raises(TermError, match="Expected a mapping"):
            CombinedLoss(terms)
    for name in ("", "a/b", "../x", "with space", "é"):
        with pytest.raises(InvalidName, match="term name"):
            CombinedLoss({name: "mse"})
    with pytest.raises(TermError, match="'both'"):
        CombinedLoss({"both": ["mse", "mae"]})


def test_scalar_terms_are_refused_at_the_first_call():
    """A term that returns one number for the batch is refused by name, in training too."""
    loss = CombinedLoss({"mse": "mse", "flat": lambda y, p: ops.mean(ops.square(y - p))})
    with pytest.raises(TermError, match=r"'flat'.*one value per sample.*Found shape \(\)"):
        loss(Y, P)
    with pytest.raises(TermError, match="'flat'"):
        loss.components(Y, P)
    with pytest.raises(TermError, match="'flat'"):
        linear_model(loss).fit(np.ones((6, 3)), Y, verbose=0)


def test_axes_that_do_not_fit_name_the_term():
    """An error inside a term says which term it was."""
    loss = CombinedLoss({"mse": "mse", "shape": Boundary(axes=(1, 2))})
    with pytest.raises(TermError, match=r"The term 'shape': .*\(6, 8\)"):
        loss(Y, P)


# --- inside Keras


@on_tensorflow
def test_new_weights_count_from_the_next_step_without_a_trace():
    """`set_weights` between two steps changes the second, and nothing is traced again."""
    traces = []

    def counting(y_true, y_pred):
        traces.append(1)
        return ops.square(y_true - y_pred)

    loss = CombinedLoss({"mse": counting, "mae": "mae"}, {"mse": 1.0, "mae": 0.0})
    x, y = np.ones((6, 3), "float32"), np.full((6, 8), 2.0, "float32")
    model = linear_model(loss, keras.optimizers.SGD(0.0), kernel_initializer="zeros")
    assert model.train_on_batch(x, y) == pytest.approx(4.0)
    traced = len(traces)
    loss.set_weights({"mse": 0.5, "mae": 3.0})
    assert model.train_on_batch(x, y) == pytest.approx(0.5 * 4.0 + 3.0 * 2.0)
    assert len(traces) == traced == 1


@on_tensorflow
def test_new_weights_count_within_an_epoch():
    """A callback that sets the weights after each batch is obeyed by the next one."""
    loss = CombinedLoss({"mse": "mse", "mae": "mae"}, {"mse": 0.5, "mae": 3.0})

    class Reweigh(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            loss.set_weights({"mse": 0.0, "mae": float(batch + 1)})

    x, y = np.ones((6, 3), "float32"), np.full((6, 8), 2.0, "float32")
    model = linear_model(loss, keras.optimizers.SGD(0.0), kernel_initializer="zeros")
    history = model.fit(x, y, batch_size=2, shuffle=False, verbose=0, callbacks=[Reweigh()])
    # Batches are weighted by (0.5, 3), (0, 1) and (0, 2).
    assert history.history["loss"][0] == pytest.approx((8.0 + 2.0 + 4.0) / 3)


def test_new_weights_where_the_backend_compiles_them_in():
    """On JAX a compiled step keeps its weights: `set_weights` warns, a new compile obeys."""
    if keras.backend.backend() != "jax":
        pytest.skip("only JAX compiles variables in")
    loss = CombinedLoss({"mse": "mse"}, {"mse": 1.0})
    x, y = np.ones((6, 3), "float32"), np.full((6, 8), 2.0, "float32")
    model = linear_model(loss, keras.optimizers.SGD(0.0), kernel_initializer="zeros")
    loss.set_weights({"mse": 2.0})
    assert model.train_on_batch(x, y) == pytest.approx(8.0)
    with pytest.warns(UserWarning, match="compile"):
        loss.set_weights({"mse": 3.0})
    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    assert model.train_on_batch(x, y) == pytest.approx(12.0)


def test_trains_as_the_same_sum_by_hand():
    """A few epochs with the combined loss and with one function by hand end alike."""

    def hand(y, p):
        e = y - p
        return (
            ops.mean(ops.square(e), axis=1)
            + 0.5 * ops.mean(2 * ops.relu(e), axis=1)
            + 0.2 * ops.mean(ops.abs(e[:, 1:] - e[:, :-1]), axis=1)
        )

    x, y = RNG.normal(size=(40, 3)).astype("float32"), RNG.normal(size=(40, 8)).astype("float32")
    ends = []
    for loss in (make(), hand):
        keras.utils.set_random_seed(3)
        model = linear_model(loss, keras.optimizers.Adam(0.05))
        model.fit(x, y, epochs=4, batch_size=16, verbose=0)
        ends.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-6)


def test_partial_last_batches_make_no_difference():
    """Evaluated in batches that do not divide the data, the loss is that of the whole set."""
    x, y = RNG.normal(size=(10, 3)).astype("float32"), RNG.normal(size=(10, 8)).astype("float32")
    model = linear_model(make())
    whole = model.evaluate(x, y, batch_size=10, verbose=0)
    assert model.evaluate(x, y, batch_size=4, verbose=0) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies(again):
    """A copy is the same loss with weights of its own, also while it waits for data."""
    loss = make(scales={"mse": 2.0, "under": 1.0, "boundary": 1.0}, name="mine")
    copied = again(loss)
    assert float(copied(Y, P)) == float(loss(Y, P))
    assert (copied.name, copied.scales) == ("mine", loss.scales)
    copied.set_weights({"mse": 5.0, "under": 0.0, "boundary": 0.0})
    assert loss.weights == WEIGHTS
    with pytest.raises(TermError, match="adapt"):
        again(make(scales="data"))(Y, P)


def test_config_round_trip():
    """The config is JSON and keeps terms, weights, scales and Keras' arguments."""
    scales = {"mse": 2.0, "under": 1.0, "boundary": 3.0}
    for options in ({}, {"scales": scales}, {"scales": "data"}):
        loss = make(name="mine", reduction="sum", dtype="float16", **options)
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
        again = keras.saving.deserialize_keras_object(config)
        assert again.get_config() == loss.get_config()
        assert (again.name, again.reduction, again.dtype) == ("mine", "sum", "float16")
        assert (again.weights, again.scales) == (loss.weights, loss.scales)
        if options.get("scales") != "data":
            assert float(again(Y, P)) == float(loss(Y, P))


def test_saved_model_keeps_the_loss(tmp_path):
    """A loaded model has the loss with the weights that were last set, and trains on alike."""
    loss = make()
    model = linear_model(loss, "adam")
    x = RNG.normal(size=(6, 3)).astype("float32")
    loss.set_weights({"mse": 0.25, "under": 2.0, "boundary": 0.0})
    model.fit(x, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss.weights == loss.weights
    assert loaded.evaluate(x, Y, verbose=0) == pytest.approx(model.evaluate(x, Y, verbose=0))


def test_cloned_model_has_weights_of_its_own():
    """A clone copies the compiled loss, not its variables."""
    loss = make()
    clone = keras.models.clone_model(linear_model(loss))
    assert clone.loss is not loss
    assert clone.loss.weights == WEIGHTS
    clone.loss.set_weights({"mse": 9.0, "under": 0.0, "boundary": 0.0})
    assert loss.weights == WEIGHTS


def plain_function(y_true, y_pred):
    """A user's loss that is not registered with Keras."""
    return ops.square(y_true - y_pred)


def test_saved_model_with_a_function(tmp_path):
    """A function is found again in ``custom_objects``; without, Keras names what it lacks."""
    model = linear_model(CombinedLoss({"own": plain_function, "mae": "mae"}))
    x = np.ones((6, 3), "float32")
    model.save(tmp_path / "model.keras")
    with pytest.raises(TypeError, match="plain_function"):
        keras.models.load_model(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={"plain_function": plain_function}
    )
    assert loaded.evaluate(x, Y, verbose=0) == pytest.approx(model.evaluate(x, Y, verbose=0))
    assert keras.models.load_model(tmp_path / "model.keras", compile=False) is not None


def test_saved_model_with_a_lambda(tmp_path):
    """A lambda is saved with Keras' warning and loaded only with ``safe_mode=False``."""
    model = linear_model(CombinedLoss({"own": lambda y, p: ops.square(y - p)}))
    with pytest.warns(UserWarning, match="lambda"):
        model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="safe_mode=False"):
        keras.models.load_model(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras", compile=False) is not None


# --- several outputs


def two_outputs(loss, optimizer="sgd"):
    """A model with outputs named "depth" and "mask"."""
    inputs = keras.layers.Input((3,))
    hidden = keras.layers.Dense(5, activation="tanh")(inputs)
    depth = keras.layers.Dense(1, name="depth")(hidden)
    mask = keras.layers.Dense(4, activation="sigmoid", name="mask")(hidden)
    model = keras.Model(inputs, {"depth": depth, "mask": mask})
    model.compile(optimizer, loss=loss)
    return model


def two_output_loss():
    """Three terms on two outputs."""
    return CombinedLoss(
        {
            "mse": on("depth", "mse"),
            "under": on("depth", Underestimation()),
            "dice": on("mask", Dice()),
        },
        {"mse": 1.0, "under": 0.5, "dice": 2.0},
    )


X2 = RNG.normal(size=(6, 3)).astype("float32")
Y2 = {
    "depth": RNG.normal(size=(6, 1)).astype("float32"),
    "mask": (RNG.uniform(size=(6, 4)) < 0.5).astype("float32"),
}


def test_two_outputs_train_on_their_sum():
    """Compiled by output, Keras' total is the weighted sum of all components."""
    loss = two_output_loss()
    model = two_outputs(loss.by_output())
    predictions = model.predict(X2, verbose=0)
    means = floats(loss.components(Y2, predictions))
    total = means["mse"] + 0.5 * means["under"] + 2.0 * means["dice"]
    assert model.evaluate(X2, Y2, verbose=0, return_dict=True)["loss"] == pytest.approx(
        total, rel=1e-5
    )
    assert float(loss(Y2, predictions)) == pytest.approx(total, rel=1e-5)
    per_sample = floats(loss.per_sample_terms(Y2, predictions))
    assert {name: values.shape for name, values in per_sample.items()} == dict.fromkeys(means, (6,))
    assert {name: values.mean() for name, values in per_sample.items()} == pytest.approx(means)
    before = [w.copy() for w in model.get_weights()]
    model.fit(X2, Y2, verbose=0)
    assert all(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))


def test_two_outputs_with_sample_weights():
    """Weights for all, or by output, count in training as they do in components."""
    loss = two_output_loss()
    model = two_outputs(loss.by_output())
    predictions = model.predict(X2, verbose=0)
    one = RNG.uniform(size=6).astype("float32")
    by_name = {"depth": one, "mask": np.arange(6, dtype="float32")}
    for weight in (one, by_name):
        means = floats(loss.components(Y2, predictions, weight))
        total = means["mse"] + 0.5 * means["under"] + 2.0 * means["dice"]
        assert float(loss(Y2, predictions, weight)) == pytest.approx(total, rel=1e-5)
        given = dict.fromkeys(by_name, one) if weight is one else by_name
        measured = model.evaluate(X2, Y2, sample_weight=given, verbose=0, return_dict=True)
        assert measured["loss"] == pytest.approx(total, rel=1e-5)


@on_tensorflow
def test_two_outputs_share_the_weights():
    """`set_weights` on the whole acts on every output at once."""
    loss = two_output_loss()
    model = two_outputs(loss.by_output(), keras.optimizers.SGD(0.0))
    model.train_on_batch(X2, Y2)
    loss.set_weights({"mse": 0.0, "under": 0.0, "dice": 3.0})
    dice = float(loss.components(Y2, model.predict(X2, verbose=0))["dice"])
    assert model.train_on_batch(X2, Y2, return_dict=True)["loss"] == pytest.approx(
        3 * dice, rel=1e-5
    )


def test_two_outputs_saved(tmp_path):
    """After loading, the losses of the outputs still share one set of weights."""
    model = two_outputs(two_output_loss().by_output())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(X2, Y2, verbose=0) == pytest.approx(model.evaluate(X2, Y2, verbose=0))
    depth, mask = loaded.loss["depth"], loaded.loss["mask"]
    assert isinstance(depth, OutputLoss)
    assert depth.loss is mask.loss


def test_outputs_in_a_list_and_one_unread():
    """Models with a list of outputs, and outputs that no term reads, compile as well."""
    inputs = keras.layers.Input((3,))
    outputs = [keras.layers.Dense(1, name=name)(inputs) for name in ("depth", "extra")]
    model = keras.Model(inputs, outputs)
    loss = CombinedLoss({"mse": on("depth", "mse")})
    model.compile("sgd", loss=loss.by_output(model.output_names))
    targets = [Y2["depth"], Y2["depth"]]
    expected = np.mean((Y2["depth"] - model.predict(X2, verbose=0)[0]) ** 2)
    assert model.evaluate(X2, targets, verbose=0, return_dict=True)["loss"] == pytest.approx(
        expected, rel=1e-5
    )


def test_several_outputs_misused():
    """The whole loss compiled as it is, unknown outputs and terms without one are explained."""
    with pytest.raises(TermError, match="by_output"):
        two_outputs(two_output_loss()).fit(X2, Y2, verbose=0)
    with pytest.raises(TermError, match=r"Found terms on \['depth', 'mask'\], outputs \['depth'\]"):
        two_output_loss().by_output(["depth"])
    with pytest.raises(TermError, match=r"lw\.terms\.on"):
        make().by_output()


def test_two_outputs_with_scales_from_data():
    """Each output's terms are scaled by their own targets."""
    loss = CombinedLoss({"a": on("depth", "mse"), "b": on("mask", "mse")}, scales="data")
    loss.adapt(Y2)
    assert loss.scales["a"] == pytest.approx(np.var(Y2["depth"]), rel=1e-5)
    assert loss.scales["b"] == pytest.approx(np.mean(np.var(Y2["mask"], axis=0)), rel=1e-5)


def test_errors_are_ours():
    """Everything refused above can be caught as one family."""
    assert issubclass(TermError, LossweightsError)
    assert issubclass(WeightError, ValueError)
