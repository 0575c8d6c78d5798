"""How much sooner a sweep has the front that the plain script has at its end, start-up included.

    python benchmarks/search/sooner.py --trials 64 --rounds 3

Both search bike demand, in turns, each in a process of its own, timed from its start. The plain
script of `benchmarks/speed/plain.py` runs once, whole: its trials cost the same whichever they are.
Told is when it had its last hypervolume, and when the sweep got to the same one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SWEEPS = HERE.parents[1] / "sweeps"
sys.path[:0] = [str(HERE.parent / "speed"), str(SWEEPS)]

Row = tuple[float, list[float]]  # seconds since the process began, objectives


def main() -> None:
    """Take turns, and print when each got there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=64, help="of the plain script")
    parser.add_argument("--ours", type=int, default=64, help="of the sweep")
    parser.add_argument("--rounds", type=int, default=3, help="of the sweep")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        who, began, trials, seed = options.child
        rows = {"plain": plain, "ours": ours}[who](int(trials), int(seed))
        print(json.dumps([(at - float(began), values) for at, values in rows]))
        return
    turns = [turn("ours", options.ours, seed) for seed in range(options.rounds)]
    reference = turn("plain", options.trials, 0)
    report(reference, turns)


def turn(who: str, trials: int, seed: int) -> list[Row]:
    """The trials of one search in a process of its own, in the order in which they ended."""
    arguments = ["--child", who, str(time.time()), str(trials), str(seed)]
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    rows: list[Row] = sorted(json.loads(done.stdout.strip().splitlines()[-1]))
    print(f"{who} {seed}: {len(rows)} trials in {rows[-1][0]:.1f} s", flush=True)
    return rows


def report(reference: list[Row], turns: list[list[Row]]) -> None:
    """When the plain script was done, and when each sweep had as much."""
    from quality import front, hypervolume

    points = np.concatenate([front(values(rows)) for rows in [reference, *turns]])
    ideal, worst = points.min(axis=0), points.max(axis=0)

    def volumes(rows: list[Row]) -> list[float]:
        scaled = (values(rows) - ideal) / (worst - ideal)
        return [hypervolume(scaled[: number + 1]) for number in range(len(scaled))]

    wanted, end = volumes(reference)[-1], reference[-1][0]
    print(f"plain: hypervolume {wanted:.4f} after {len(reference)} trials and {end:.1f} s")
    ratios = []
    for seed, rows in enumerate(turns):
        there = next((i for i, v in enumerate(volumes(rows)) if v >= wanted), None)
        if there is None:
            print(f"ours {seed}: {volumes(rows)[-1]:.4f} at its end, never as much")
            continue
        ratios.append(end / rows[there][0])
        print(f"ours {seed}: as much after {there + 1} trials and {rows[there][0]:.1f} s, "
              f"{ratios[-1]:.1f} times sooner")  # fmt: skip
    if ratios:
        print(f"median: {statistics.median(ratios):.1f} times sooner")


def values(rows: list[Row]) -> np.ndarray:
    """The objectives of trials, shape ``(trials, objectives)``."""
    return np.array([row[1] for row in rows])


def plain(trials: int, seed: int) -> list[Row]:
    """The plain script, whole."""
    import optuna
    from plain import sweep

    with tempfile.TemporaryDirectory() as root:
        sweep("bike_demand", trials, Path(root))
        study = optuna.load_study(study_name=None, storage=f"sqlite:///{root}/study.db")
        return [(ended(trial), list(trial.values)) for trial in study.trials]


def ours(trials: int, seed: int) -> list[Row]:
    """A launch script with another seed, started as a user does, with everything on but what the
    plain script has not either.
    """
    import optuna

    text = (SWEEPS / "bike_demand.py").read_text()
    main = '\nif __name__ == "__main__":'
    with tempfile.TemporaryDirectory() as root:
        script = Path(root) / "bike_demand.py"
        assert main in text
        script.write_text(text.replace(main, f"\nsweep.seed = {seed}\n{main}"))
        options = ["--trials", str(trials), "--quiet", "--confirm", "0", "--baselines", "none"]
        command = [sys.executable, "-W", "ignore", str(script), *options, "--root", root]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (database,) = Path(root).glob("studies/*/study.db")
        study = optuna.load_study(study_name=None, storage=f"sqlite:///{database}")
        return [(ended(trial), list(trial.values)) for trial in study.trials if trial.values]


def ended(trial: object) -> float:
    """When a trial ended, in seconds of the clock."""
    return float(trial.datetime_complete.timestamp())  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
