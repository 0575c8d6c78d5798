"""Scales leave the balance between the terms and the model's own losses as it is: ridge."""

import keras
import numpy as np
import pytest
from keras import layers

import lossweights as lw

RNG = np.random.default_rng(5)
X = RNG.normal(size=(80, 3)).astype("float32")
Y = (1000 + X @ [[900.0], [-500.0], [200.0]] + RNG.normal(0, 3, (80, 1))).astype("float32")
PENALTY = 1e-3


def ridge(weight):
    """Root mean square error of the best linear model under ``weight * mse + PENALTY |w|^2``."""
    x, y = X - X.mean(axis=0), Y - Y.mean()
    a = weight * x.T @ x / len(x) + PENALTY * np.eye(3)
    w = np.linalg.solve(a, weight * x.T @ y / len(x))
    return float(np.sqrt(np.mean((y - x @ w) ** 2)))


def build_model():
    """A linear model that starts at the mean of the targets."""
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(1, kernel_regularizer=keras.regularizers.L2(PENALTY),
                         bias_initializer=keras.initializers.Constant(float(Y.mean()))),
        ]
    )  # fmt: skip


def load_data():
    """The same rows for training and validation."""
    return lw.Data(train=(X, Y), val=(X, Y))


def three_times(y_true, y_pred):
    """Three times squared error: another term in the same direction."""
    return 3 * keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize("relative", [1.0, 0.25])
def test_a_sweep_by_data_trains_to_the_ridge_of_plain_weights(tmp_path, relative):
    """With targets about 1000, a small penalty stays small: 2.9, where divided terms gave 1000.

    Both terms at ``relative`` are together ``relative`` times what they are without scales.
    """
    sweep = lw.Sweep(
        name="ridge",
        build_model=build_model,
        load_data=load_data,
        terms={"mse": "mse", "triple": three_times},
        space={
            "mse": lw.Fixed(relative),
            "triple": lw.LogUniform(0.999 * relative, relative),  # one has to be searched
        },
        metrics={"rmse": lw.metrics.RMSE()},
        objectives={"rmse": "minimize"},
        optimizer=keras.optimizers.SGD(0.05 / relative),
        epochs=60,
        batch_size=80,
    )
    result = sweep.run(trials=1, root=tmp_path, trainer="serial", quiet=True, confirm=0)
    expected = ridge(4 * relative)
    assert result.trials["rmse"][0] == pytest.approx(expected, rel=0.02)
    assert expected < 4 < 900 < ridge(4 * relative / Y.var())
    assert sum(result.scales.values()) == pytest.approx(2.0)


def test_adapting_can_keep_the_size():
    """``adapt(keep_size=True)`` balances the terms, and their sum keeps the size of no scales."""
    loss = lw.CombinedLoss({"mse": "mse", "mae": "mae"}, scales="data")
    loss.adapt(Y, keep_size=True)
    constant = np.full_like(Y, Y.mean())
    parts = {n: float(v) for n, v in loss.components(Y, constant).items()}
    weighted = {n: loss.effective_weights[n] * v for n, v in parts.items()}
    assert sum(weighted.values()) == pytest.approx(sum(parts.values()), rel=1e-3)
    assert weighted["mse"] == pytest.approx(weighted["mae"], rel=0.02)  # mae's best is the median


def test_the_monitor_warns_of_a_changed_balance(caplog):
    """Terms divided by their scales beside a penalty that is not: told, with the remedy."""
    loss = lw.CombinedLoss({"mse": "mse"}, scales="data")
    loss.adapt(Y)
    model = build_model()
    model.compile("sgd", loss=loss)
    model.fit(X, Y, verbose=0, callbacks=[lw.TermMonitor(loss, probe=(X, Y), gradients=None)])
    assert "keep_size=True" in caplog.text
    caplog.clear()
    loss.adapt(Y, keep_size=True)
    model.fit(X, Y, verbose=0, callbacks=[lw.TermMonitor(loss, probe=(X, Y), gradients=None)])
    assert caplog.text == ""
