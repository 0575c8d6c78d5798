"""A sweep of seconds: two terms, a few dozen rows, two epochs, one layer."""

import os

import keras
import numpy as np

import lossweights as lw


def load_data():
    """A noisy line in three parts; ``TINY_SHIFT`` in the environment moves its targets."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3))
    y = x @ [[1.0], [-2.0], [0.5]] + 2 + 0.3 * rng.normal(size=(60, 1))
    y += float(os.environ.get("TINY_SHIFT", "0"))
    return lw.Data(train=(x[:36], y[:36]), val=(x[36:48], y[36:48]), test=(x[48:], y[48:]))


def build_model():
    """One layer with a little dropout, so that random states matter."""
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.1), keras.layers.Dense(1)],
    )


def arguments(**changes):
    """The arguments of the sweep, with some changed."""
    return {
        "name": "tiny",
        "build_model": build_model,
        "load_data": load_data,
        "terms": {"mse": "mse", "under": lw.terms.Underestimation()},
        "space": {"mse": lw.Fixed(1.0), "under": lw.LogUniform(0.01, 100.0)},
        "metrics": {"rmse": lw.metrics.RMSE(), "shortfall": lw.metrics.Shortfall()},
        "objectives": {"rmse": "minimize", "shortfall": "minimize"},
        "optimizer": keras.optimizers.SGD(0.05),
        "epochs": 2,
        "batch_size": 16,
        "baselines": "none",
        **changes,
    }


sweep = lw.Sweep(**arguments())

if __name__ == "__main__":
    sweep.main()
