"""Ours against what others use, on bike demand, in one command.

    python benchmarks/peers.py build/peers                # about 20 minutes on 2 cores
    python benchmarks/peers.py build/peers --rounds 1 --trials 128

The plain script (Optuna, `fit`, MLflow), KerasTuner, Ray Tune with Optuna's sampler and two trials
at once, and a sweep take turns; see `sweep_speed.py`, which gets the other options. Peers are no
dependencies of this project: an environment of their own is made in the folder, with this project
in the versions of `constraints.txt`, and used again where it is there.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = ("keras-tuner==1.4.8", "tensorboard>=2.20", "ray[tune]>=2.59", "psutil")
DATA = ("ISLP==0.6.0",)  # a package of which a file is read
DEFAULT_TRIALS = ("--trials", "128")


def main() -> None:
    """Make the environment, and run the benchmark there."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    folder, *options = sys.argv[1:]
    python = environment(Path(folder))
    trials = () if "--trials" in options else DEFAULT_TRIALS
    benchmark = str(ROOT / "benchmarks/sweep_speed.py")
    command = [str(python), benchmark, "--parts", "dense", *trials, *options]
    raise SystemExit(subprocess.run(command).returncode)


def environment(folder: Path) -> Path:
    """The Python of an environment that has this project and its peers."""
    python, installed = folder / "bin/python", folder / ".installed"
    if not installed.exists():
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        pinned = ["--constraint", str(ROOT / "constraints.txt")]
        subprocess.run([*pip, *pinned, "--editable", str(ROOT), *PEERS], check=True)
        subprocess.run([*pip, "--no-deps", *DATA], check=True)
        installed.touch()
    return python


if __name__ == "__main__":
    main()
