"""What a sweep takes before its first training step and after its last trial: a timeline.

    python benchmarks/ends.py                        # bike demand, 32 trials, two workers, 3 turns
    python benchmarks/ends.py --against ../before    # in turns with another checkout

Seconds since the program was started, medians of the turns. The first step is when a worker has
measured the untrained model, its graphs compiled; the result is printed with the line of the
verdict. Beside it stands what ``import tensorflow`` takes alone. The first sweep on a machine times
its trainers for 4 to 10 s more, so that it is to be run twice there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
SWEEP = "--trials 32 --workers 2 --confirm 0 --baselines none"
# How the first line begins that tells of a moment.
TOLD = {"Recording": "begins to record", "trainer:": "a worker has loaded",
        "Verdict:": "result printed", "Look at it": "links printed"}  # fmt: skip


def main() -> None:
    """Run the turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--script", default="sweeps/bike_demand.py")
    parser.add_argument("--options", default=SWEEP, help="of the script")
    parser.add_argument("--against", type=Path, help="another checkout, whose turns alternate")
    given = parser.parse_args()
    checkouts = [HERE, *([given.against.resolve()] if given.against else [])]
    found: dict[Path, list[dict[str, float]]] = {checkout: [] for checkout in checkouts}
    for _ in range(given.turns):
        for checkout in checkouts:
            found[checkout].append(timeline(checkout, given.script, given.options.split()))
            told = ", ".join(f"{name} {at:.1f}" for name, at in found[checkout][-1].items())
            print(f"# {checkout.name}: {told}", flush=True)
    print(f"{'':26}" + "".join(f"{checkout.name:>14}" for checkout in checkouts))
    for moment in found[HERE][0]:
        row = [median(turn.get(moment, 0.0) for turn in turns) for turns in found.values()]
        print(f"{moment:26}" + "".join(f"{seconds:14.1f}" for seconds in row))
    print(f"import tensorflow alone: {median(imported() for _ in range(given.turns)):.1f} s")


def imported() -> float:
    """Seconds that TensorFlow takes to be imported."""
    begun = time.time()
    subprocess.run([sys.executable, "-c", "import tensorflow"], check=True, capture_output=True)
    return time.time() - begun


def timeline(checkout: Path, script: str, options: list[str]) -> dict[str, float]:
    """Seconds from the start to each moment of one sweep, in the order of a sweep."""
    moments: dict[str, float] = {}
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryDirectory() as root:
        begun = time.time()
        with subprocess.Popen(
            [sys.executable, script, *options, "--root", root],
            cwd=checkout,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as running:
            assert running.stdout is not None
            said = []
            for line in running.stdout:
                said.append(line)
                for words, moment in TOLD.items():
                    if line.startswith(words):
                        moments.setdefault(moment, time.time() - begun)
        if running.returncode:
            raise SystemExit("".join(said))
        moments["prompt"] = time.time() - begun
        results = Path(root).glob("studies/*/trials/*.json")
        times = [json.loads(path.read_bytes())["times"] for path in results]
    moments["first step"] = min(each[0] for each in times) / 1000 - begun
    moments["first trial ended"] = min(each[-1] for each in times) / 1000 - begun
    moments["last trial ended"] = last = max(each[-1] for each in times) / 1000 - begun
    in_order = dict(sorted(moments.items(), key=lambda item: item[1]))
    in_order["from last trial to result"] = moments["result printed"] - last
    in_order["from last trial to prompt"] = moments["prompt"] - last
    return in_order


if __name__ == "__main__":
    main()
