"""Draws the figures of docs/search.md of what `run_trained.py` wrote.

    python benchmarks/search/figures.py results/trained.json bike-demand blob-errors regression

From above: the median hypervolume over the seeds against trials, with its quartiles; the same
against seconds, those of training and of the sampler; the median of the front's largest gap against
trials; the median attainment surface of the first two objectives, what half of the searches get to
or better (Fonseca and Fleming, "On the performance assessment and comparison of stochastic
multiobjective optimizers", 1996), from `moocore`. Needs matplotlib, which MLflow installs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import moocore
import numpy as np
from matplotlib import pyplot
from tables import EVERY, measured, read

from lossweights.search.samplers import DEFAULT, NAMES

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

from _pictures import save_webp

PAGE = Path(__file__).parents[2] / "docs" / "images" / "search-trained.webp"
# Few colours are left in the picture; the default is told from all others by black.
LOOKS = {
    name: {"color": "black" if name == DEFAULT else f"C{place}"} for place, name in enumerate(NAMES)
}
LEFT_OUT = 0.25  # of a search's trials: hypervolumes are far below there and hide what follows


def main() -> None:
    """Draw and write one picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("problems", nargs="*", help="which, from left to right; by default all")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--trials", type=int, default=128)
    options = parser.parse_args()
    shape = (options.batch, options.trials)
    rows = {key: row for key, row in measured(read(options.file)).items() if key[2:] == shape}
    problems = options.problems or list(dict.fromkeys(key[0] for key in rows))
    mpl.rcParams.update({"font.size": 8})
    figure, axes = pyplot.subplots(
        4, len(problems), figsize=(3.2 * len(problems), 9.5), squeeze=False
    )
    for column, problem in zip(axes.T, problems, strict=True):
        of_problem = {key[1]: row for key, row in rows.items() if key[0] == problem}
        draw(column, problem, {name: of_problem[name] for name in NAMES if name in of_problem})
    axes[0, 0].legend()
    figure.tight_layout()
    save_webp(figure, PAGE, dpi=66, colours=20)


def draw(column: Any, problem: str, searches: dict[str, list[dict]]) -> None:
    """The panels of a problem."""
    above, between, gaps, below = column
    above.set(title=problem, xlabel="trials", ylabel="hypervolume, of the best front's")
    between.set(xlabel="seconds", ylabel="hypervolume, of the best front's")
    gaps.set(xlabel="trials", ylabel="largest gap, of the front's extent")
    below.set(xlabel="first objective, lower is better", ylabel="second objective")
    lowest = 1.0
    for sampler, rows in searches.items():
        volumes = np.array([row["volume"] for row in rows])
        trials = EVERY * np.arange(1, volumes.shape[1] + 1)
        low, middle, high = np.quantile(volumes, [0.25, 0.5, 0.75], axis=0)
        look = LOOKS[sampler]
        above.plot(trials, middle, label=sampler, **look)
        above.fill_between(trials, low, high, color=look["color"], alpha=0.15, linewidth=0)
        lowest = min(lowest, middle[int(LEFT_OUT * len(trials))])
        seconds = np.median([row["seconds"] for row in rows], axis=0)
        at_ends = middle[len(trials) // len(seconds) - 1 :: len(trials) // len(seconds)]
        between.plot(seconds, at_ends, label=sampler, **look)
        gap = np.median([row["gap"] for row in rows], axis=0)
        shown = trials > LEFT_OUT * trials[-1]
        gaps.plot(trials[shown], gap[shown], label=sampler, **look)
        surface = attained(rows)
        below.step(*surface.T, where="post", label=sampler, **look)
    for panel in (above, between):
        panel.set_ylim(lowest, 1.001)
    if below.get_xlim()[0] > 0 and below.get_ylim()[0] > 0:  # what is maximised is negative here
        below.set(xscale="log", yscale="log")


def attained(rows: list[dict]) -> np.ndarray:
    """The median attainment surface of the first two objectives, shape ``(points, 2)``, sorted."""
    sets = [[cost[:2] for cost in row["costs"] if cost is not None] for row in rows]
    number = np.repeat(np.arange(len(sets)), [len(points) for points in sets])
    surface = moocore.eaf(np.concatenate(sets), number, percentiles=[50])[:, :2]
    return surface[np.argsort(surface[:, 0])]


if __name__ == "__main__":
    main()
