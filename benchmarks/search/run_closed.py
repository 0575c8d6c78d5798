"""Searches closed-form problems with every sampler, and writes what each search found.

    python benchmarks/search/run_closed.py results/closed.json --seeds 10 --trials 64

The file can be gone on with: searches that it holds are left out. `tables.py` makes the tables of
docs/search.md of it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from closed import PROBLEMS, Problem
from measure import Scale
from optuna.trial import TrialState
from others import sampler_of

from lossweights.search.sampler import Sampler
from lossweights.search.samplers import NAMES
from lossweights.search.start import starting_points


def main() -> None:
    """Search, a line a search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--batches", type=int, nargs="+", default=[16])
    parser.add_argument("--samplers", nargs="+", default=list(NAMES))
    parser.add_argument("--untaught", action="store_true", help="tell of no trial that diverged")
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    options = parser.parse_args()
    found = json.loads(options.file.read_text()) if options.file.exists() else {}
    for name in options.problems:
        problem, scale = PROBLEMS[name](), None
        title = f"{name}, untaught" if options.untaught else name
        for batch in options.batches:
            for sampler in options.samplers:
                for seed in range(options.seeds):
                    key = f"{title}|{sampler}|{batch}|{options.trials}|{seed}"
                    if key in found:
                        continue
                    scale = scale or Scale(problem.best_front())
                    found[key] = search(
                        problem,
                        scale,
                        sampler,
                        batch,
                        options.trials,
                        seed,
                        taught=not options.untaught,
                    )
                save(options.file, found)
                show(found, f"{title}|{sampler}|{batch}|{options.trials}|")


def search(
    problem: Problem,
    scale: Scale,
    sampler: str,
    batch: int,
    trials: int,
    seed: int,
    *,
    taught: bool = True,
) -> dict[str, object]:
    """One search: hypervolume and gap along it, diverged trials, and the sampler's seconds."""
    noise = np.random.default_rng([seed, 1])
    first = starting_points(problem.space)
    asking = 0.0
    clock = time.perf_counter()
    ours = Sampler(
        problem.space, ["minimize"] * problem.objectives, seed, sampler_of(sampler, seed)
    )
    asking += time.perf_counter() - clock
    costs, diverged = [], []
    for start in range(0, trials, batch):
        places = range(start, min(start + batch, trials))
        clock = time.perf_counter()
        asked = []
        for place in places:
            if place < len(first):
                ours.expect(place, first[place])
                asked.append(first[place])
            else:
                asked.append(ours.ask(place))
        asking += time.perf_counter() - clock
        for place, parameters in zip(places, asked, strict=True):
            exact = problem.at(problem.space.weights(parameters))
            finite = bool(np.isfinite(exact).all())
            measured = exact + problem.noise * scale.extent * noise.normal(size=exact.shape)
            clock = time.perf_counter()
            ours.learn(
                place,
                parameters,
                TrialState.COMPLETE if finite else TrialState.FAIL,
                measured.tolist() if finite else None,
                barren=taught and not finite,
            )
            asking += time.perf_counter() - clock
            diverged.append(not finite)
            costs.append(exact)
    every = np.array(costs)
    kept = [every[:n][~np.array(diverged[:n])] for n in range(8, trials + 1, 8)]
    return {
        "volume": [round(scale.volume(points), 6) for points in kept],
        "gap": [round(scale.gap(points), 6) for points in kept],
        "diverged": float(np.mean(diverged[trials // 2 :])),
        "sampler_seconds": round(asking, 4),
    }


def save(file: Path, found: dict[str, object]) -> None:
    """Write everything, or leave what is there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(found, indent=0))
    draft.replace(file)


def show(found: dict[str, dict[str, object]], key: str) -> None:
    """Medians over the seeds."""
    rows = [row for name, row in found.items() if name.startswith(key)]
    volume = np.median([row["volume"][-1] for row in rows])
    worst = min(row["volume"][-1] for row in rows)
    gap = np.median([row["gap"][-1] for row in rows])
    diverged = np.mean([row["diverged"] for row in rows])
    seconds = np.mean([row["sampler_seconds"] for row in rows])
    print(
        f"{key:<50} volume {volume:.4f} (worst {worst:.4f})  gap {gap:.3f}  "
        f"diverged {diverged:.2f}  {seconds:.2f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
