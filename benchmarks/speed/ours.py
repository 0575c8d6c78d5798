"""Contestant (c) on other nets than those of `sweeps/`: a sweep of `nets.py`, with the report.

Everything is on: MLflow, study, result files, status, the winner trained once more, the report.
"""

import tempfile
from pathlib import Path

import nets
import optuna
from clock import arguments, cpu, report

from lossweights.results.folder import sqlite_uri, sweep_folder


def main() -> None:
    """Run so many trials."""
    options = arguments()
    with tempfile.TemporaryDirectory() as root:
        sweep = getattr(nets, options.problem)
        before = cpu()
        sweep.run(trials=options.trials, root=root, quiet=True, confirm=0, baselines="none")
        storage = sqlite_uri(sweep_folder(Path(root), sweep.name) / "study.db")
        (study,) = optuna.get_all_study_summaries(storage)
        assert study.datetime_start is not None  # before anything is compiled for the first stack
        report(study.datetime_start.timestamp(), before)


if __name__ == "__main__":
    main()
