"""Memory: many weight sets take that of one stack, and data that are read take none."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from lossweights.base.memory import held_bytes
from lossweights.data import Data
from lossweights.training import FitTrainer, Member, StackedTrainer
from lossweights.training._sizes import member_bytes

from .parity import SEED, problem, train

pytestmark = pytest.mark.slow

FEATURES, WIDTH, PLACES = 128, 256, 32


def wide():
    """A model of 100,000 parameters: a stack of it can be weighed."""
    hidden = [layers.Dense(WIDTH, activation="tanh") for _ in range(2)]
    return keras.Sequential([keras.Input((FEATURES,)), *hidden, layers.Dense(2)])


def most_memory(trainer, members):
    """The most memory that is held while members are trained, in bytes."""
    held = []
    results = train(trainer, members, lambda *_: held.append(held_bytes()) or True)
    assert all(result.outcome.name == "COMPLETE" for result in results)
    return max(held)


def test_512_weight_sets_take_the_memory_of_one_stack():
    """Of the twelve stacks after the first four not two are still held when all have been trained.

    Not after the very first: the allocator of each thread finds its size in the first few, and now
    and then one of them grows by half a stack or a whole one later. If stacks were kept, it would
    be twelve.
    """
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(128, FEATURES)), rng.normal(size=(128, 2)))
    made = problem(wide, epochs=1)
    trainer = StackedTrainer(made, Data(rows, rows), size=PLACES)
    members = [Member({"mse": 1.0, "log_cosh": w / 512}, SEED) for w in range(512)]
    few = most_memory(trainer, members[: 4 * PLACES])
    grown = most_memory(trainer, members) - few
    assert grown < 2 * PLACES * member_bytes(made.make_model(0), made.batch_size)


@pytest.mark.parametrize("make", [FitTrainer, lambda *given: StackedTrainer(*given, size=4)])
def test_a_stream_is_never_in_memory(make):
    """Training on half a gigabyte of rows holds less than a fifth of them."""
    batches, rows = 1024, 1024

    def batch(index):
        x = tf.random.stateless_uniform((rows, FEATURES), tf.stack([index, 0]))
        return x, tf.tanh(x[:, :2])

    dataset = tf.data.Dataset.range(batches).map(batch)
    size = batches * rows * (FEATURES + 2) * 4
    before = held_bytes()
    val = tuple(np.asarray(part) for part in batch(tf.constant(-1, tf.int64)))
    given = Data(train=dataset, val=val)
    assert len(given.train) == batches * rows
    made = problem(lambda: keras.Sequential([keras.Input((FEATURES,)), layers.Dense(2)]),
                   epochs=1, batch_size=4096)  # fmt: skip
    grown = most_memory(make(made, given), [Member({"mse": 1.0, "log_cosh": 1.0}, SEED)]) - before
    assert grown < size / 5


PLAIN = """
import resource
import keras, numpy as np
from script import build_model, load_data

data, model = load_data(), build_model()
model.compile("adam", loss="mse")
split = data.train
model.fit(split.x, split.y, batch_size=64, epochs=2, verbose=0,
          validation_data=(data.val.x, data.val.y))
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
SWEPT = """
import resource
from script import sweep

sweep.run(trials=3, workers=0, tracking=False, quiet=True)
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
SCRIPT = """
import keras, numpy as np
import lossweights as lw


def build_model():
    hidden = keras.layers.Dense(5000, activation="relu")  # 100 MB
    return keras.Sequential([keras.Input((5000,)), hidden, keras.layers.Dense(1)])


def load_data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 5000)).astype("float32")
    y = x[:, :1] + rng.normal(size=(128, 1)).astype("float32")
    return lw.Data(train=(x, y), val=(x[:32], y[:32]))


sweep = lw.Sweep(
    name="large", build_model=build_model, load_data=load_data,
    terms={"mse": "mse", "under": lw.terms.Underestimation()},
    space={"mse": lw.Fixed(1.0), "under": lw.LogUniform(1e-2, 1e2)},
    metrics={"rmse": lw.metrics.RMSE()}, objectives={"rmse": "minimize"},
    optimizer=keras.optimizers.Adam(1e-5), epochs=2, batch_size=64,
)
"""


def test_row_9_one_training_at_a_time_takes_at_most_twice_what_keras_takes(tmp_path):
    """With 100 MB of parameters: checks, choice, trials and winner, from start to end."""
    (tmp_path / "script.py").write_text(SCRIPT)
    peaks = []
    for code in (PLAIN, SWEPT):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.split("PEAK")[1]))
    assert peaks[1] <= 2 * peaks[0]
