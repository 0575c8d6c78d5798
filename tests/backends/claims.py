"""What the table of backends in `docs/coming_from.md` claims, row by row, as code that tries it.

Each claim raises where it does not hold. It is tried with a model that is compiled as Keras does by
itself, and with one that runs eagerly.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import lossweights as lw

DATA = Path(__file__).parents[1] / "data"
X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 2).astype("float32")
MASKS = (np.random.default_rng(1).uniform(size=(8, 6, 6, 1)) < 0.5).astype("float32")

CLAIMS: dict[str, Callable[[bool], None]] = {}


def claim(row: str) -> Callable[[Any], Any]:
    """Name the row of the table that a function tries."""

    def keep(function: Callable[[bool], None]) -> Callable[[bool], None]:
        CLAIMS[row] = function
        return function

    return keep


def a_loss(under: float = 0.5) -> lw.CombinedLoss:
    """A loss of two terms."""
    terms = {"mse": "mse", "under": lw.terms.Underestimation()}
    return lw.CombinedLoss(terms=terms, weights={"mse": 1.0, "under": under})


def a_model(loss: Any, eager: bool, rate: float = 0.0, **options: Any) -> keras.Model:
    """A model of one layer, compiled; at a rate of 0 it stays as it is."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), loss=loss, run_eagerly=eager, **options)
    return model


def trained_on(model: keras.Model, **options: Any) -> float:
    """The loss that an epoch of training tells."""
    return float(model.fit(X, Y, batch_size=24, verbose=0, **options).history["loss"][-1])


def expected(model: keras.Model, under: float = 0.5) -> float:
    """What `a_loss` is of a model, by NumPy."""
    e = Y - model.predict(X, verbose=0)
    return float(np.mean(e**2) + under * 2.0 * np.mean(np.maximum(e, 0.0)))


def close(found: float, wanted: float) -> None:
    """Equal to rounding."""
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def measured(metric: Any, x: Any, y: Any, model: keras.Model) -> None:
    """A metric that a model was compiled with is what it is on the predictions."""
    model.fit(x, y, batch_size=5, verbose=0)
    logs = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    close(logs[metric.name], metric.evaluate(y, model.predict(x, verbose=0)))


@claim("`lw.terms`, `lw.CombinedLoss`: `compile`, `fit`, `evaluate`, sample weights")
def losses(eager: bool) -> None:
    """Of equal weights for the samples, which change nothing."""
    model = a_model(a_loss(), eager)
    close(trained_on(model), expected(model))
    close(trained_on(model, sample_weight=np.full(24, 2.0, "float32")), 2 * expected(model))
    model = a_model(a_loss(), eager, rate=0.05)
    assert trained_on(model, epochs=5) < trained_on(a_model(a_loss(), eager))


