"""What bounds a search: trials that know where the front is, against what samplers found.

    python benchmarks/search/oracle.py results/trained.json --problem bike-demand

The file is that of `run_trained.py`. For each of its seeds the weights of the front that all
searches with *other* seeds found together are trained with this seed, in an order by chance. No
search can know them: it would have to know the front before its first trial. Told is after how many
trials these have the hypervolume that TPE ends with, and the same for every sampler. Two trainings
of one weight set differ by their seed; where the oracle needs many trials too, it is that noise
which the hypervolume still grows by, and no sampler can foresee it.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
from measure import Scale
from run_trained import Trained
from tables import EVERY, read, trials_until

from lossweights.search._unbeaten import unbeaten

REFERENCE = "tpe"


def main() -> None:
    """Print a line a seed, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--problem", default="bike-demand")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--trials", type=int, default=128)
    options = parser.parse_args()
    rows, problem = read(options.file), Trained(options.problem)
    found = {key[1]: searches for key, searches in rows.items() if wanted(key, options)}
    seeds = range(min(len(searches) for searches in found.values()))
    every = [
        (seed, place, costs)
        for sampler, searches in found.items()
        for seed in seeds
        for place, costs in zip(
            problem.asked(sampler, options.batch, searches[seed]["costs"], seed),
            searches[seed]["costs"],
            strict=True,
        )
        if costs is not None
    ]
    chance: list[np.ndarray] = []
    reached: dict[str, list[float]] = {name: [] for name in ["oracle", *found]}
    for seed in seeds:
        others = [(place, costs) for other, place, costs in every if other != seed]
        front = unbeaten(np.array([costs for _, costs in others]))
        places = [others[index][0] for index in np.flatnonzero(front)]
        np.random.default_rng(seed).shuffle(places)
        own = [(place, costs) for other, place, costs in every if other == seed]
        chance.append(noise(own))
        costs = problem.costs(places[: options.trials], options.batch, seed)
        searches = {"oracle": costs, **{name: found[name][seed]["costs"] for name in found}}
        points = np.concatenate([np.array(known(c)) for c in searches.values()])
        scale = Scale(points[unbeaten(points)])
        goal = scale.volume(np.array(known(searches[REFERENCE])))
        for name, costs in searches.items():
            reached[name].append(trials_until(goal, volumes(scale, costs)))
        print(f"seed {seed}:", {name: values[-1] for name, values in reached.items()}, flush=True)
    print("median:", {name: statistics.median(values) for name, values in reached.items()})
    print("noise, in parts of the front's extent:", np.median(chance, axis=0).round(4))


def noise(trials: list[tuple[dict[str, float], list[float]]]) -> np.ndarray:
    """By how much trainings with nearly the same weights differ, each objective.

    The standard deviation of one, robustly, of every trial on the front and its nearest neighbour
    of the same seed, whose weights are within a tenth: in that the mean hardly moves.
    """
    at = np.log([list(place.values()) for place, _ in trials])
    costs = np.array([values for _, values in trials])
    front = np.flatnonzero(unbeaten(costs))
    scale = Scale(costs[front])
    apart = np.abs(at[front][:, None] - at[None]).max(axis=2)
    apart[np.arange(len(front)), front] = np.inf
    nearest, near = apart.argmin(axis=1), apart.min(axis=1) < np.log(1.1)
    differences = scale(costs[front[near]]) - scale(costs[nearest[near]])
    return 1.48 * np.median(np.abs(differences), axis=0) / np.sqrt(2)


def wanted(key: tuple[str, str, int, int], options: argparse.Namespace) -> bool:
    """Whether searches of that problem, batch and length are compared."""
    return (key[0], *key[2:]) == (options.problem, options.batch, options.trials)


def known(costs: list) -> list[list[float]]:
    """Those of trials that ended."""
    return [c for c in costs if c is not None]


def volumes(scale: Scale, costs: list) -> list[float]:
    """The hypervolume along a search."""
    counts = range(EVERY, len(costs) + EVERY, EVERY)
    return [scale.volume(np.array(known(costs[:count]))) for count in counts]


if __name__ == "__main__":
    main()
