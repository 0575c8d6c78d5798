"""What the processes of a sweep hold together, with data that are shared and with copies of each.

A sweep of one Dense layer on so many gigabytes of training data, by so many workers:

    python benchmarks/shared_data.py --gigabytes 2 --workers 2

Memory is the sum of the proportional set sizes (``Pss`` of ``/proc/PID/smaps_rollup``, which counts
a page that n processes share as 1/n in each) of driver, forkserver and workers: the most that was
seen, and the median over the second half of the time for which all workers were there. Linux alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

FEATURES = 512
EVERY = 0.25  # seconds
SCRIPT = """
import keras
import numpy as np

import lossweights as lw
from lossweights.data import shared

ROWS, LARGE, WORKERS, TRAINER, TRIALS = {rows}, {large}, {workers}, {trainer!r}, {trials}


def load_data():
    some = np.random.default_rng(0).normal(size=(4096, {features})).astype("float32")
    x = np.resize(some, (ROWS, {features}))
    y = x[:, :1] + 0.1 * x[:, 1:2]
    return lw.Data(train=(x, y), val=(some, some[:, :1]))


def build_model():
    return keras.Sequential([keras.Input(({features},)), keras.layers.Dense(1)])


sweep = lw.Sweep(
    name="large-data", build_model=build_model, load_data=load_data,
    terms={{"mse": "mse", "under": lw.terms.Underestimation()}},
    space={{"mse": lw.Fixed(1.0), "under": lw.LogUniform(1e-2, 1e2)}},
    metrics={{"rmse": lw.metrics.RMSE()}}, objectives={{"rmse": "minimize"}},
    optimizer="adam", epochs=2, batch_size=4096, baselines="none",
)

if __name__ == "__main__":
    shared.LARGE = LARGE
    result = sweep.run(TRIALS, workers=WORKERS, trainer=TRAINER, tracking=False, confirm=0)
    print(result.trials["rmse"].tolist())
"""


def main() -> None:
    """Measure both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--trainer", default="stacked", choices=("stacked", "serial", "fit"))
    asked = parser.parse_args()
    rows = int(asked.gigabytes * 1e9 / (4 * FEATURES))
    found = {}
    for name, large in (("a copy in each", 1 << 60), ("held once", 1)):
        options = {"rows": rows, "large": large, "features": FEATURES, "workers": asked.workers,
                   "trainer": asked.trainer, "trials": asked.trials}  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "large.py")
            script.write_text(SCRIPT.format(**options), encoding="utf-8")
            found[name] = measure(script, asked.workers)
    print(f"{asked.gigabytes:g} GB of training data, {asked.workers} workers, {asked.trainer}")
    for name, each in found.items():
        print(f"{name:15} {each['training']:6.2f} GB while training, {each['most']:6.2f} GB at most"
              f", {each['seconds']:5.1f} s, {each['processes']} processes")  # fmt: skip
    assert len({each["said"] for each in found.values()}) == 1, "the trials differ"


def measure(script: Path, workers: int) -> dict[str, float | str]:
    """Run a sweep and watch what its processes hold."""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    running = subprocess.Popen([sys.executable, script.name], cwd=script.parent, text=True,
                               env=environment, stdout=subprocess.PIPE)  # fmt: skip
    samples: list[tuple[int, int, float]] = []  # processes, workers among them, gigabytes
    over = threading.Event()

    def watch() -> None:
        while not over.wait(EVERY):
            parents = tree(running.pid)
            sizes = {pid: size for pid in parents if (size := held(pid))}
            working = sum(is_worker(pid, parents[pid]) for pid in sizes)
            samples.append((len(sizes), working, sum(sizes.values()) / 1e9))

    watching = threading.Thread(target=watch)
    watching.start()
    printed, _ = running.communicate()
    over.set()
    watching.join()
    if running.returncode:
        raise SystemExit(running.returncode)
    training = [size for _, working, size in samples if working >= workers]
    return {
        "training": statistics.median(training[len(training) // 2 :]),
        "most": max(size for *_, size in samples),
        "processes": max(processes for processes, *_ in samples),
        "seconds": time.monotonic() - started,
        "said": json.dumps(printed.splitlines()[-1]),
    }


def tree(root: int) -> dict[int, int]:
    """A process and all that come from it, each with its parent."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found, todo = {root: 0}, [root]
    for pid in todo:
        found |= dict.fromkeys(children.get(pid, []), pid)
        todo += children.get(pid, [])
    return found


def held(pid: int) -> int:
    """The proportional set size of a process, in bytes; 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def is_worker(pid: int, parent: int) -> bool:
    """Whether a process is a worker: started as one, or forked from the process for that."""
    return "cli.worker" in command(pid) or "cli.forkserver" in command(parent)


def command(pid: int) -> str:
    """The command line of a process; empty if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    return ""


if __name__ == "__main__":
    main()
