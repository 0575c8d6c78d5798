"""Searches trained problems with several samplers, and writes what each search found.

    python benchmarks/search/run_trained.py results/trained.json --seeds 10 --trials 128

A batch is trained as one stack. The file can be gone on with: searches that it holds are left out.
`tables.py` makes the tables of docs/search.md of it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from optuna.trial import TrialState
from run_closed import save
from trained import NAMES as PROBLEMS
from trained import sweep

from lossweights.records import Outcome
from lossweights.search.sampler import Sampler
from lossweights.search.samplers import NAMES
from lossweights.training import Member, StackedTrainer


def main() -> None:
    """Search, a line a search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--batches", type=int, nargs="+", default=[16])
    parser.add_argument("--samplers", nargs="+", default=list(NAMES))
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    options = parser.parse_args()
    found = json.loads(options.file.read_text()) if options.file.exists() else {}
    for name in options.problems:
        problem = Trained(name)
        for batch in options.batches:
            for sampler in options.samplers:
                for seed in range(options.seeds):
                    key = f"{name}|{sampler}|{batch}|{options.trials}|{seed}"
                    if key not in found:
                        found[key] = problem.search(sampler, batch, options.trials, seed)
                        save(options.file, found)
                        print(key, {k: v for k, v in found[key].items() if "seconds" in k})


class Trained:
    """One problem, prepared once."""

    def __init__(self, name: str) -> None:
        self._sweep = sweep(name)
        prepared = self._sweep.prepare(rehearse=True)  # which measures the scales
        self._scales = prepared.scales or dict.fromkeys(self._sweep.space.names, 1.0)
        self._data = self._sweep.load_data()
        self._trainers: dict[int, StackedTrainer] = {}

    def search(self, sampler: str, batch: int, trials: int, seed: int) -> dict[str, object]:
        """One search: its costs in order, the seconds of training, and those of the sampler.

        The seed is that of the sampler and of every training, as in a sweep.
        """
        space, first = self._sweep.space, self._sweep.baselines
        directions = list(self._sweep.objectives.values())
        signs = np.where(np.array(directions) == "maximize", -1.0, 1.0)
        asking = training = 0.0
        ours, costs = Sampler(space, directions, seed, sampler), []
        for start in range(0, trials, batch):
            places = range(start, min(start + batch, trials))
            clock = time.perf_counter()
            asked = []
            for place in places:
                if place < len(first):
                    ours.expect(place, first[place])
                    asked.append(dict(first[place]))
                else:
                    asked.append(ours.ask(place))
            asking += time.perf_counter() - clock
            clock = time.perf_counter()
            results = self._train(asked, batch, seed)
            training += time.perf_counter() - clock
            clock = time.perf_counter()
            for place, parameters, result in zip(places, asked, results, strict=True):
                complete = result.outcome is Outcome.COMPLETE
                values = [result.metrics[name] for name in self._sweep.objectives]
                state = TrialState.COMPLETE if complete else TrialState.PRUNED
                told = values if complete else None
                ours.learn(place, parameters, state, told, barren=not complete)
                costs.append((signs * values).tolist() if complete else None)
            asking += time.perf_counter() - clock
        return {
            "costs": costs,
            "training_seconds": round(training, 2),
            "sampler_seconds": round(asking, 3),
        }

    def _train(self, asked: list[dict[str, float]], batch: int, seed: int) -> list:
        if batch not in self._trainers:
            self._trainers[batch] = StackedTrainer(self._sweep.problem, self._data, size=batch)
        members = []
        for parameters in asked:
            weights = self._sweep.space.weights(parameters)
            scaled = {name: weight / self._scales[name] for name, weight in weights.items()}
            members.append(Member(scaled, seed))
        return self._trainers[batch].train(members, lambda *_: True)


if __name__ == "__main__":
    main()
