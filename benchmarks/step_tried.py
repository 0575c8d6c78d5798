"""What was tried to make a training step of a stack faster, on one core; see `docs/training.md`.

    taskset -c 1 python benchmarks/step_tried.py --members 32

Parts: ``products`` of bike demand, those of XLA against TensorFlow's own; ``adam``, the kernel on
whole variables against blocks of members and against XLA; ``bias``, whole steps in which the
gradients of biases are summed in other ways. All in turns; medians, microseconds a member.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "sweeps"))

import bike_demand
import keras
import tensorflow as tf
from step_trace import in_turns, loop, ready

from lossweights.foreign.keras_names import set_call
from lossweights.training import StackedTrainer, _stacked

STEPS, TURNS, ROWS = 40, 7, 64
LAYERS = ((192, 64), (64, 64), (64, 24))  # inputs and units
Step = Callable[[tf.Tensor], tf.Tensor]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=32)
    parser.add_argument("--parts", nargs="+", default=["products", "adam", "bias"])
    options = parser.parse_args()
    members = options.members
    parts = {"products": products, "adam": adam, "bias": biases}
    for part in options.parts:
        print(f"{part}, {members} members:")
        for name, seconds in in_turns(parts[part](members), STEPS, TURNS).items():
            print(f"  {name:<52}{1e6 * seconds / members:8.2f} us{rate(name, seconds, members)}")


def rate(name: str, seconds: float, members: int) -> str:
    """The GFLOP/s of a product, from the sizes that its name begins with."""
    if " x " not in name:
        return ""
    rows, inputs, units = (int(size) for size in name.split(",")[0].split(" x "))
    return f"{2e-9 * members * rows * inputs * units / seconds:8.1f} GFLOP/s"


def products(members: int) -> dict[str, Any]:
    """Each product of a step, by XLA and by TensorFlow."""
    ways = {}
    for inputs, units in LAYERS:
        shared = inputs == LAYERS[0][0]
        x = tf.random.normal((ROWS, inputs) if shared else (members, ROWS, inputs))
        kernel = tf.random.normal((inputs, members * units) if shared else (members, inputs, units))
        error = tf.random.normal((ROWS, members * units) if shared else (members, ROWS, units))
        cases = {"forward": (x, kernel, {}), "kernel": (x, error, {"transpose_a": True})}
        if not shared:
            cases["inputs"] = (error, kernel, {"transpose_b": True})
        for case, (a, b, how) in cases.items():

            def product(a: Any, b: Any, how: Any = how) -> tf.Tensor:
                return tf.matmul(a, b, **how)

            compiled = tf.function(product, autograph=False, jit_compile=True)
            for compiler, function in (("XLA", compiled), ("TensorFlow", product)):

                def step(index: tf.Tensor, f: Any = function, a: Any = a, b: Any = b) -> tf.Tensor:
                    return tf.reshape(f(a + 1e-9 * tf.cast(index, tf.float32), b), [-1])[0]

                ways[f"{ROWS} x {inputs} x {units}, {case}, {compiler}"] = loop(step)
    return ways


def adam(members: int) -> dict[str, Any]:
    """Ways to apply Adam to all variables of a stack."""
    return {
        "Adam's kernel": loop(kernels(members, members)),
        "in blocks of 8 members": loop(kernels(members, 8)),
        "in blocks of 4 members": loop(kernels(members, 4)),
        "XLA, assigned behind it": loop(under_xla(members, inside=False)),
        "XLA, assigned in it": loop(under_xla(members, inside=True)),
    }


def slots(members: int) -> list[tuple[tf.Variable, tf.Variable, tf.Variable, tf.Tensor]]:
    """Variables, first and second moments, and gradients."""
    shapes = [shape for layer in LAYERS for shape in (layer, layer[1:])]
    return [
        (
            tf.Variable(tf.random.normal((members, *shape))),
            tf.Variable(tf.zeros((members, *shape))),
            tf.Variable(tf.zeros((members, *shape))),
            tf.random.normal((members, *shape)),
        )
        for shape in shapes
    ]


def kernels(members: int, block: int) -> Step:
    """TensorFlow's kernel on so many members at once."""
    blocks = [slot for _ in range(members // block) for slot in slots(block)]

    def step(index: tf.Tensor) -> tf.Tensor:
        time = tf.cast(index + 1, tf.float32)
        for var, m, v, gradient in blocks:
            tf.raw_ops.ResourceApplyAdam(
                var=var.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=tf.pow(0.9, time),
                beta2_power=tf.pow(0.999, time),
                lr=1e-3,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-7,
                grad=gradient,
            )
        return tf.constant(0.0)

    return step


def under_xla(members: int, *, inside: bool) -> Step:
    """The same as a graph that XLA compiles."""
    all_slots = slots(members)

    def moved(var: Any, m: Any, v: Any, gradient: Any, rate: Any) -> Any:
        m = m + (gradient - m) * 0.1
        v = v + (gradient * gradient - v) * 0.001
        return var - m * rate / (tf.sqrt(v) + 1e-7), m, v

    def assign(slot: Any, values: Any) -> None:
        for variable, value in zip(slot[:3], values, strict=True):
            variable.assign(value)

    @tf.function(autograph=False, jit_compile=True)
    def assigned(rate: tf.Tensor) -> None:
        for slot in all_slots:
            assign(slot, moved(*slot, rate))

    @tf.function(autograph=False, jit_compile=True)
    def computed(values: Any, rate: tf.Tensor) -> Any:
        return [moved(*each, rate) for each in values]

    def step(index: tf.Tensor) -> tf.Tensor:
        time = tf.cast(index + 1, tf.float32)
        rate = 1e-3 * tf.sqrt(1 - tf.pow(0.999, time)) / (1 - tf.pow(0.9, time))
        if inside:
            assigned(rate)
        else:
            read = [[tf.convert_to_tensor(value) for value in slot] for slot in all_slots]
            for slot, values in zip(all_slots, computed(read, rate), strict=True):
                assign(slot, values)
        return tf.constant(0.0)

    return step


def biases(members: int) -> dict[str, Any]:
    """Whole steps of bike demand, with ways to sum the gradients of biases."""
    sums = {
        "as TensorFlow does": None,
        "products with ones": lambda up: tf.matmul(tf.ones((1, up.shape[0])), up)[0],
        "products of each member": lambda up: tf.matmul(
            tf.ones_like(up[:, :1]), up, transpose_a=True
        )[0],
        "halves": halved,
        "none": lambda up: up[0],
    }
    return {name: whole_step(members, function) for name, function in sums.items()}


def halved(up: tf.Tensor) -> tf.Tensor:
    """A sum over rows, half and half."""
    while up.shape[0] > 1 and up.shape[0] % 2 == 0:
        up = up[: up.shape[0] // 2] + up[up.shape[0] // 2 :]
    return tf.reduce_sum(up, 0)


def whole_step(members: int, sum_rows: Callable[[Any], Any] | None) -> Callable[[int], Any]:
    """So many steps of a stack whose layers sum the gradients of their biases in this way."""

    @tf.custom_gradient
    def add(x: Any, bias: Any) -> Any:
        return tf.nn.bias_add(x, bias), lambda up: (up, sum_rows(up))

    def change(model: keras.Model) -> None:
        for layer in model.layers if sum_rows else ():
            if type(layer) is keras.layers.Dense:

                def call(inputs: Any, layer: Any = layer, **_: Any) -> Any:
                    outputs = add(inputs @ layer.kernel, tf.convert_to_tensor(layer.bias))
                    return outputs if layer.activation is None else layer.activation(outputs)

                set_call(layer, call)

    sweep = bike_demand.sweep
    with (
        patch.object(_stacked, "vectorize_convolutions", change),
        patch.object(_stacked, "check_parity", lambda *_: None),
    ):
        trainer = StackedTrainer(sweep.problem, sweep.load_data(), size=members)
        stack = ready(trainer)
    source = trainer._placed.train.sample(STEPS)
    return lambda steps: stack.train_epoch(source, steps)


if __name__ == "__main__":
    main()
