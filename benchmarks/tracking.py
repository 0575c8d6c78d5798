"""What MLflow's record costs a sweep: core-seconds of 1,000 trials with 20 epochs.

    python benchmarks/tracking.py                 # both ways into the file below a root
    python benchmarks/tracking.py --trials 200 --uri http://127.0.0.1:5000

Trials have three terms, two objectives and gradients measured every fifth epoch, as those of
``sweeps/bike_demand.py`` have. They are made up, so that recording them is all that takes time;
what a trial trains is given by ``--training``, in core-seconds. By default it is what
``benchmarks/sweep_speed.py`` measured of bike demand, 0.108 s on two cores: a small model.

Core-seconds are those of the whole process while it records, of Python and SQLite together. The
tracker works beside the training, in a thread of its own, so they count against it and no more.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import numpy as np

from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.results.folder import Asked, Finished
from lossweights.tracking import About, Ending, Tracker
from lossweights.tracking import _runs as runs

TERMS = ("mse", "under", "boundary")
METRICS = ("rmse", "shortfall", "bias")
ABOUT = About(objectives=METRICS[:2], fixed=frozenset({"mse"}))
HELD = 32  # trials that wait at most, so that none is read from a file
GOAL = 0.02  # of what a sweep takes


def main() -> None:
    """Measure what the command line asks for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--training", type=float, default=0.216, help="core-seconds of a trial")
    parser.add_argument("--uri", help="a tracking server, instead of the file below a root")
    given = parser.parse_args()
    trials = [trial(number, given.epochs) for number in range(given.trials)]
    points = len(runs.result_points(trials[0].result, None, trials[0].times))
    print(f"{given.trials} trials of {given.epochs} epochs, {points} points each")
    print(f"{'':34} {'s':>7} {'ms a trial':>11} {'of training':>12}")
    ways: dict[str, Callable[[], float]] = {"opening and ending alone": lambda: record([], given)}
    if given.uri:
        ways["through MLflow to the server"] = lambda: record(trials, given)
    else:
        ways["straight into the file"] = lambda: record(trials, given)
        ways["through MLflow into the file"] = lambda: record(trials, given, straight=False)
    for name, way in ways.items():
        spent = way()
        part = spent / (given.trials * given.training)
        each, enough = 1000 * spent / given.trials, "within" if part <= GOAL else "beyond"
        print(f"{name:34} {spent:>7.2f} {each:>11.2f} {part:>12.2%}  {enough} {GOAL:.0%}")


def record(trials: list[Finished], given: argparse.Namespace, *, straight: bool = True) -> float:
    """Core-seconds that recording takes."""
    write_runs = runs.write_runs
    if not straight:
        runs.write_runs = lambda path, records: False  # type: ignore[assignment]
    try:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "mlruns"
            warm = Tracker(root, "warm-up", "then", given.uri)  # imports, tables
            warm.start({})
            warm.finish(Ending("FINISHED", ""))
            begun = time.process_time()
            tracker = Tracker(root, f"tracking-{time.time_ns()}", "then", given.uri, ABOUT)
            tracker.start({})
            for finished in trials:
                while len(tracker.unwritten) > HELD:  # a sweep trains meanwhile
                    time.sleep(0.01)
                tracker.trial_ended(finished)
            tracker.finish(Ending("FINISHED", ""))
            spent = time.process_time() - begun
            if tracker.error:
                raise SystemExit(f"Not recorded: {tracker.error}")
            return spent
    finally:
        runs.write_runs = write_runs


def trial(number: int, epochs: int) -> Finished:
    """A made-up trial."""
    rng = np.random.default_rng(number)
    weights = dict(zip(TERMS, (1.0, *10 ** rng.uniform(-2, 2, 2)), strict=True))
    reports = []
    for epoch in range(epochs + 1):
        sizes = dict(zip(TERMS, rng.uniform(1, 2, 3) / (1 + epoch), strict=True))
        factor = rng.normal(size=(3, 3))
        matrix = (factor @ factor.T).tolist()
        gram = {a: dict(zip(TERMS, row, strict=True)) for a, row in zip(TERMS, matrix, strict=True)}
        metrics = dict(zip(METRICS, rng.uniform(1, 100, 3), strict=True))
        measured = gram if epoch % 5 == 0 else None
        reports.append(EpochReport(epoch, sizes, dict(sizes), metrics, gram=measured))
    result = TrialResult(weights, 0, Outcome.COMPLETE, tuple(reports), seconds=1.0)
    times = tuple(10**12 + 1000 * number + epoch for epoch in range(epochs + 1))
    sampled = {name: weight for name, weight in weights.items() if name != "mse"}
    return Finished(Asked(number, sampled, "trial"), result, times)


if __name__ == "__main__":
    main()
