"""What rungs save: hypervolume against what trials trained, with rungs and without.

    python benchmarks/search/rungs.py --trials 128 --seeds 10 bike_demand
    python benchmarks/search/rungs.py --trials 128 --seeds 10 few

Two problems. On `bike_demand` most trials are on the front, and may not stop. On `few` at most a
third is: its second objective hardly pulls away from the first, so that most weights are beaten.
Both kinds of sweep have the same seeds, and train one after another in this process. Told are the
training seconds, and the epochs, after which either has a hypervolume that both get to, and the
part that those with rungs are of those without. Epochs are the same on every machine. Compiling is
no part of the seconds; it is once a process and size of a stack.

    python benchmarks/search/rungs.py --replay bike_demand

asks of the trials without rungs alone what a rule would have stopped, and what the front lost by
it: so much is lost for luck between the rung and the end, whatever a sampler makes of the rest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

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


class Trained(NamedTuple):
    """The trials of a sweep, in the order of asking.

    Attributes:
        points: Their objectives.
        seconds: What each trained for.
        epochs: How many each trained.
        reports: The objectives after each epoch of each trial, a list a trial.
    """

    points: Points
    seconds: NDArray[np.float64]
    epochs: NDArray[np.float64]
    reports: list[Points]


def trained(sweep: lw.Sweep, seed: int, trials: int, prune: Any) -> Trained:
    """A sweep of so many trials in this process."""
    sweep.seed, sweep.prune = seed, prune
    with tempfile.TemporaryDirectory() as root:
        result = sweep.run(
            trials=trials, root=root, tracking=False, quiet=True, trainer="stacked", workers=0,
            confirm=0, baselines="none",
        )  # fmt: skip
    table, names = result.trials, list(sweep.objectives)
    reports = [
        np.array([[report.metrics[name] for name in names] for report in ended.result.reports])
        for _, ended in sorted(result.finished.items())
    ]
    epochs = np.array([len(each) - 1.0 for each in reports])
    return Trained(table[names].to_numpy(), table["seconds"].to_numpy(), epochs, reports)


def growth(points: Points, ideal: Points, worst: Points) -> NDArray[np.float64]:
    """The hypervolume after each trial, over the box between two corners."""
    scaled = (points - ideal) / (worst - ideal)
    scaled = np.where(np.isnan(scaled), np.inf, scaled)
    inside = (scaled < 1.0).all(axis=1)
    parts = [scaled[: n + 1][inside[: n + 1]] for n in range(len(scaled))]
    return np.array([hypervolume(part) if len(part) else 0.0 for part in parts])


def spent_until(volume: float, volumes: NDArray[np.float64], spent: NDArray[np.float64]) -> float:
    """What was spent until a hypervolume was reached; infinite if it never was."""
    there = np.flatnonzero(volumes >= volume)
    return float(np.cumsum(spent)[there[0]]) if len(there) else float("inf")


def corners(points: Points) -> tuple[Points, Points]:
    """The box that hypervolumes are parts of: from the best to what nine of ten are better than."""
    known = points[~np.isnan(points).any(axis=1)]
    return known.min(axis=0), np.quantile(known, 0.9, axis=0)


def replayed(reports: list[Points], rungs: lw.Rungs, wave: int) -> tuple[float, float]:
    """The part of the hypervolume that is left if a rule stops trials, and that of the epochs.

    The trials are those that were trained to the end; nothing is asked for anew.
    """
    whole = np.array(reports)
    ruled = rungs.ranked_by(["minimize"] * whole.shape[2])
    epochs = np.full(len(whole), whole.shape[1] - 1)
    for start in range(0, len(whole), wave):
        going = list(range(start, min(start + wave, len(whole))))
        for epoch in ruled.at:
            stopped = ruled.stopped(epoch, {place: whole[place, epoch] for place in going})
            epochs[sorted(stopped)] = epoch
            going = [place for place in going if place not in stopped]
    ends = whole[:, -1]
    box = corners(ends)
    ended = np.where((epochs < whole.shape[1] - 1)[:, None], np.nan, ends)
    return growth(ended, *box)[-1] / growth(ends, *box)[-1], epochs.mean() / epochs.max()


def replay(sweep: lw.Sweep, options: argparse.Namespace) -> None:
    """Print what several rules would have left."""
    runs = [trained(sweep, seed, options.trials, None).reports for seed in range(options.seeds)]
    half, quarter = sweep.epochs // 2, sweep.epochs // 4
    rules = [
        lw.Rungs(at, keep)
        for at in [(quarter, half), (quarter,), (half,), (half + quarter,)]
        for keep in (0.5, 0.75)
    ]
    for rungs in rules:
        for wave in (32, 64):
            left, epochs = np.median([replayed(each, rungs, wave) for each in runs], axis=0)
            print(f"{rungs}, waves of {wave}: {left:.4f} of the hypervolume, {epochs:.0%} epochs")


def main() -> None:
    """Sweep, and print a line a seed and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem", choices=["bike_demand", "few"])
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--replay", action="store_true", help="of trials without rungs alone")
    options = parser.parse_args()
    sweep = bike_demand.sweep if options.problem == "bike_demand" else few()
    if options.replay:
        replay(sweep, options)
        return
    parts: dict[str, list[float]] = {"seconds": [], "epochs": []}
    totals: dict[str, list[float]] = {"seconds": [], "epochs": []}
    for seed in range(options.seeds):
        plain = trained(sweep, seed, options.trials, None)
        ruled = trained(sweep, seed, options.trials, lw.Rungs.of(sweep.epochs))
        box = corners(np.concatenate([plain.points, ruled.points]))
        before, after = growth(plain.points, *box), growth(ruled.points, *box)
        wanted = min(before[-1], after[-1])
        for what in parts:
            without, with_rungs = getattr(plain, what), getattr(ruled, what)
            needed = spent_until(wanted, before, without)
            parts[what].append(spent_until(wanted, after, with_rungs) / needed)
            totals[what].append(with_rungs.sum() / without.sum())
        stopped = np.isnan(ruled.points).any(axis=1).mean()
        print(
            f"seed {seed}: hypervolume {before[-1]:.4f} without and {after[-1]:.4f} with rungs; "
            f"{wanted:.4f} in {parts['seconds'][-1]:.0%} of the seconds and "
            f"{parts['epochs'][-1]:.0%} of the epochs; all trials in {totals['seconds'][-1]:.0%} "
            f"and {totals['epochs'][-1]:.0%}; {stopped:.0%} stopped",
            flush=True,
        )
    middle = statistics.median
    print(
        f"{options.problem}, {options.trials} trials, median of {options.seeds} seeds: the same "
        f"hypervolume in {middle(parts['seconds']):.0%} of the training seconds and "
        f"{middle(parts['epochs']):.0%} of the epochs, all trials in "
        f"{middle(totals['seconds']):.0%} and {middle(totals['epochs']):.0%}"
    )


if __name__ == "__main__":
    main()
