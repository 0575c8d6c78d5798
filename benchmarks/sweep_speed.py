"""How many trials an hour a sweep does, against the scripts that people write without it.

The contestants train on the same data, in turns, each turn in a process of its own:

(a) plain: Optuna, Keras' `fit` and MLflow, as a competent user puts them together;
(b) tuner: KerasTuner, on bike demand; left out where it is missing;
(c) ours: the launch script of `sweeps/`, started as a user does, nothing switched off, with report
and trained winner; of the other nets a sweep in a process likewise;
(d) ray_tune: Ray Tune with Optuna's sampler, two trials at once, on bike demand; left out where it
is missing. `peers.py` makes an environment that has (b) and (d), and runs this there.

    python benchmarks/sweep_speed.py                  # all parts, about an hour on 2 cores
    python benchmarks/sweep_speed.py --parts dense --rounds 1 --trials 128 1024

Parts: ``dense`` (bike demand, wanted: 60 times as fast as the plain script), ``conv`` (masks, three
convolutions, wanted: 6 times), ``unet32`` and ``unet64`` (U-Nets, wanted: 6 times), ``recurrent``
and ``transformer`` (a GRU and one block, of series), ``quality`` (hypervolumes after as many
trials, wanted: equal within what seeds differ). A trial of (a), (b) or (d) costs the same whichever
it is, so they run only a few in a turn. (c) runs whole sweeps of several lengths, since a part of
what it does is done once a sweep.
Start-up is all that happens before the first trial begins: imports, data, databases, tracing.
Figures with start-up are for a whole sweep of the shortest length of (c), or of its own. What (c)
measures of the machine is forgotten before and after, and kept in between, as on any machine: its
first turn has it in the start-up.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import optuna

sys.path.insert(0, str(Path(__file__).parent / "speed"))

from clock import cpu

HERE = Path(__file__).parent / "speed"
SWEEPS = Path(__file__).parents[1] / "sweeps"
OURS = "ours"
# What others bring that nothing else does, and how many trials they do at once.
PEERS = {"tuner": ("keras_tuner", 1), "ray_tune": ("tensorboardX", 2)}
WANTED = {"dense": 60.0, "conv": 6.0, "unet32": 6.0, "unet64": 6.0}
PROBLEMS = {
    "dense": "bike_demand",
    "conv": "blob_masks",
    "unet32": "unet_32",
    "unet64": "unet_64",
    "recurrent": "recurrent",
    "transformer": "transformer",
}
CHILD = {"PYTHONPATH": str(Path(__file__).parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"}


@dataclass(frozen=True)
class Turn:
    """One run of a contestant, in seconds.

    Attributes:
        trials: How many it did.
        startup: Until the first trial began.
        work: From there until all was done and written.
        cpu: Of all cores together, for the whole sweep.
    """

    trials: int
    startup: float
    work: float
    cpu: float

    @property
    def a_trial(self) -> float:
        """Seconds a trial without start-up."""
        return self.work / self.trials


def main() -> None:
    """Run the parts and print what came out."""
    options = parse()
    print(f"load at the start {load()}", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        CHILD["XDG_CACHE_HOME"] = cache
        for part in options.parts:
            if part == "quality":
                print(child("quality.py", *map(str, options.quality)), flush=True)
            else:
                compare(part, options)
    print(f"load at the end {load()}")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", default=["dense", "conv", "quality"])
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--trials", type=int, nargs="+", default=[128, 1024], help="of (c)")
    parser.add_argument("--few", type=int, default=3, help="trials of (a) and (b) in a turn")
    parser.add_argument(
        "--quality",
        type=int,
        nargs=2,
        default=[128, 5],
        metavar=("TRIALS", "SEEDS"),
        help="trials of each search, and how many searches of each kind",
    )
    return parser.parse_args()


def compare(part: str, options: argparse.Namespace) -> None:
    """Let the contestants take turns at a problem, and print the table."""
    contestants = {"plain": options.few}
    for name, (module, at_once) in PEERS.items() if part == "dense" else ():
        if importlib.util.find_spec(module) is None:
            print(f"{name} is not installed and left out: run benchmarks/peers.py")
        else:
            contestants[name] = options.few * at_once
    contestants.update({f"{OURS} {trials}": trials for trials in options.trials})
    turns: dict[str, list[Turn]] = {name: [] for name in contestants}
    rates = []
    for number in range(options.rounds):
        rates.append(json.loads(child("machine.py", PROBLEMS[part])))
        for name, trials in contestants.items():
            turns[name].append(take_turn(name, PROBLEMS[part], trials))
            last = turns[name][-1]
            print(
                f"  round {number + 1}, {name}: {last.trials} trials, {last.a_trial:.3f} s each, "
                f"start-up {last.startup:.1f} s, load {load()}",
                flush=True,
            )
    print_table(part, min(options.trials), turns)
    for trials in options.trials:
        if rates[0]["gflop_a_trial"] is not None:
            print_share(rates, turns[f"{OURS} {trials}"])


def take_turn(name: str, problem: str, trials: int) -> Turn:
    """Run a contestant in a process of its own."""
    script = SWEEPS / f"{problem}.py"
    if name.startswith(OURS) and script.exists():
        return launched(script, trials)
    started = time.time()
    times = json.loads(child(f"{name.split()[0]}.py", problem, "--trials", str(trials)))
    return Turn(trials, times["began"] - started, times["ended"] - times["began"], times["cpu"])


def launched(script: Path, trials: int) -> Turn:
    """Run a launch script from its command line to the prompt."""
    with tempfile.TemporaryDirectory() as root:
        options = ["--trials", str(trials), "--root", root, "--quiet"]
        started, before = time.time(), cpu()
        run([str(script), *options, "--confirm", "0", "--baselines", "none"])
        ended = time.time()
        (database,) = Path(root).glob("studies/*/study.db")
        (study,) = optuna.get_all_study_summaries(f"sqlite:///{database}")
    assert study.datetime_start is not None  # when the first trials were asked for
    began = study.datetime_start.timestamp()
    return Turn(trials, began - started, ended - began, cpu() - before)


def child(script: str, *arguments: str) -> str:
    """What a script prints last."""
    said = run([str(HERE / script), *arguments])
    return said if script == "quality.py" else said.strip().splitlines()[-1]


def run(arguments: list[str]) -> str:
    """Run a script to its end; what it prints."""
    command = [sys.executable, "-W", "ignore", *arguments]
    done = subprocess.run(command, env=os.environ | CHILD, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def print_table(part: str, trials: int, turns: dict[str, list[Turn]]) -> None:
    """Medians over turns, without and with start-up, and their ratios."""
    bare = {name: statistics.median(t.a_trial for t in ts) for name, ts in turns.items()}
    whole = {
        name: statistics.median(
            t.startup / (t.trials if name.startswith(OURS) else trials) + t.a_trial for t in ts
        )
        for name, ts in turns.items()
    }
    cores = {name: statistics.median(t.cpu / t.trials for t in ts) for name, ts in turns.items()}
    print(f"\n{PROBLEMS[part]}: medians of {len(turns['plain'])} turns")
    print(
        f"{'':>10}{'s a trial':>11}{'trials/h':>10}{'faster':>11}   with start-up:"
        f"{'faster':>11}   core-s a trial"
    )
    for name in turns:
        print(
            f"{name:>10}{bare[name]:>11.4f}{3600 / bare[name]:>10.0f}"
            f"{bare['plain'] / bare[name]:>10.1f}x{3600 / whole[name]:>14.0f}/h"
            f"{whole['plain'] / whole[name]:>11.1f}x{cores[name]:>16.3f}"
        )
    if part in WANTED:
        print(f"wanted: ours at least {WANTED[part]:g} times as fast as plain")


def print_share(rates: list[dict[str, float]], turns: list[Turn]) -> None:
    """The arithmetic of training over what the machine could have done in that time."""
    rate = statistics.median(r["gflops"] for r in rates)
    needed = rates[0]["gflop_a_trial"]
    used = needed / statistics.median(t.a_trial for t in turns)
    print(
        f"training needs {needed:.1f} GFLOP a trial, so a sweep of {turns[0].trials} runs at "
        f"{used:.1f} GFLOP/s: {used / rate:.0%} of the {rate:.0f} of batched matmul here"
    )


def load() -> str:
    """The load of the machine over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
