"""How the cost of a trial grows: with trials, stacks, parameters, rows, terms, objectives, epochs.

    python benchmarks/scaling.py                          # all, half an hour on 2 cores
    python benchmarks/scaling.py trials rows --small      # some, and small ones

Sweeps are real, with everything on: MLflow, study, result files, importance, report, winner. Where
training is not the point their model is a line through three numbers, so that most of the time is
the sweep's own. A trial's cost is counted between the first stack and the last result; what comes
after, once a sweep, stands beside. Where training is the point a trainer is timed alone, without a
sweep; the second of two trainings, since the first one compiles.

Of each row the last column is the exponent from the row above: the logarithm of the ratio of the
costs, over that of the sizes. Where one is linear in the size, the cost of a trial has exponent 0
with trials and members, and 1 with what a trial does more of.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

import lossweights as lw
from lossweights.data import Data
from lossweights.results.folder import read_manifest
from lossweights.sweep import _telemetry as telemetry
from lossweights.terms import as_term
from lossweights.training import Member, StackedTrainer
from lossweights.training.problem import Problem

TERMS = {
    "mse": "mse",
    "under": lw.terms.Underestimation(),
    "boundary": lw.terms.Boundary(axes=1),
    "mae": "mae",
    "log_cosh": "log_cosh",
    "huber": "huber",
    "pinball": lw.terms.Pinball(0.9),
    "expectile": lw.terms.Expectile(0.9),
}
METRICS = {"rmse": lw.metrics.RMSE(), "shortfall": lw.metrics.Shortfall(), "mae": lw.metrics.MAE()}
MEMBERS, TURNS = 16, 3
TRIALS = 256  # of sweeps in which something else grows


@dataclass(frozen=True)
class Cost:
    """What a trial costs, in seconds, and what is done once a sweep after the last."""

    trial: float
    end: float | None = None


@dataclass(frozen=True)
class Axis:
    """What grows, through which sizes, and how the cost at one is measured."""

    sizes: Sequence[int]
    small: Sequence[int]
    measure: Callable[[int], Cost]
    note: str


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("axes", nargs="*", default=list(AXES), metavar="AXIS", help=", ".join(AXES))
    parser.add_argument("--small", action="store_true", help="few and small sizes: does it run?")
    options = parser.parse_args()
    print("| what | size | ms a trial | s at the end | exponent |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache  # what is timed of this machine is forgotten again
        of_sweep(trials=32)  # imports, and what else a process does once
        for name in options.axes:
            axis = AXES[name]
            before: tuple[int, Cost] | None = None
            for size in axis.small if options.small else axis.sizes:
                cost = axis.measure(size)
                print(row(f"{name}: {axis.note}", size, cost, before), flush=True)
                before = size, cost


def row(what: str, size: int, cost: Cost, before: tuple[int, Cost] | None) -> str:
    """A row of the table.

    >>> row("rows", 20, Cost(0.2), (10, Cost(0.1)))
    '| rows | 20 | 200 | | 1.00 |'
    """
    grown = "" if before is None else f"{exponent(size, cost.trial, *before):.2f} "
    if before is not None and cost.end is not None and before[1].end is not None:
        grown += f"(end {exponent(size, cost.end, before[0], Cost(before[1].end)):.2f}) "
    end = "" if cost.end is None else f"{cost.end:.2f} "
    return f"| {what} | {size:,} | {1000 * cost.trial:.3g} | {end}| {grown}|"


def exponent(size: int, cost: float, smaller: int, before: Cost) -> float:
    """The power of the size by which the cost has grown."""
    return math.log(cost / before.trial) / math.log(size / smaller)


# Sweeps in which training is little.


def line() -> keras.Model:
    """Three numbers in, four out."""
    return keras.Sequential([keras.Input((3,)), layers.Dense(4)])


def points() -> Data:
    """128 of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 3)).astype("float32")
    y = (x @ rng.normal(size=(3, 4)) + rng.gumbel(size=(128, 4))).astype("float32")
    return Data(train=(x[:64], y[:64]), val=(x[64:], y[64:]))


