"""Makes the tables of docs/search.md of what the benchmarks wrote, and puts them in their places.

python benchmarks/search/tables.py --closed results/closed.json --trained results/trained.json
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from measure import Scale
from others import NAMES as OTHERS

from lossweights.search._unbeaten import unbeaten
from lossweights.search.samplers import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
EVERY = 8  # trials between two hypervolumes of a search

Rows = dict[tuple[str, str, int, int], list[dict]]  # of problem, sampler, batch and trials, a seed


def main() -> None:
    """Put each table between its marks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--closed", type=Path)
    parser.add_argument("--trained", type=Path)
    options = parser.parse_args()
    page = PAGE.read_text()
    if options.closed:
        rows = read(options.closed)
        for batch, trials in sorted({key[2:] for key in rows}):
            page = put(page, f"closed {batch} of {trials}", closed_table(rows, batch, trials))
    if options.trained:
        page = put(page, "trained", trained_table(measured(read(options.trained))))
    PAGE.write_text(page)


def read(file: Path) -> Rows:
    """The searches of a file, those of all seeds together."""
    rows: Rows = defaultdict(list)
    for key, row in json.loads(file.read_text()).items():
        problem, sampler, batch, trials, seed = key.split("|")
        rows[problem, sampler, int(batch), int(trials)].append({**row, "seed": int(seed)})
    return rows


def put(page: str, mark: str, table: list[str]) -> str:
    """The page with a table between its marks, or with a new place for it at its end."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    if begin not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n"
    before, rest = page.split(begin, 1)
    return f"{before}{begin}\n" + "\n".join(table) + f"\n{end}{rest.split(end, 1)[1]}"


def closed_table(rows: Rows, batch: int, trials: int) -> list[str]:
    """Median hypervolume and the largest gap; the best volume of a problem is bold."""
    names = [*NAMES, *OTHERS]
    samplers = [s for s in names if any(key[1:] == (s, batch, trials) for key in rows)]
    table = header(["problem", *samplers])
    problems = list(dict.fromkeys(key[0] for key in rows if key[2:] == (batch, trials)))
    for problem in problems:
        found = [rows.get((problem, s, batch, trials), []) for s in samplers]
        volumes = [median(f, lambda row: row["volume"][-1]) for f in found]
        gaps = [median(f, lambda row: row["gap"][-1]) for f in found]
        lost = [median(f, lambda row: row["diverged"], np.mean) for f in found]
        best = np.nanmax(volumes)
        cells = [problem]
        for volume, gap, part in zip(volumes, gaps, lost, strict=True):
            shown = f"**{volume:.4f}**" if volume == best else f"{volume:.4f}"
            more = f", {part:.0%} diverged" if problem.startswith("diverging") else ""
            cells.append("" if np.isnan(volume) else f"{shown}, gap {gap:.3f}{more}")
        table.append(f"| {' | '.join(cells)} |")
    seconds = [
        np.mean(
            [
                r["sampler_seconds"]
                for k, v in rows.items()
                if k[1:] == (s, batch, trials)
                for r in v
            ]
        )
        for s in samplers
    ]
    table.append(f"| *sampler's seconds* | {' | '.join(f'{s:.2f}' for s in seconds)} |")
    return table


def measured(rows: Rows) -> Rows:
    """Trained searches with hypervolumes, seed by seed.

    The seed is that of the trainings too, and lucky seeds have better fronts. So a search is
    measured against the best front of all searches of its problem with its seed.
    """
    for problem, seed in {(key[0], row["seed"]) for key, found in rows.items() for row in found}:
        searches = [
            row
            for key, found in rows.items()
            for row in found
            if (key[0], row["seed"]) == (problem, seed)
        ]
        every = np.array([c for row in searches for c in row["costs"] if c is not None])
        scale = Scale(every[unbeaten(every)])
        for row in searches:
            costs = row["costs"]
            row["volume"], row["gap"] = [], []
            for count in range(EVERY, len(costs) + 1, EVERY):
                points = np.array([c for c in costs[:count] if c is not None])
                row["volume"].append(scale.volume(points))
                row["gap"].append(scale.gap(points))
    return rows


def trained_table(rows: Rows) -> list[str]:
    """Medians; and after how many trials a sampler has what TPE ends with from the same seed."""
    table = header(
        ["problem, batches of", "sampler", "hypervolume", "gap", "trials to TPE's last", "seconds",
         "of them the sampler's"]
    )  # fmt: skip
    for (problem, sampler, batch, trials), found in sorted(rows.items()):
        last = rows.get((problem, "tpe", batch, trials))
        reached = ""
        if last:
            goals = {row["seed"]: row["volume"][-1] for row in last}
            needed = [
                trials_until(goals[r["seed"]], r["volume"]) for r in found if r["seed"] in goals
            ]
            needs = float(np.median(needed))
            reached = f"{needs:.0f}" if needs <= trials else f"more than {trials}"
        asking = median(found, lambda row: row["sampler_seconds"])
        training = median(found, lambda row: row["training_seconds"])
        cells = [
            f"{problem}, {batch}",
            sampler,
            f"{median(found, lambda row: row['volume'][-1]):.4f}",
            f"{median(found, lambda row: row['gap'][-1]):.3f}",
            reached,
            f"{training + asking:.1f}",
            f"{asking:.2f}",
        ]
        table.append(f"| {' | '.join(cells)} |")
    return table


def trials_until(goal: float, volumes: list[float]) -> float:
    """After how many trials a search has a hypervolume; infinite if it never has."""
    there = np.flatnonzero(np.array(volumes) >= goal)
    return float(EVERY * (there[0] + 1)) if len(there) else float("inf")


def header(names: list[str]) -> list[str]:
    """The first two lines of a table."""
    return [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]


def median(rows: list[dict], of: object, how: object = np.median) -> float:
    """Of the seeds; NaN where there is none."""
    return float(how([of(row) for row in rows])) if rows else float("nan")


if __name__ == "__main__":
    main()
