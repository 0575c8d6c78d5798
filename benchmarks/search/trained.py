"""The problems that are trained: bike demand, masks of blobs, a regression with three objectives.

The masks are the middle of every second image of `sweeps/blob_masks.py`, which trains in a tenth of
the time, so that hundreds of searches can be compared. They are two problems: overlap and outline
hardly oppose each other, what is missed and what is found too much do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

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


def load_middles() -> lw.Data:
    """The middle 16 x 16 pixels of every second image."""
    import blob_masks

    middle = slice(8, 24)

    def middles(images: int, seed: int) -> tuple[np.ndarray, ...]:
        return tuple(part[::2, middle, middle] for part in blob_masks.draw(images, seed))

    return lw.Data(train=middles(320, seed=1), val=middles(96, seed=2))


def build_mask_model() -> object:
    """That of the blob masks, two convolutions of eight channels, for these images."""
    import keras

    return keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(2, 3, padding="same", activation="softmax"),
        ]
    )


def make_adam() -> object:
    """A rate at which eight epochs are enough."""
    import keras

    return keras.optimizers.Adam(1e-2)


def sweep_of_middles(**rest: Any) -> lw.Sweep:
    """A sweep of their model, with terms, space, metrics and objectives of its own."""
    return lw.Sweep(
        build_model=build_mask_model,
        load_data=load_middles,
        optimizer=make_adam(),
        epochs=8,
        batch_size=16,
        **rest,
    )


def blob_middles() -> lw.Sweep:
    """Cross-entropy, overlap and a boundary term, with the objectives of the blob masks."""
    import blob_masks

    whole = blob_masks.sweep
    return sweep_of_middles(
        name="blob-middles",
        terms={**whole.problem.terms, "dice": lw.terms.Dice()},  # as docs/search.md measured it
        space={
            "ce": lw.Fixed(1.0),
            "dice": lw.LogUniform(1e-2, 1e2),
            "boundary": lw.LogUniform(1e-2, 1e2),
        },
        metrics={"dice": lw.metrics.Dice(), "boundary_iou": lw.metrics.BoundaryIoU()},
        objectives=whole.objectives,
    )


def blob_errors() -> lw.Sweep:
    """Cross-entropy and a price for each kind of error, whose objectives oppose each other."""
    import keras

    return sweep_of_middles(
        name="blob-errors",
        terms={
            "ce": "categorical_crossentropy",
            "misses": lw.terms.Tversky(alpha=0.1, beta=0.9, ignore=0),
            "alarms": lw.terms.Tversky(alpha=0.9, beta=0.1, ignore=0),
        },
        space={
            "ce": lw.Fixed(1.0),
            "misses": lw.LogUniform(1e-2, 1e2),
            "alarms": lw.LogUniform(1e-2, 1e2),
        },
        metrics={
            "recall": lw.metrics.as_metric(keras.metrics.Recall(class_id=1)),
            "precision": lw.metrics.as_metric(keras.metrics.Precision(class_id=1)),
        },
        objectives={"recall": "maximize", "precision": "maximize"},
    )


def sweep(name: str) -> lw.Sweep:
    """The sweep of that name."""
    import bike_demand

    return {
        "bike-demand": lambda: bike_demand.sweep,
        "blob-middles": blob_middles,
        "blob-errors": blob_errors,
        "regression": regression,
    }[name]()


NAMES = ("bike-demand", "blob-middles", "blob-errors", "regression")
