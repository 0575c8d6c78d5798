"""Searches trained problems with several samplers, and writes what each search found.

    python benchmarks/search/run_trained.py results/trained.json --seeds 10 --trials 128

A batch is trained as one stack, of convolutions one after another. The file can be gone on with:
searches that it holds are left out. `tables.py` makes the tables of docs/search.md of it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from optuna.trial import TrialState
from others import sampler_of
from run_closed import save
from trained import NAMES as PROBLEMS
from trained import sweep

import lossweights as lw
from lossweights.records import Outcome
from lossweights.search.sampler import Sampler
from lossweights.search.samplers import NAMES
from lossweights.training import Member, SerialTrainer, StackedTrainer

ONE_BY_ONE = ("blob-middles", "blob-errors")  # faster so
Parameters = dict[str, float]
Costs = list[list[float] | None]  # of each trial


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


def signs(sweep: lw.Sweep) -> dict[str, float]:
    """1 for each objective that is minimised, -1 for the others."""
    return {name: -1.0 if d == "maximize" else 1.0 for name, d in sweep.objectives.items()}


class Search:
    """One search of a problem: asked and told batch by batch, as a sweep does.

    Args:
        sweep: The problem.
        sampler: Which sampler.
        batch: Trials of a batch.
        seed: Of the sampler.
    """

    def __init__(self, sweep: lw.Sweep, sampler: str, batch: int, seed: int) -> None:
        directions = list(sweep.objectives.values())
        self._ours = Sampler(sweep.space, directions, seed, sampler_of(sampler, seed))
        self._signs = np.array(list(signs(sweep).values()))
        self._first, self._batch = sweep.baselines, batch
        self.costs: Costs = []

    def ask(self, trials: int) -> list[Parameters]:
        """The next batch, of a search of so many trials."""
        asked, done = [], len(self.costs)
        for place in range(done, min(done + self._batch, trials)):
            if place < len(self._first):
                self._ours.expect(place, self._first[place])
                asked.append(dict(self._first[place]))
            else:
                asked.append(self._ours.ask(place))
        return asked

    def learn(self, asked: list[Parameters], costs: Costs) -> None:
        """What the batch that was asked for led to."""
        for parameters, values in zip(asked, costs, strict=True):
            state = TrialState.PRUNED if values is None else TrialState.COMPLETE
            told = None if values is None else (self._signs * values).tolist()
            place = len(self.costs)
            self._ours.learn(place, parameters, state, told, barren=values is None)
            self.costs.append(values)


class Trained:
    """One problem, prepared once."""

    def __init__(self, name: str) -> None:
        self._sweep = sweep(name)
        prepared = self._sweep.prepare(rehearse=True)  # which measures the scales
        self._scales = prepared.scales or dict.fromkeys(self._sweep.space.names, 1.0)
        self._data = self._sweep.load_data()
        self._trainers: dict[int, SerialTrainer | StackedTrainer] = {}

    def search(self, sampler: str, batch: int, trials: int, seed: int) -> dict[str, object]:
        """One search: its costs in order, and the seconds of each kind and after each batch.

        The seed is that of the sampler and of every training, as in a sweep.
        """
        search = Search(self._sweep, sampler, batch, seed)
        asking = training = 0.0
        seconds = []
        while len(search.costs) < trials:
            clock = time.perf_counter()
            asked = search.ask(trials)
            asking += time.perf_counter() - clock
            clock = time.perf_counter()
            costs = self.costs(asked, batch, seed)
            training += time.perf_counter() - clock
            clock = time.perf_counter()
            search.learn(asked, costs)
            asking += time.perf_counter() - clock
            seconds.append(round(training + asking, 2))
        return {
            "costs": search.costs,
            "training_seconds": round(training, 2),
            "sampler_seconds": round(asking, 3),
            "seconds": seconds,
        }

    def asked(self, sampler: str, batch: int, costs: Costs, seed: int) -> list[Parameters]:
        """What a search asked for, of what it found: it is asked again, and nothing is trained."""
        search, every = Search(self._sweep, sampler, batch, seed), []
        while len(every) < len(costs):
            asked = search.ask(len(costs))
            search.learn(asked, costs[len(every) : len(every) + len(asked)])
            every += asked
        return every

    def costs(self, asked: list[Parameters], batch: int, seed: int) -> Costs:
        """Objectives of trainings, better when smaller; None for one that did not end."""
        found: Costs = []
        for start in range(0, len(asked), batch):
            for result in self._train(asked[start : start + batch], batch, seed):
                values = [sign * result.metrics[name] for name, sign in signs(self._sweep).items()]
                found.append(values if result.outcome is Outcome.COMPLETE else None)
        return found

    def _train(self, asked: list[Parameters], batch: int, seed: int) -> list:
        if batch not in self._trainers:
            problem, data = self._sweep.problem, self._data
            stacks = self._sweep.name not in ONE_BY_ONE
            self._trainers[batch] = (
                StackedTrainer(problem, data, size=batch)
                if stacks
                else SerialTrainer(problem, data)
            )
        members = []
        for parameters in asked:
            weights = self._sweep.space.weights(parameters)
            scaled = {name: weight / self._scales[name] for name, weight in weights.items()}
            members.append(Member(scaled, seed))
        return self._trainers[batch].train(members, lambda *_: True)


if __name__ == "__main__":
    main()
