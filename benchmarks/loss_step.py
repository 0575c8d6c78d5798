"""What a training step costs with a `CombinedLoss`, against the same arithmetic in one function.

Two equal models train side by side on one batch, in short blocks that alternate, so that whatever
else the machine does falls on both. Printed is the ratio of the medians; wanted is at most 1.03.

    python benchmarks/loss_step.py
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import lossweights as lw

WANTED = 1.03
WEIGHTS = {"mse": 1.0, "under": 0.5, "boundary": 0.2}


def combined() -> lw.CombinedLoss:
    """Three terms of three families, as a user writes them."""
    return lw.CombinedLoss(
        terms={
            "mse": "mse",
            "under": lw.terms.Underestimation(),
            "boundary": lw.terms.Boundary(axes=1),
        },
        weights=WEIGHTS,
    )


def by_hand(y_true: Any, y_pred: Any) -> Any:
    """The same sum, with its weights as constants."""
    error = y_true - y_pred
    mse = ops.mean(ops.square(error), axis=-1)
    under = ops.mean(2.0 * ops.relu(error), axis=-1)
    boundary = ops.mean(ops.abs(error[:, 1:] - error[:, :-1]), axis=-1)
    return WEIGHTS["mse"] * mse + WEIGHTS["under"] * under + WEIGHTS["boundary"] * boundary


def training_step(loss: Any, batch_size: int) -> Callable[[], Any]:
    """One step of ``fit``, compiled: 192 inputs, two layers of 64, 24 outputs, Adam."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((192,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(24),
        ]
    )
    model.compile("adam", loss=loss)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batch_size, 192)), rng.normal(size=(batch_size, 24))
    data = tf.data.Dataset.from_tensors((x.astype("float32"), y.astype("float32"))).cache().repeat()
    iterator = iter(data)
    model.make_train_function()
    return lambda: model.train_function(iterator)


def measure(steps: list[Callable[[], Any]], blocks: int, block: int) -> list[list[float]]:
    """Seconds a step of each of ``steps``, one number for each block."""
    seconds: list[list[float]] = [[] for _ in steps]
    for step in steps:
        for _ in range(block):  # traces and warms up
            step()
    for turn in range(blocks):
        order = range(len(steps)) if turn % 2 == 0 else reversed(range(len(steps)))
        for index in order:
            start = time.perf_counter()
            for _ in range(block):
                steps[index]()
            seconds[index].append((time.perf_counter() - start) / block)
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--block", type=int, default=50, help="steps in a block")
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()
    steps = [training_step(loss, options.batch_size) for loss in (combined(), by_hand)]
    ours, hand = (statistics.median(s) for s in measure(steps, options.blocks, options.block))
    print(f"CombinedLoss {ours * 1e6:.1f} us a step, by hand {hand * 1e6:.1f} us a step")
    print(f"ratio of medians {ours / hand:.3f}, wanted at most {WANTED}")


if __name__ == "__main__":
    main()
