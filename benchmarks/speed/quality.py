"""Whether stacks cost quality: Optuna asked trial by trial, against sweeps that ask in batches.

Optuna's standard TPE learns of every trial before it makes up the next. A sweep asks for a stack at
a time, and so knows less. Both search the same space from the same baselines, and the training
numbers are the same to the bit: the trial-by-trial searches, one a seed, run side by side, and the
trials that they ask for at the same time are trained by the same stacked trainer.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2] / "sweeps"))

import bike_demand

from lossweights.results.folder import read_manifest
from lossweights.search.sampler import distributions
from lossweights.training import Member, StackedTrainer

Points = NDArray[np.float64]  # (trials, objectives), smaller is better


def main() -> None:
    """Search, and print mean and standard deviation over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trials", type=int)
    parser.add_argument("seeds", type=int)
    options = parser.parse_args()
    seeds = list(range(options.seeds))
    ours, scales = [], {}
    for seed in seeds:
        points, scales = batched(seed, options.trials)
        ours.append(points)
    print_figures(one_by_one(seeds, options.trials, scales), ours)


def batched(seed: int, trials: int) -> tuple[Points, dict[str, float]]:
    """The objectives of a sweep, and the scales of its weights."""
    sweep = bike_demand.sweep  # itself, no copy: a worker finds what the script holds
    sweep.seed = seed
    with tempfile.TemporaryDirectory() as root:
        result = sweep.run(
            trials=trials, root=root, tracking=False, quiet=True, confirm=0, baselines="none"
        )
        scales = read_manifest(Path(root), sweep.name)["scales"]
    return result.trials[list(sweep.objectives)].to_numpy(), scales


def one_by_one(seeds: list[int], trials: int, scales: dict[str, float]) -> list[Points]:
    """The objectives of one search by Optuna a seed, each trial told before the next is asked."""
    sweep = bike_demand.sweep
    trainer = StackedTrainer(sweep.problem, sweep.load_data(), size=len(seeds))
    studies = [search(seed) for seed in seeds]
    found = []
    for _ in range(trials):
        asked = [study.ask(distributions(sweep.space)) for study in studies]
        weights = [sweep.space.weights(trial.params) for trial in asked]
        members = [
            Member({name: weight / scales[name] for name, weight in chosen.items()}, seed)
            for chosen, seed in zip(weights, seeds, strict=True)
        ]
        results = trainer.train(members, lambda *_: True)
        found.append([[result.metrics[name] for name in sweep.objectives] for result in results])
        for study, trial, values in zip(studies, asked, found[-1], strict=True):
            study.tell(trial, values)
    return list(np.array(found).transpose(1, 0, 2))


def search(seed: int) -> optuna.Study:
    """A study as a plain script makes it, with the sweep's baselines."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sweep = bike_demand.sweep
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(directions=list(sweep.objectives.values()), sampler=sampler)
    for parameters in sweep.baselines:
        study.enqueue_trial(parameters)
    return study


def print_figures(plain: list[Points], ours: list[Points]) -> None:
    """Hypervolumes over the box between the best and the worst of all fronts together."""
    fronts = np.concatenate([front(points) for points in [*plain, *ours]])
    ideal, worst = fronts.min(axis=0), fronts.max(axis=0)
    volumes = [
        [hypervolume((points - ideal) / (worst - ideal)) for points in group]
        for group in (plain, ours)
    ]
    trials, seeds = len(ours[0]), len(ours)
    print(f"bike_demand: hypervolume after {trials} trials, {seeds} seeds, mean and deviation")
    for name, found in zip(("one by one", "in stacks"), volumes, strict=True):
        shown = " ".join(f"{volume:.4f}" for volume in found)
        print(
            f"{name:>12}: {statistics.mean(found):.4f} +- {statistics.stdev(found):.4f} ({shown})"
        )
    differences = [b - a for a, b in zip(*volumes, strict=True)]
    error = statistics.stdev(differences) / seeds**0.5
    print(
        f"difference of the means {statistics.mean(differences):+.4f}, standard error {error:.4f}"
    )


def front(points: Points) -> Points:
    """The points that no other beats, by the first objective; of two objectives."""
    ordered = points[np.lexsort(points.T[::-1])]
    best = np.minimum.accumulate(ordered[:, 1])
    return ordered[np.r_[True, ordered[1:, 1] < best[:-1]]]


def hypervolume(points: Points) -> float:
    """The part of the unit square that the points beat; smaller is better in both objectives."""
    inside = points[(points < 1.0).all(axis=1)]
    if not len(inside):
        return 0.0
    corner = front(inside)
    widths = np.diff(np.r_[corner[:, 0], 1.0])
    return float((widths * (1.0 - corner[:, 1])).sum())


if __name__ == "__main__":
    main()
