"""Losses that models add themselves, under a name: terms with a weight of their own, everywhere."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossweights as lw
from lossweights.base.errors import ModelError, TermError
from lossweights.data import Data
from lossweights.training import Adaptive, FitTrainer, Member, SerialTrainer, StackedTrainer
from lossweights.training.problem import rehearse

from .parity import SEED, assert_same, problem, train

RNG = np.random.default_rng(11)
X = RNG.normal(size=(40, 4)).astype("float32")
WEIGHT = RNG.uniform(0.2, 2.0, 40).astype("float32")
PLAIN = {"mse": "mse"}
TERMS = {"mse": "mse", "kl": lw.terms.added("kl")}
BETA = 0.3


@keras.saving.register_keras_serializable(package="tests")
class Latent(layers.Layer):
    """Two numbers a sample; what they cost is added by a layer within, or without a name."""

    def __init__(self, beta=None, **layer):
        super().__init__(**layer)
        self.beta, self.dense = beta, layers.Dense(2)
        self.added = lw.terms.AddedLoss("kl")

    def build(self, shape):
        """Builds what is within."""
        self.dense.build(shape)
        super().build(shape)

    def call(self, x):
        """Two numbers for each row of ``x``."""
        z = self.dense(x)
        cost = ops.sum(ops.square(z), axis=-1)
        if self.beta is None:
            return self.added(z, cost)
        self.add_loss(self.beta * ops.mean(cost))
        return z

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "beta": self.beta}


def build_model(beta=None, decay=0.01):
    """An autoencoder that adds a loss by name, or without one times ``beta``; and a regulariser."""
    kernel = keras.regularizers.L2(decay) if decay else None
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, "tanh", kernel_regularizer=kernel), Latent(beta),
         layers.Dense(4)]
    )  # fmt: skip


def functional():
    """The same as a graph of layers, of which the one that adds is one, and without regulariser."""
    x = keras.Input((4,))
    z = layers.Dense(2)(layers.Dense(6, "tanh")(x))
    z = lw.terms.AddedLoss("kl")(z, ops.sum(ops.square(z), axis=-1))
    return keras.Model(x, layers.Dense(4)(z))


def fresh(build=build_model, *given):
    """A new model from the same seed as every other."""
    keras.utils.set_random_seed(3)
    return build(*given)


def cost_of(model, x=X):
    """What the model adds for each sample, in NumPy."""
    first, latent = model.layers[0], model.layers[1]
    hidden = np.tanh(x @ first.get_weights()[0] + first.get_weights()[1])
    z = hidden @ latent.get_weights()[0] + latent.get_weights()[1]
    return np.sum(z**2, axis=-1)


def decay_of(model):
    """What the regulariser adds."""
    return 0.01 * np.sum(model.layers[0].get_weights()[0] ** 2)


def squares(model, x=X):
    """The squared error of each sample."""
    return np.mean((x - model.predict(x, verbose=0)) ** 2, axis=-1)


def test_a_named_loss_has_a_weight_in_plain_keras():
    """`fit` trains as if the layer added its loss times the weight, and samples weigh it."""
    named, plain = fresh(), fresh(build_model, BETA)
    loss = lw.CombinedLoss(TERMS, {"mse": 1.0, "kl": BETA})
    named.compile(keras.optimizers.SGD(0.1), loss=loss)
    plain.compile(keras.optimizers.SGD(0.1), loss="mse")
    for model in (named, plain):
        model.fit(X, X, batch_size=16, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(named.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    expected = np.mean(WEIGHT * (squares(named) + BETA * cost_of(named))) + decay_of(named)
    found = named.evaluate(X, X, sample_weight=WEIGHT, batch_size=40, verbose=0)
    assert found == pytest.approx(expected, rel=1e-5)
    loss.set_weights({"mse": 1.0, "kl": 0.0})  # with no new trace
    found = named.evaluate(X, X, batch_size=40, verbose=0)
    assert found == pytest.approx(np.mean(squares(named)) + decay_of(named), rel=1e-5)


def test_a_named_loss_without_its_term_counts_as_keras_counts_it():
    """Under another loss the model adds it with weight 1; watched, it is the part `model`."""
    model = fresh()
    model.compile("sgd", loss=lw.CombinedLoss(PLAIN))
    expected = np.mean(squares(model) + cost_of(model)) + decay_of(model)
    assert model.evaluate(X, X, batch_size=40, verbose=0) == pytest.approx(expected, rel=1e-5)
    monitor = lw.TermMonitor(model.loss, probe=(X, X))
    model.fit(X, X, epochs=1, batch_size=40, verbose=0, callbacks=[monitor])
    expected = np.mean(cost_of(model)) + decay_of(model)
    assert monitor.reports[-1].train["model"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("build", [build_model, functional])
def test_a_saved_model_keeps_its_named_loss(build, tmp_path):
    """Loaded by Keras alone it trains on as the one that was saved."""
    model = fresh(build)
    model.compile("sgd", loss=lw.CombinedLoss(TERMS, {"mse": 1.0, "kl": BETA}))
    model.fit(X, X, epochs=1, batch_size=40, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    for each in (model, loaded):
        each.fit(X, X, epochs=2, batch_size=40, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_weight_set_compiles_a_model_with_a_named_loss():
    """The set of a sweep, read elsewhere, builds the term again."""
    described = {
        name: lw.terms.describe(term) for name, term in lw.CombinedLoss(TERMS).terms.items()
    }
    made = lw.WeightSet({"mse": 2.0, "kl": BETA}, terms=described)
    weights, model = lw.WeightSet.parse(made.to_json().encode()), fresh()
    weights.compile(model, "sgd")
    expected = np.mean(2 * squares(model) + BETA * cost_of(model)) + decay_of(model)
    assert model.evaluate(X, X, batch_size=40, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_named_loss_is_watched_as_a_term():
    """A monitor tells its magnitude, gradient and share; the part `model` is what is left."""
    model = fresh()
    loss = lw.CombinedLoss(TERMS, {"mse": 1.0, "kl": BETA})
    model.compile("sgd", loss=loss)
    monitor = lw.TermMonitor(loss, probe=(X, X), gradients="parameters")
    model.fit(X, X, epochs=2, batch_size=8, verbose=0, callbacks=[monitor])
    last = monitor.reports[-1]
    expected = {"mse": np.mean(squares(model)), "kl": np.mean(cost_of(model)),
                "model": decay_of(model)}  # fmt: skip
    assert last.train == pytest.approx(expected, rel=1e-5)
    gram = next(report.gram for report in monitor.reports if report.gram)
    assert gram["kl"]["kl"] > 0
    assert gram["kl"]["mse"] != 0
    assert "kl" in str(monitor.verdict)


METHODS = [lw.adaptive.GradNorm(), lw.adaptive.Uncertainty(learned=True)]
UNITS = {"mse": 1.0, "kl": 1.0}
MEMBERS = [
    *(Member({"mse": 1.0, "kl": w}, SEED) for w in (0.0, 0.3, 4.0)),
    *(Member({"mse": 1.0, "kl": 0.3}, SEED, Adaptive(method, UNITS)) for method in METHODS),
]


@pytest.mark.parametrize("trainer", ["stacked", "serial"])
@pytest.mark.parametrize("build", [build_model, functional])
def test_every_trainer_weighs_a_named_loss(build, trainer):
    """Stacked and serial training give what `fit` gives, rows weighted and the last batch small."""
    made = problem(build, terms=TERMS)
    given = Data((X, X, WEIGHT), (X[:11], X[:11]))
    fit = FitTrainer(made, given)
    expected = train(fit, MEMBERS)
    make = SerialTrainer if trainer == "serial" else lambda *g: StackedTrainer(*g, size=8)
    assert_same(train(make(made, given), MEMBERS), expected)
    last, parts = expected[-1].reports[-1], {"mse", "kl", "model"}
    assert set(last.train) == parts - ({"model"} if build is functional else set())
    assert expected[2].reports[-1].val["kl"] < expected[0].reports[-1].val["kl"]
    if build is build_model:
        assert last.train["kl"] == pytest.approx(np.mean(WEIGHT * cost_of(fit.model)), rel=1e-5)


def test_a_named_loss_beside_several_outputs():
    """It is a term beside those that name their outputs, in fit and in a stack."""

    def build():
        x = keras.Input((4,))
        z = layers.Dense(2)(x)
        z = lw.terms.AddedLoss("kl")(z, ops.sum(ops.square(z), axis=-1))
        return keras.Model(x, {name: layers.Dense(1, name=name)(z) for name in ("a", "b")})

    y = {"a": X[:, :1], "b": X[:, 1:2]}
    terms = {n: lw.terms.on(n, "mse") for n in y} | {"kl": lw.terms.added("kl")}
    metrics = {"rmse": lw.metrics.on("a", lw.metrics.RMSE())}
    made, given = problem(build, terms=terms, metrics=metrics), Data((X, y), (X, y))
    members = [Member({"a": 1.0, "b": 0.5, "kl": w}, SEED) for w in (0.1, 2.0)]
    expected = train(FitTrainer(made, given), members)
    assert_same(train(StackedTrainer(made, given, size=2), members), expected)


def test_scales_of_named_losses_are_one():
    """The targets say nothing of what a model adds: its weight is in its own units."""
    scales = lw.reference_scales(TERMS, [[1.0], [3.0], [5.0]])
    assert scales == pytest.approx({"mse": 8 / 3, "kl": 1.0})


def test_a_term_that_the_model_does_not_add_is_refused_at_the_start():
    """The error names what it adds, in a sweep's trainers and in a monitor."""
    terms = {"mse": "mse", "prior": lw.terms.added("prior")}
    loss, model = lw.CombinedLoss(terms), fresh()
    says = r"'prior'.*Found \['kl'\]"
    with pytest.raises(ModelError, match=says):
        lw.plan(loss, model, X, X)
    with pytest.raises(ModelError, match=says):
        rehearse(problem(build_model, terms=terms), Data((X, X), (X, X)), SEED)
    model.compile("sgd", loss=loss)
    with pytest.raises(ModelError, match=says):
        model.fit(X, X, verbose=0, callbacks=[lw.TermMonitor(loss, probe=(X, X))])
    with pytest.raises(TermError, match="Found nothing under that name"):
        model.fit(X, X, verbose=0)


