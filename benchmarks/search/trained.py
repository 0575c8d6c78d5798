"""The problems that are trained: two launch scripts, and a regression with three objectives."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "sweeps"))

import lossweights as lw

STEPS = 12


def load_data() -> lw.Data:
    """Series of 12 steps whose noise grows, and that have a bump now and then."""
    rng = np.random.default_rng(0)

    def draw(rows: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=(rows, 8))
        time = np.linspace(0.0, 1.0, STEPS)
        bump = (x[:, :1] > 0.5) * np.exp(-50.0 * (time - 0.5 - 0.2 * np.tanh(x[:, 1:2])) ** 2)
        level = x[:, 2:3] + 0.5 * x[:, 3:4] * time
        noise = np.exp(0.5 * x[:, 4:5]) * (0.2 + time) * rng.normal(size=(rows, STEPS))
        return x.astype("float32"), (level + 2.0 * bump + 0.5 * noise).astype("float32")

    return lw.Data(train=draw(1024), val=draw(512), test=draw(512))


def build_model() -> object:
    """Two layers of 32."""
    import keras

    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(STEPS),
        ]
    )


def regression() -> lw.Sweep:
    """Accuracy, what is missing, and ramps: three terms, and an objective for each."""
    return lw.Sweep(
        name="regression",
        build_model=build_model,
        load_data=load_data,
        terms={
            "mse": "mse",
            "under": lw.terms.Underestimation(),
            "boundary": lw.terms.Boundary(axes=1),
        },
        space={
            "mse": lw.Fixed(1.0),
            "under": lw.LogUniform(1e-2, 1e2),
            "boundary": lw.LogUniform(1e-2, 1e2),
        },
        metrics={
            "rmse": lw.metrics.RMSE(),
            "shortfall": lw.metrics.Shortfall(),
            "ramps": lw.metrics.EdgeRMSE(axes=1),
        },
        objectives={"rmse": "minimize", "shortfall": "minimize", "ramps": "minimize"},
        epochs=10,
    )


def sweep(name: str) -> lw.Sweep:
    """The sweep of that name."""
    if name == "regression":
        return regression()
    import bike_demand
    import blob_masks

    return {"bike-demand": bike_demand, "blob-masks": blob_masks}[name].sweep


NAMES = ("bike-demand", "blob-masks", "regression")
