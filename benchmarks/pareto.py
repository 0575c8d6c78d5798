"""How long the Pareto front of 10,000 trials takes, on surfaces of which no trial beats another.

python benchmarks/pareto.py
"""

from time import process_time

import numpy as np

from lossweights.search.selection import pareto_mask

TRIALS, REPEATS = 10_000, 7


def main() -> None:
    """Print the least time of some repeats, for two objectives to five."""
    rng = np.random.default_rng(0)
    for objectives in (2, 3, 4, 5):
        surface = -np.abs(rng.normal(size=(TRIALS, objectives)))
        surface /= np.linalg.norm(surface, axis=1, keepdims=True)
        times = []
        for _ in range(REPEATS):
            start = process_time()
            kept = pareto_mask(surface).sum()
            times.append(process_time() - start)
        print(f"{objectives} objectives, {kept} on the front: {1000 * min(times):.1f} ms")


if __name__ == "__main__":
    main()