def test_a_named_loss_is_added_once_and_by_sample():
    """One number for the batch, two of one name, two calls, and no call are refused."""
    z, cost = ops.ones((2, 3)), ops.ones((2,))
    added = lw.terms.AddedLoss("kl")
    with pytest.raises(TermError, match="one number for the whole batch"):
        added(z, ops.mean(cost))
    with pytest.raises(TermError, match="added once"):
        keras.Sequential([layers.Lambda(lambda x: added(added(x, cost), cost))])(z)
    with pytest.raises(TermError, match="Found nothing under that name"):
        lw.terms.added("nowhere")(z, z)

    def build():
        x = keras.Input((3,))
        twice = lw.terms.AddedLoss("kl")(lw.terms.AddedLoss("kl")(x, x), x)
        return keras.Model(x, layers.Dense(3)(twice))

    model = build()
    model.compile("sgd", loss=lw.CombinedLoss(TERMS))
    with pytest.raises(TermError, match="Found 2 AddedLoss"):
        model.fit(X[:, :3], X[:, :3], verbose=0)


def test_the_page_on_terms_without_a_target_runs():
    """Its blocks, one after the other, as somebody types them."""
    page = Path(__file__).parents[2] / "docs" / "no_target.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    names = {}
    exec("\n".join(blocks), names)
    assert set(names["monitor"].reports[-1].train) == {"mse", "kl"}
    assert np.isfinite(
        names["two"].evaluate(
            names["data"], {"image": names["data"], "kl": np.zeros(64)}, verbose=0
        )
    ).all()


def test_jax_says_why_it_refuses_a_named_loss(monkeypatch):
    """There Keras counts what a model adds before it computes the loss."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(TermError, match="make the values an output of the model"):
        lw.terms.added("kl").per_sample(X, X)
