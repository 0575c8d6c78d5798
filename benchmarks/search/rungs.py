"""What rungs save: hypervolume against the seconds that trials trained, with rungs and without.

    python benchmarks/search/rungs.py --trials 128 --seeds 10 bike_demand
    python benchmarks/search/rungs.py --trials 128 --seeds 10 few

Two problems. On `bike_demand` most trials are on the front, and may not stop. On `few` at most a
third is: its second objective hardly pulls away from the first, so that most weights are beaten.
Both kinds of sweep have the same seeds, and train one after another in this process. Told are the
training seconds after which either has a hypervolume that both get to, and the part that those with
rungs are of those without. Compiling is no part of them; it is once a process and size of a stack.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lossweights as lw

sys.path.insert(0, str(Path(__file__).parents[2] / "sweeps"))
sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))

import bike_demand
from quality import hypervolume

Points = NDArray[np.float64]  # (trials, objectives), smaller is better; NaN for what has no values


def load_data() -> lw.Data:
    """A smooth function of eight inputs, with noise and rare large errors of measurement."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3072, 8))
    y = np.sin(x[:, :4]).sum(axis=1, keepdims=True) + 0.3 * x[:, 4:5] * x[:, 5:6]
    y += 0.2 * rng.normal(size=y.shape) + 3.0 * (rng.uniform(size=y.shape) < 0.05)
    return lw.Data(train=(x[:2048], y[:2048]), val=(x[2048:], y[2048:]))


def build_model() -> Any:
    """Two layers of 64."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(1),
        ]
    )


def few() -> lw.Sweep:
    """Three terms and two objectives that nearly agree: the front is short."""
    return lw.Sweep(
        name="few",
        build_model=build_model,
        load_data=load_data,
        terms={"mae": "mae", "mse": "mse", "under": lw.terms.Underestimation()},
        space={
            "mae": lw.Fixed(1.0),
            "mse": lw.LogUniform(1e-2, 1e2),
            "under": lw.LogUniform(1e-2, 1e2),
        },
        metrics={"mae": lw.metrics.MAE(), "rmse": lw.metrics.RMSE()},
        objectives={"mae": "minimize", "rmse": "minimize"},
        epochs=20,
        batch_size=64,
    )


def trained(sweep: lw.Sweep, seed: int, trials: int, prune: Any) -> tuple[Points, Any]:
    """Objectives and training seconds of each trial, in the order of asking."""
    sweep.seed, sweep.prune = seed, prune
    with tempfile.TemporaryDirectory() as root:
        result = sweep.run(
            trials=trials, root=root, tracking=False, quiet=True, trainer="stacked", workers=0,
            confirm=0, baselines="none",
        )  # fmt: skip
    table = result.trials
    return table[list(sweep.objectives)].to_numpy(), table["seconds"].to_numpy()


def growth(points: Points, ideal: Points, worst: Points) -> NDArray[np.float64]:
    """The hypervolume after each trial, over the box between two corners."""
    scaled = (points - ideal) / (worst - ideal)
    scaled = np.where(np.isnan(scaled), np.inf, scaled)
    inside = (scaled < 1.0).all(axis=1)
    parts = [scaled[: n + 1][inside[: n + 1]] for n in range(len(scaled))]
    return np.array([hypervolume(part) if len(part) else 0.0 for part in parts])


def seconds_until(volume: float, volumes: NDArray[np.float64], seconds: Any) -> float:
    """How long was trained until a hypervolume was reached; infinite if it never was."""
    there = np.flatnonzero(volumes >= volume)
    return float(np.cumsum(seconds)[there[0]]) if len(there) else float("inf")


def main() -> None:
    """Sweep, and print a line a seed and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem", choices=["bike_demand", "few"])
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    sweep = bike_demand.sweep if options.problem == "bike_demand" else few()
    parts, totals = [], []
    for seed in range(options.seeds):
        plain, plain_seconds = trained(sweep, seed, options.trials, None)
        ruled, ruled_seconds = trained(sweep, seed, options.trials, lw.Rungs.of(sweep.epochs))
        both = np.concatenate([plain, ruled])
        both = both[~np.isnan(both).any(axis=1)]
        ideal, worst = both.min(axis=0), np.quantile(both, 0.9, axis=0)
        before = growth(plain, ideal, worst)
        after = growth(ruled, ideal, worst)
        wanted = min(before[-1], after[-1])
        needed = seconds_until(wanted, before, plain_seconds)
        spent = seconds_until(wanted, after, ruled_seconds)
        parts.append(spent / needed)
        totals.append(ruled_seconds.sum() / plain_seconds.sum())
        stopped = np.isnan(ruled).any(axis=1).mean()
        print(
            f"seed {seed}: hypervolume {before[-1]:.4f} without and {after[-1]:.4f} with rungs; "
            f"{wanted:.4f} after {needed:.2f} s and {spent:.2f} s ({parts[-1]:.0%}); all trials "
            f"{plain_seconds.sum():.2f} s and {ruled_seconds.sum():.2f} s ({totals[-1]:.0%}); "
            f"{stopped:.0%} stopped",
            flush=True,
        )
    print(
        f"{options.problem}, {options.trials} trials, median of {options.seeds} seeds: the same "
        f"hypervolume in {statistics.median(parts):.0%} of the training seconds, all trials in "
        f"{statistics.median(totals):.0%}"
    )


if __name__ == "__main__":
    main()
