"""What the driver costs: 10,000 trials that train nothing, so all the time is the driver's own.

    python benchmarks/driver_overhead.py --sampler tpe

Everything of a sweep is on but MLflow, whose thread nobody waits for: asking the sampler, handing
out, result files and study flushed to the disk, status, progress. A trial counts when its result is
safe. Prints milliseconds a trial along the sweep, what of it is the sampler's, and the memory.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from lossweights.search.sampler import Sampler
from lossweights.sweep import _telemetry as telemetry
from lossweights.testing import FakeSweep

WINDOW = 100  # trials over which a figure is taken


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--sampler", help="by default that of sweeps")
    parser.add_argument("--root", type=Path, help="folder on the disk to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.root) as root:
        safe, spent = measure(options.trials, options.workers, Path(root), options.sampler)
    print_figures(safe, spent)


def measure(
    trials: int, workers: int, root: Path, sampler: str | None
) -> tuple[list[float], dict[str, list[float]]]:
    """The time at which each trial was safe, and the seconds of each call to the sampler."""
    safe: list[float] = []
    spent: dict[str, list[float]] = defaultdict(list)

    class Watch(telemetry.StatusBoard):
        """Notes the time of each trial."""

        def trial_ended(self, finished):
            safe.append(time.perf_counter())
            super().trial_ended(finished)

    def timed(name):
        call = getattr(Sampler, name)

        def timed_call(*args, **kwargs):
            started = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                spent[name].append(time.perf_counter() - started)

        return timed_call

    telemetry.StatusBoard = Watch
    Sampler.ask, Sampler.learn = timed("ask"), timed("learn")
    sweep = FakeSweep("overhead", epochs=3, sampler=sampler)
    script = Path(root) / "script.py"
    script.write_text("from lossweights.testing import FakeSweep\nsweep = FakeSweep('overhead')\n")
    sweep.run(trials, root=root, workers=workers, tracking=False, quiet=True, script=script)
    return safe, spent


def print_figures(safe: list[float], spent: dict[str, list[float]]) -> None:
    """The table and the verdict."""
    trials = len(safe)
    print(f"{'trial':>8} {'ms a trial':>12} {'of it ask':>12} {'learn':>8}")
    overhead = {}
    for at in (100, 200, 500, 1000, 2000, 5000, 10_000):
        if at <= trials:
            lo, hi = max(at - WINDOW, 0), at
            overhead[at] = 1000 * (safe[hi - 1] - safe[lo]) / (hi - lo - 1)
            ask, learn = (1000 * statistics.mean(spent[k][lo:hi]) for k in ("ask", "learn"))
            print(f"{at:>8} {overhead[at]:>12.2f} {ask:>12.2f} {learn:>8.2f}")
    blocks = [
        1000 * (safe[i + WINDOW - 1] - safe[i]) / (WINDOW - 1)
        for i in range(0, trials - WINDOW + 1, WINDOW)
    ]
    first, last = overhead[min(overhead)], overhead[max(overhead)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nmedian over blocks of {WINDOW}: {statistics.median(blocks):.2f} ms")
    print(f"trial {max(overhead)} against trial {min(overhead)}: {last / first:.2f} times")
    print(f"peak memory: {peak:.0f} MB")


if __name__ == "__main__":
    main()
