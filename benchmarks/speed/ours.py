"""Contestant (c): a launch script of `sweeps/` with everything on, from `run` to the report.

MLflow, study, result files, status, the winner trained once more and tested, the report.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from clock import report

sys.path.insert(0, str(Path(__file__).parents[2] / "sweeps"))


def main() -> None:
    """Run so many trials."""
    parser = argparse.ArgumentParser()
    parser.add_argument("problem")
    parser.add_argument("--trials", type=int, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        result = importlib.import_module(options.problem).sweep.run(
            trials=options.trials, root=root, quiet=True
        )
        report(min(finished.times[0] for finished in result.finished.values()) / 1000)


if __name__ == "__main__":
    main()
