"""Contestant (c): a launch script of `sweeps/`, or a sweep of `nets.py`, from `run` to the report.

Everything is on: MLflow, study, result files, status, the winner trained once more, the report.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import nets
import optuna
from clock import arguments, cpu, report

from lossweights.results.folder import sqlite_uri, sweep_folder

sys.path.insert(0, str(Path(__file__).parents[2] / "sweeps"))


def main() -> None:
    """Run so many trials."""
    options = arguments()
    with tempfile.TemporaryDirectory() as root:
        sweep = getattr(nets, options.problem, None)
        if sweep is None:
            sweep = importlib.import_module(options.problem).sweep
        before = cpu()
        sweep.run(trials=options.trials, root=root, quiet=True, confirm=0, baselines="none")
        storage = sqlite_uri(sweep_folder(Path(root), sweep.name) / "study.db")
        (study,) = optuna.get_all_study_summaries(storage)
        assert study.datetime_start is not None  # before anything is compiled for the first stack
        report(study.datetime_start.timestamp(), before)


if __name__ == "__main__":
    main()
