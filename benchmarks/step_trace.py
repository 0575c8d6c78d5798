"""Where a training step of a stack goes, on one core, as a worker of a sweep has it.

    taskset -c 0 python benchmarks/step_trace.py                     # bike demand, 16 to 64 members
    taskset -c 0 python benchmarks/step_trace.py --events --members 32

Three tables, microseconds a member and step. *Pieces*: the whole step, and parts of it alone, in
turns, medians. *Measuring*: what reports cost beside the epochs of training. With ``--events``
what TensorFlow's profiler saw in one epoch, by kind of operation; tracing itself slows small ones.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import keras
import tensorflow as tf
from keras import tree

sys.path.insert(0, str(Path(__file__).parent / "speed"))
sys.path.insert(0, str(Path(__file__).parents[1] / "sweeps"))

from machine import matmul_rate, multiplications

from lossweights.training import StackedTrainer, _stack
from lossweights.training._schedule import gradient_epochs
from lossweights.training._stack import Stack
from lossweights.training._stacked_gradients import map_members
from lossweights.training._stacked_layout import Layout
from lossweights.training.problem import Problem

LONGEST = 16  # names of events that are shown
WHOLE, APART = "whole step", "whole step, kernels one after another"
Piece = Callable[[int], Any]
KINDS = {
    "products": r"dot|matmul|gemm|custom-call|convolution",
    "optimizer": r"ResourceApply|Assign",
    "rows": r"Gather|StridedSlice|Slice",
    "transposes": r"transpose|copy",
    "other loops of XLA": r"fusion|reduce|broadcast|kernel|select|add|multiply|wrapped",
    "variables and control": r"ReadVariable|While|Merge|Switch|NextIter|Enter|Exit|LoopCond",
}


def main() -> None:
    """Measure and print."""
    options = parse()
    sweep = importlib.import_module(options.problem).sweep
    problem, data = sweep.problem, sweep.load_data()
    one_term = replace(problem, terms=dict(list(problem.terms.items())[:1]))
    model = problem.make_model(0)
    rate = matmul_rate()
    needed = 2e-9 * problem.batch_size * products_of(model)
    print(f"one core: {rate:.0f} GFLOP/s of batched products; a step of a member needs "
          f"{1e3 * needed:.2f} MFLOP, {1e6 * needed / rate:.1f} us at that rate")  # fmt: skip
    for members in options.members:
        trainer = StackedTrainer(problem, data, size=members)
        stack = ready(trainer)
        others = ready(StackedTrainer(one_term, data, size=members))
        pieces = pieces_of(stack, trainer, others, model)
        with patch.object(_stack, "layout_of", one_after_another):
            apart = ready(StackedTrainer(problem, data, size=members))
        source = trainer._placed.train.sample(options.steps)
        pieces[APART] = lambda steps, stack=apart, source=source: stack.train_epoch(source, steps)
        seconds = in_turns(pieces, options.steps, options.turns)
        print(f"\n{members} members ({trainer.form}), us a member and step:")
        for name, each in seconds.items():
            print(f"  {name:<38}{1e6 * each / members:8.1f}")
        share = needed * members / seconds[WHOLE] / rate
        print(f"  products at the rate of batched products are {share:.0%} of the whole step")
        measuring(stack, problem, needed * members / rate, options.turns)
        if options.events:
            events(stack, trainer, options.steps)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", default="bike_demand", help="a script of sweeps/")
    parser.add_argument("--members", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--steps", type=int, default=40, help="of a turn")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--events", action="store_true", help="what the profiler saw, too")
    return parser.parse_args()


def products_of(model: keras.Model) -> int:
    """Multiplications that training needs for a row: the first layer's input has no gradient."""
    layers = kernels_of(model)
    return sum(multiplications(layer) * (2 if layer is layers[0] else 3) for layer in layers)


