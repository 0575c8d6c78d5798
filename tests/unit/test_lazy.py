"""Importing the package and asking for help are cheap: nothing heavy is loaded for them."""

import subprocess
import sys
from pathlib import Path

import pytest

import lossweights as lw

HEAVY = ("tensorflow", "keras", "mlflow", "optuna", "pandas", "scipy", "plotly", "rich.progress")

WEIGHT_SET = Path(__file__).parents[1] / "data" / "weight_set_2.json"
LOADED = """
import sys
{action}
heavy = {heavy!r}
print("loaded:", *sorted(name for name in heavy if name in sys.modules))
"""
HELP = """
try:
    from lossweights.cli._app import app
    app(["--help"], prog_name="lossweights")
except SystemExit as exit:
    assert not exit.code
"""


def loaded_by(action, heavy):
    """The heavy modules that are loaded after some code has run in a new process."""
    code = LOADED.format(action=action, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.rpartition("loaded:")[2].split()


@pytest.mark.parametrize(
    "action",
    [
        "import lossweights",
        "import lossweights as lw; dir(lw); repr(lw); lw.__version__",
        "import lossweights as lw; lw.errors.WeightError; lw.WeightSet({'mse': 1.0}).to_json()",
        "import lossweights as lw; lw.Fixed(1.0), lw.Uniform(0, 1), lw.LogUniform(1, 2)",
        f"import lossweights as lw; lw.load({str(WEIGHT_SET)!r}).to_json()",
    ],
    ids=["import", "look", "weight set", "space", "weight set file"],
)
def test_plain_values_load_nothing_heavy(action):
    """A weight set is read and a space declared without Keras, Optuna or MLflow."""
    assert loaded_by(action, HEAVY) == []


READ = f"""
import time
import lossweights as lw
lw.WeightSet({{'mse': 1.0}})
took = []
for _ in range(5):
    begun = time.perf_counter()
    lw.load({str(WEIGHT_SET)!r})
    took.append(time.perf_counter() - begun)
assert min(took) < 0.05, took
"""


def test_a_weight_set_is_read_in_less_than_50_ms():
    """Without TensorFlow; the best of five readings, for the machine may be busy."""
    assert loaded_by(READ, HEAVY) == []


def test_help_loads_nothing_heavy():
    """``lossweights --help`` answers without the libraries that a sweep needs."""
    heavy = ("tensorflow", "keras", "mlflow", "optuna", "pandas", "plotly", "scipy")
    assert loaded_by(HELP, heavy) == []


def test_reading_a_result_needs_no_training_library(tmp_path):
    """Picks are read where TensorFlow and MLflow are not even installed."""
    action = f"""
import lossweights as lw
try:
    lw.load("demand", {str(tmp_path)!r})
except lw.errors.SweepNotFound:
    pass
"""
    assert loaded_by(action, ("tensorflow", "keras", "mlflow", "optuna")) == []


@pytest.mark.parametrize("name", lw.__all__)
def test_every_public_name_is_there(name):
    """Each name of the package can be reached, and is listed."""
    assert getattr(lw, name) is not None
    assert name in dir(lw)


def test_unknown_name_is_an_attribute_error():
    """A misspelt name fails as on any module."""
    with pytest.raises(AttributeError, match="no attribute 'CombindLoss'"):
        lw.CombindLoss  # noqa: B018
