"""What `TermMonitor` costs at its default settings, against a bare `model.fit`.

Two models: a multilayer perceptron on tables and a small convolutional net on images, each with
a loss of three terms. The same compiled model is fitted with and without the monitor in turns, so
that whatever else the machine does falls on both. Printed is the ratio of the medians of whole
calls of `fit`, the monitor's own compilation included; wanted is at most 1.05.

    python benchmarks/monitor_overhead.py
"""

import argparse
import os
import statistics
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

import lossweights as lw
from lossweights.watch.monitor import TermMonitor

WANTED = 1.05


def table_problem() -> tuple[keras.Model, lw.CombinedLoss, Any, Any]:
    """6,400 rows of 192 inputs and 24 outputs, two layers of 64."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6400, 192)).astype("float32")
    y = (x[:, :24] + rng.normal(size=(6400, 24))).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((192,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(24),
        ]
    )
    terms = {
        "mse": "mse",
        "under": lw.terms.Underestimation(),
        "boundary": lw.terms.Boundary(axes=1),
    }
    return model, lw.CombinedLoss(terms, {"mse": 1.0, "under": 0.5, "boundary": 0.2}), x, y


def image_problem() -> tuple[keras.Model, lw.CombinedLoss, Any, Any]:
    """2,048 images of 32 by 32 with masks to be found, four convolutions."""
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 16, (2, 2048, 1, 1))
    down, right = np.arange(32)[:, None] - corner[0], np.arange(32) - corner[1]
    y = ((down >= 0) & (down < 16) & (right >= 0) & (right < 16))[..., None].astype("float32")
    x = (y + rng.normal(size=y.shape)).astype("float32")
    model = keras.Sequential([keras.Input((32, 32, 1))])
    for _ in range(3):
        model.add(layers.Conv2D(16, 3, padding="same", activation="relu"))
    model.add(layers.Conv2D(1, 3, padding="same", activation="sigmoid"))
    terms = {
        "bce": "binary_crossentropy",
        "dice": lw.terms.Dice(),
        "boundary": lw.terms.Boundary(axes=(1, 2)),
    }
    return model, lw.CombinedLoss(terms, {"bce": 1.0, "dice": 0.5, "boundary": 0.2}), x, y


def measure(problem: Any, epochs: int, turns: int) -> tuple[float, TermMonitor]:
    """The ratio of the medians, and the monitor of the last turn."""
    model, loss, x, y = problem()
    model.compile("adam", loss=loss)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    monitor = TermMonitor(loss, probe=(x, y))
    model.fit(x, y, batch_size=64, epochs=1, verbose=0, callbacks=[monitor])  # traces, warms up
    for turn in range(turns):
        for watched in (False, True) if turn % 2 == 0 else (True, False):
            callbacks = [monitor] if watched else []
            start = time.perf_counter()
            model.fit(x, y, batch_size=64, epochs=epochs, verbose=0, callbacks=callbacks)
            seconds[watched].append(time.perf_counter() - start)
    bare, with_monitor = (statistics.median(seconds[watched]) for watched in (False, True))
    print(f"  bare {bare:.2f} s, watched {with_monitor:.2f} s, medians of {turns} calls of fit")
    return with_monitor / bare, monitor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7, help="calls of fit, with and without each")
    parser.add_argument("--epochs", type=int, default=40, help="of the perceptron; a fourth of it "
                        "for the convolutional net")  # fmt: skip
    options = parser.parse_args()
    for name, problem, epochs in (
        ("perceptron", table_problem, options.epochs),
        ("convolutional net", image_problem, max(1, options.epochs // 4)),
    ):
        print(f"{name}, {epochs} epochs:")
        ratio, monitor = measure(problem, epochs, options.turns)
        print(f"  ratio of medians {ratio:.3f}, wanted at most {WANTED}")
        print(f"  the monitor says: {monitor.overhead}")


if __name__ == "__main__":
    main()