def kernels_of(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that multiply, in their order."""
    return [layer for layer in model.layers if hasattr(layer, "kernel")]


def ready(trainer: StackedTrainer) -> Stack:
    """The trainer's stack where fresh models start, each member with weights of its own."""
    stack, size = trainer._stack_of(trainer.capacity), trainer.capacity
    weights = [dict.fromkeys(stack._terms, 1.0 + place / size) for place in range(size)]
    stack.start([trainer._start(seed=0)] * size, weights)
    return stack


def pieces_of(
    stack: Stack, trainer: StackedTrainer, one_term: Stack, model: keras.Model
) -> dict[str, Piece]:
    """What is timed, by name; each takes a number of steps."""
    feed, size = trainer._placed.train, trainer._problem.batch_size
    source, batch = feed.sample(len(feed) // size), feed.first(size)
    slopes, _ = slopes_of(stack, batch)
    slopes = [tf.identity(slope) for slope in slopes]
    kernels = [tf.random.normal((stack.size, *layer.kernel.shape)) for layer in kernels_of(model)]
    error = tf.random.normal((stack.size, size, kernels[-1].shape[-1]))

    def apply(_: tf.Tensor) -> tf.Tensor:
        stack.variables.optimizer.apply(slopes, stack._gradients.indices)
        return tf.constant(0.0)

    def gradients(of: Stack) -> Callable[[tf.Tensor], tf.Tensor]:
        return lambda _: first_numbers(slopes_of(of, batch)[0])

    def chain(of: Callable[..., Any]) -> Callable[[tf.Tensor], tf.Tensor]:
        x = tf.convert_to_tensor(tree.flatten(batch[0])[0])

        def step(index: tf.Tensor) -> tf.Tensor:
            return first_numbers(of(x, kernels, error + 1e-9 * tf.cast(index, tf.float32)))

        return step

    def rows(index: tf.Tensor) -> tf.Tensor:
        return first_numbers(tree.flatten(feed.batch(source, index * size, size)))

    compiled = tf.function(products, autograph=False, jit_compile=True)
    return {
        WHOLE: lambda steps: stack.train_epoch(source, steps),
        "rows alone": loop(rows),
        "gradients alone": loop(gradients(stack)),
        "gradients of the first term alone": loop(gradients(one_term)),
        "optimizer alone": loop(apply),
        "dense products alone, XLA": loop(chain(compiled)),
        "dense products alone, no XLA": loop(chain(products)),
    }


def one_after_another(problem: Problem, model: keras.Model, *, one_batch: bool) -> Layout:
    """The layout in which no kernels lie side by side."""
    return Layout((False,) * len(model.trainable_variables))


def slopes_of(stack: Stack, batch: Any) -> Any:
    """The gradients as a step of the stack has them."""
    variables = stack.variables
    return stack._gradients(variables.as_they_lie, variables.state, variables.read, batch)


def products(x: tf.Tensor, kernels: list[tf.Tensor], error: tf.Tensor) -> list[tf.Tensor]:
    """The products of a forward and a backward pass through dense layers, and nothing else."""

    def one(values: Any) -> list[tf.Tensor]:
        kernels, error = values
        inputs = [x]
        for kernel in kernels[:-1]:
            inputs.append(tf.matmul(inputs[-1], kernel))
        last = tf.matmul(inputs[-1], kernels[-1])
        error, slopes = error + 1e-9 * last, []
        for given, kernel in zip(inputs[::-1], kernels[::-1], strict=True):
            slopes.append(tf.matmul(given, error, transpose_a=True))
            error = tf.matmul(error, kernel, transpose_b=True)
        return slopes

    return map_members(one, (kernels, error), error.shape[0])


def first_numbers(tensors: Any) -> tf.Tensor:
    """A number that depends on all of them, so that none is left out."""
    return tf.add_n([tf.cast(tf.reshape(t, [-1])[0], tf.float32) for t in tree.flatten(tensors)])


def loop(body: Callable[[tf.Tensor], tf.Tensor]) -> Piece:
    """So many steps of something in one graph."""

    @tf.function(autograph=False)
    def run(steps: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(
            lambda index, _: index < steps,
            lambda index, total: (index + 1, total + body(index)),
            (tf.constant(0), tf.constant(0.0)),
            parallel_iterations=1,
        )[1]

    return lambda steps: float(run(tf.constant(steps)))


def in_turns(pieces: Mapping[str, Piece], steps: int, turns: int) -> dict[str, float]:
    """Seconds of a step of each, medians; they take turns, since machines are noisy."""
    found: dict[str, list[float]] = defaultdict(list)
    for turn in range(turns + 1):
        for name, piece in pieces.items():
            started = time.perf_counter()
            piece(steps)
            if turn:  # the first one compiles
                found[name].append((time.perf_counter() - started) / steps)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def measuring(stack: Stack, problem: Problem, at_rate: float, turns: int) -> None:
    """Print what whole epochs cost, and reports beside them.

    Args:
        stack: The stack.
        problem: What is trained.
        at_rate: Seconds that the products of a step take at the rate of batched products.
        turns: How often each is timed.
    """
    feed, epochs = stack._placed.train, problem.epochs
    with_gradients = gradient_epochs(epochs)
    without = next(epoch for epoch in range(epochs) if epoch not in with_gradients)
    found = in_turns(
        {
            "epoch": lambda _: stack.train_epoch(feed.begin()([0], 1)),
            "report": lambda _: stack.measure(without),
            "with gradients": lambda _: stack.measure(min(with_gradients)),
        },
        1,
        turns,
    )
    products = at_rate * len(feed) / problem.batch_size
    training, reports = epochs * found["epoch"], (epochs + 1) * found["report"]
    gradients = len(with_gradients) * (found["with gradients"] - found["report"])
    print(
        f"  products at that rate are {products / found['epoch']:.0%} of an epoch, which takes "
        f"{1e3 * found['epoch'] / stack.size:.2f} ms a member; of {epochs} epochs magnitudes and "
        f"metrics take {reports / training:.1%}, gradients of terms {gradients / training:.1%}"
    )


def events(stack: Stack, trainer: StackedTrainer, steps: int) -> None:
    """Print what TensorFlow's profiler saw in some steps, and in a report."""
    source = trainer._placed.train.sample(steps)
    for title, times, call in (
        ("a step", steps, lambda: stack.train_epoch(source, steps)),
        ("a report", 1, lambda: stack.measure(1)),
    ):
        call()
        with tempfile.TemporaryDirectory() as folder:
            with tf.profiler.experimental.Profile(folder):
                call()
            (path,) = Path(folder).rglob("*.xplane.pb")
            own = own_times(path)
        kinds: dict[str, float] = defaultdict(float)
        for name, seconds in own.items():
            found = (kind for kind, form in KINDS.items() if re.search(form, name, re.IGNORECASE))
            kinds[next(found, "the rest")] += seconds
        for by, table in (("kind", kinds), ("name", own)):
            print(f"  {title} by {by}, us a member:")
            for name, seconds in sorted(table.items(), key=lambda item: -item[1])[:LONGEST]:
                print(f"    {name[-70:]:<72}{1e6 * seconds / times / stack.size:7.2f}")


def own_times(path: Path) -> dict[str, float]:
    """Seconds by name of event, without those of events inside it."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    own: dict[str, float] = defaultdict(float)
    for plane in space.planes:
        if not plane.name.startswith("/host:CPU"):
            continue
        for line in plane.lines:
            if line.name == "python":
                continue
            stack: list[tuple[int, str]] = []  # ends and names of what is going on
            for event in sorted(line.events, key=lambda e: (e.offset_ps, -e.duration_ps)):
                name = re.sub(r"[.\d]+$", "", plane.event_metadata[event.metadata_id].name)
                while stack and stack[-1][0] <= event.offset_ps:
                    stack.pop()
                if stack:
                    own[stack[-1][1]] -= event.duration_ps * 1e-12
                own[name] += event.duration_ps * 1e-12
                stack.append((event.offset_ps + event.duration_ps, name))
    return own


if __name__ == "__main__":
    main()
