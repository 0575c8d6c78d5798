"""Benchmarks that are prepared for machines that are seldom at hand run on this one too."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*command):
    """What it prints."""
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_that_is_measured_of_a_gpu_is_measured_without_one_in_small(tmp_path):
    """Parity holds, every trainer of every net has a rate, and one file has it all."""
    results = tmp_path / "results.json"
    run("bash", "benchmarks/gpu.sh", str(results), "--small")
    found = json.loads(results.read_text())
    assert found["parity"] == {"code": 0, "passed": 1, "said": []}
    assert set(found["nets"]) == {"perceptron", "unet", "transformer"}
    for rates in found["nets"].values():
        assert all(rates[way] > 0 for way in ("fit", "serial", "stack of 8")), rates
    assert found["nets"]["transformer"]["fit, mixed_float16"] > 0
    assert found["seconds"] > 0


def test_the_table_of_how_costs_grow_has_a_row_for_each_size():
    """With the exponent from the row above."""
    table = run(sys.executable, "benchmarks/scaling.py", "--small", "trials", "rows")
    assert len(re.findall(r"^\| trials: .* \| (64|128) \| ", table, re.MULTILINE)) == 2
    assert re.search(r"^\| rows: .* \| 1,000 \| [\d.]+ \| \| -?[\d.]+ \|$", table, re.MULTILINE)
