"""F09: eight processes make their stores below one new root at the same time."""

import subprocess
import sys

import pytest

from .helpers import HEAD, TAIL, check_mlflow, check_sweep

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def test_f09_eight_sweeps_start_in_a_fresh_root(tmp_path):
    """One makes MLflow's tables, the others wait for it; all are recorded in full."""
    script, root = tmp_path / "script.py", tmp_path / "mlruns"
    script.write_text(HEAD + "sweep = FakeSweep('fake')" + TAIL)
    command = [sys.executable, str(script), "--root", str(root), "--trials", "3", "--workers", "0"]
    processes = [
        subprocess.Popen(
            [*command, "--name", f"sweep-{index}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(8)
    ]
    for index, process in enumerate(processes):
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        assert "could not be written" not in err
        check_sweep(root, f"sweep-{index}")
        check_mlflow(root, f"sweep-{index}")