def of_sweep(trials: int = TRIALS, terms: int = 3, objectives: int = 2, epochs: int = 3) -> Cost:
    """What a trial costs in a sweep of so many."""
    ended: list[float] = []

    class Watch(telemetry.StatusBoard):
        """Notes when the result of a trial is safe."""

        def trial_ended(self, finished):
            ended.append(time.perf_counter())
            super().trial_ended(finished)

    board, telemetry.StatusBoard = telemetry.StatusBoard, Watch
    names = list(TERMS)[:terms]
    sweep = lw.Sweep(
        name="scaling",
        build_model=line,
        load_data=points,
        terms={name: TERMS[name] for name in names},
        space={name: lw.LogUniform(1e-2, 1e2) if name != "mse" else 1.0 for name in names},
        metrics=METRICS,
        objectives=dict.fromkeys(list(METRICS)[:objectives], "minimize"),
        epochs=epochs,
        batch_size=64,
    )
    try:
        with tempfile.TemporaryDirectory() as root:
            sweep.run(
                trials,
                root=root,
                workers=0,
                quiet=True,
                confirm=0,
                baselines="none",
                trainer="stacked",
            )
            over = time.perf_counter()
            first = read_manifest(Path(root), sweep.name)["choice"]["made"]["members"]
    finally:
        telemetry.StatusBoard = board
    return Cost((ended[-1] - ended[first - 1]) / (trials - first), over - ended[-1])


# A trainer alone.


def of_stack(
    members: int = MEMBERS, width: int = 64, rows: int = 4096, terms: int = 3, epochs: int = 2
) -> Cost:
    """What a member of a stack costs: two epochs, with all that is measured."""
    problem = Problem(
        build_model=partial(perceptron, width),
        terms={name: as_term(TERMS[name], name) for name in list(TERMS)[:terms]},
        metrics={"rmse": METRICS["rmse"], "shortfall": METRICS["shortfall"]},
        epochs=epochs,
        batch_size=64,
    )
    trainer = StackedTrainer(problem, table(rows), size=members)
    weights = [dict.fromkeys(problem.terms, 1.0 + place / members) for place in range(members)]
    seconds = []
    for _ in range(1 + TURNS):
        started = time.perf_counter()
        trainer.train([Member(each, seed=0) for each in weights], lambda *_: True)
        seconds.append(time.perf_counter() - started)
    return Cost(statistics.median(seconds[1:]) / members)


def perceptron(width: int) -> keras.Model:
    """Two layers of that width between 192 numbers and 24."""
    dense = [layers.Dense(width, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((192,)), *dense, layers.Dense(24)])


def table(rows: int) -> Data:
    """So many rows to train on, and a fourth of them for validation."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows + rows // 4, 192)).astype("float32")
    y = x[:, :24] + rng.normal(size=(len(x), 24)).astype("float32")
    return Data(train=(x[:rows], y[:rows]), val=(x[rows:], y[rows:]))


def of_parameters(parameters: int) -> Cost:
    """As `of_stack`, with the width that gives about so many."""
    # width ** 2 + (192 + 24 + 2) * width + 24 parameters
    width = max(round((math.sqrt(218**2 + 4 * (parameters - 24)) - 218) / 2), 1)
    members = max(1, min(MEMBERS, 2_000_000 // parameters))
    return of_stack(members, width, rows=1024)


AXES = {
    "trials": Axis(
        (64, 256, 1024, 4096, 8192), (64, 128), of_sweep, "a sweep of a line, everything on"
    ),
    "objectives": Axis((1, 2, 3), (1, 2), lambda n: of_sweep(objectives=n), f"{TRIALS} trials"),
    "epochs": Axis(
        (4, 16, 64, 256), (2, 4), lambda n: of_sweep(trials=64, epochs=n), "64 trials of a line"
    ),
    "searched terms": Axis(
        (2, 4, 8), (2, 3), lambda n: of_sweep(terms=n), f"{TRIALS} trials of a line"
    ),
    "members": Axis(
        (1, 4, 16, 64, 256, 1024), (1, 4), of_stack, "of a stack, two epochs of 4,096 rows"
    ),
    "parameters": Axis(
        (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
        (1_000, 10_000),
        of_parameters,
        "two epochs of 1,024 rows, 16 members or fewer",
    ),
    "rows": Axis(
        (1_000, 10_000, 100_000, 400_000),
        (500, 1_000),
        lambda n: of_stack(rows=n),
        "two epochs, 16 members",
    ),
    "trained terms": Axis(
        (2, 4, 8), (2, 3), lambda n: of_stack(terms=n), "two epochs of 4,096 rows, 16 members"
    ),
    "trained epochs": Axis(
        (2, 8, 32), (1, 2), lambda n: of_stack(epochs=n), "of 4,096 rows, 16 members"
    ),
}


if __name__ == "__main__":
    main()