@claim("models with several outputs: `lw.terms.on`")
def outputs(eager: bool) -> None:
    """A term of one output, and one between both."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    both = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")}
    model = keras.Model(inputs, both)
    order = lw.terms.on(
        ("a", "b"), lambda y, p: keras.ops.mean(keras.ops.relu(p["a"] - p["b"]), axis=-1)
    )
    loss = lw.CombinedLoss({"mse": lw.terms.on("a", "mse"), "order": order})
    model.compile(
        keras.optimizers.SGD(0.0), loss=loss.by_output(model.output_names), run_eagerly=eager
    )
    found = model.fit(X, {"a": Y, "b": Y}, batch_size=24, verbose=0).history["loss"][-1]
    p = model.predict(X, verbose=0)
    close(found, np.mean((Y - p["a"]) ** 2) + np.mean(np.maximum(p["a"] - p["b"], 0.0)))


@claim("models saved with loss and metrics, and loaded")
def saved(eager: bool) -> None:
    """The loaded one has the weights, and its loss is the same."""
    model = a_model(a_loss(0.25), eager, metrics=[lw.metrics.RMSE()])
    trained_on(model)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        again = keras.models.load_model(Path(folder) / "model.keras")
    assert again.loss.weights == {"mse": 1.0, "under": 0.25}
    close(again.evaluate(X, Y, verbose=0)[0], expected(model, 0.25))


@claim("`loss.set_weights` between two calls of `fit`, without compiling again")
def set_weights(eager: bool) -> None:
    """The second training counts the new weights."""
    loss = a_loss()
    model = a_model(loss, eager)
    trained_on(model)
    loss.set_weights({"mse": 1.0, "under": 3.0})
    close(trained_on(model), expected(model, 3.0))


@claim("`lw.metrics` in `compile`: sums over samples, such as `RMSE` or `Dice`")
def sums(eager: bool) -> None:
    """Of all batches together."""
    rmse = lw.metrics.RMSE()
    measured(rmse, X, Y, a_model("mse", eager, rate=0.01, metrics=[rmse]))


@claim("those that SciPy measures, such as `HD95`")
def on_host(eager: bool) -> None:
    """Outside of graphs and compiled code."""
    metric = lw.metrics.HD95(empty_distance=20.0)
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6, 6, 1)), keras.layers.Conv2D(1, 3, padding="same")]
    model = keras.Sequential([*layers, keras.layers.Activation("sigmoid")])
    model.compile("sgd", "mse", metrics=[metric], run_eagerly=eager)
    measured(metric, MASKS, MASKS, model)


@claim("those of all rows at once, such as `AUC`")
def whole(eager: bool) -> None:
    """A ranking of probabilities."""
    keras.utils.set_random_seed(0)
    metric = lw.metrics.AUC()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "mse", metrics=[metric], run_eagerly=eager)
    measured(metric, X, (Y > 2).astype("float32"), model)


@claim("`lw.TermMonitor(loss, probe=..., gradients=None)`")
def monitor(eager: bool) -> None:
    """Magnitudes of every epoch, and a verdict."""
    loss = a_loss()
    watch = lw.TermMonitor(loss, probe=(X, Y), gradients=None)
    model = a_model(loss, eager, rate=0.05)
    trained_on(model, epochs=3, callbacks=[watch])
    close(watch.history["magnitude/mse"].iloc[-1], expected(model, 0.0))
    assert str(watch.verdict)


@claim("weights that change in training: `lw.adaptive.ramps`; `DWA`, `SoftAdapt`, `ReLoBRaLo`")
def moving(eager: bool) -> None:
    """The training counts those of its epoch."""
    loss = a_loss(3.0)
    model = a_model(loss, eager)
    ramps = lw.adaptive.ramps(loss, {"under": lw.Ramp(1.0, epochs=2)})
    found = model.fit(X, Y, epochs=3, batch_size=24, verbose=0, callbacks=[ramps]).history["loss"]
    for seen, under in zip(found, (0.0, 1.5, 3.0), strict=True):
        close(seen, expected(model, under))
    for method in (lw.adaptive.DWA(), lw.adaptive.SoftAdapt(), lw.adaptive.ReLoBRaLo()):
        loss = a_loss(1.0)
        schedule = lw.adaptive.schedule(loss, method, probe=(X, Y))
        trained_on(a_model(loss, eager, rate=0.05), epochs=3, callbacks=[schedule])
        np.testing.assert_allclose(sum(loss.weights.values()), 2.0, rtol=1e-6)


@claim("weight sets: `lw.load`, `weights.loss()`, `weights.compile(model)`")
def weight_sets(eager: bool) -> None:
    """One of an earlier version."""
    weights = lw.load(DATA / "weight_set_2.json")
    model = a_model(weights.loss({"under": lw.terms.Underestimation()}), eager)
    close(trained_on(model), expected(model, 0.25))
    weights.compile(model, keras.optimizers.SGD(0.0), terms={"under": "mae"}, run_eagerly=eager)
    trained_on(model)


@claim("gradients of terms: `lw.plan`, `TermMonitor` with them, `GradNorm`, `EnCodec`")
def gradients(eager: bool) -> None:
    """Shares of gradients, and a look before a sweep."""
    loss = a_loss()
    lw.TermMonitor(loss, probe=(X, Y), gradients="parameters")
    lw.adaptive.schedule(loss, lw.adaptive.GradNorm(), probe=(X, Y))
    assert list(lw.plan(loss, a_model(loss, eager, rate=0.05), X, Y).space) == ["mse", "under"]


def build_model() -> keras.Model:
    """The model of the sweep."""
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def load_data() -> lw.Data:
    """The data of the sweep."""
    return lw.Data(train=(X[:16], Y[:16]), val=(X[16:], Y[16:]))


@claim("`lw.Sweep`: its trainers and workers")
def sweep(eager: bool) -> None:
    """Of two trials."""
    made = lw.Sweep(
        name="backends",
        build_model=build_model,
        load_data=load_data,
        terms={"mse": "mse", "under": lw.terms.Underestimation()},
        space={"mse": lw.Fixed(1.0), "under": lw.LogUniform(0.1, 10.0)},
        metrics={"rmse": lw.metrics.RMSE()},
        objectives={"rmse": "minimize"},
        epochs=1,
    )
    options = {"trainer": "fit", "workers": 0, "confirm": 0, "baselines": "none"}
    with tempfile.TemporaryDirectory() as root:
        result = made.run(2, root=root, tracking=False, quiet=True, **options)
    assert len(result.trials) == 2
