"""A fresh environment, driven from outside: it holds what is asked for and no need of the tests."""

import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def programs():
    """The folder of the fresh environment's programs."""
    if "FRESH_PYTHON" not in os.environ:
        pytest.skip("needs an environment of its own: `make wheel` makes it")
    return Path(os.environ["FRESH_PYTHON"]).parent


@pytest.fixture
def fresh(programs, tmp_path):
    """Runs a program of the fresh environment in an empty folder; what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(program, *arguments):
        done = subprocess.run(
            [programs / program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
