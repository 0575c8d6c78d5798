"""`lossweights plan`: a look at a script's sweep that leaves nothing behind."""

import json
import logging
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lossweights.cli._app import app

SCRIPT = """
import numpy as np
import lossweights as lw

def load_data():
    x = np.random.default_rng(0).normal(size=(64, 3))
    return lw.Data(train=(x[:48], x[:48].sum(1, keepdims=True)), val=(x[48:], x[48:, :1]))

def build_model():
    import keras
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

sweep = lw.Sweep(
    name="looked-at", build_model=build_model, load_data=load_data,
    terms={"mse": "mse", "under": lw.terms.Underestimation()},
    space={"mse": lw.LogUniform(0.1, 10.0), "under": lw.LogUniform(0.1, 10.0)},
    baselines=[{"mse": 2.0, "under": 0.5}],
    metrics={"rmse": lw.metrics.RMSE()}, objectives={"rmse": "minimize"},
    optimizer=%s, epochs=4, batch_size=16,
)
if __name__ == "__main__":
    sweep.main()
"""
FAKE = "from lossweights.testing import FakeSweep\nsweep = FakeSweep('fake')\n"


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    """A folder of its own, and the path as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def looked(text, *options):
    """What the command says of a script."""
    Path("script.py").write_text(text)
    return CliRunner().invoke(app, ["plan", "script.py", *options])


def test_a_script_is_looked_at_for_a_person():
    """Table, ranges and time, and the space's own remedy; nothing is written."""
    said = looked(SCRIPT % '"adam"', "--trials", "5", "--epochs", "7")
    assert said.exit_code == 0, said.output
    for part in ("10 steps of Adam, 16 of 48 rows", "Suggested ranges:", "mse 2, under 0.5",
                 "5 trials x 7 epochs x 3 steps x", "fix one weight"):  # fmt: skip
        assert part in said.output
    assert [path.name for path in Path().iterdir()] == ["script.py"]


def test_a_script_is_looked_at_for_a_program():
    """Weights are those of the first baseline; no time is told that nobody asked for."""
    said = looked(SCRIPT % '"sgd"', "--json")
    known = json.loads(said.output)
    assert set(known) == {
        "format", "version", "optimizer", "batch_size", "steps", "rows", "parts", "angles",
        "driver", "verdict", "space", "unscaled", "time", "notes",
    }  # fmt: skip
    assert known["time"] is None
    assert known["space"]["mse"] == {"kind": "Fixed", "value": 1.0}
    mse = known["parts"]["mse"]
    assert mse["weight"] * mse["scale"] == pytest.approx(2.0)
    assert not [note for note in known["notes"] if "fix one weight" in note]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (FAKE, (), "RecipeError: Expected a sweep of Keras models"),
        ("x = 1\n", (), "SweepNotFound: Expected one lw.Sweep"),
        (SCRIPT % '"sgd"', ("--trials", "0"), "RecipeError: Expected trials"),
        (SCRIPT % '"sgd"', ("--epochs", "-1"), "RecipeError: Expected epochs"),
        (SCRIPT % '"sgd"', ("--epochs", "9"), "RecipeError: Expected trials= with epochs="),
    ],
    ids=["fake", "no sweep", "trials", "epochs", "epochs alone"],
)
def test_what_cannot_be_looked_at_is_a_sentence(text, options, said):
    """And an exit code, as of the other commands."""
    result = looked(text, *options)
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_run_points_out_what_does_nothing(monkeypatch, root, caplog):
    """Once, at its start, as a warning."""
    from lossweights.testing import FakeSweep

    class Noted(FakeSweep):
        def prepare(self, *, rehearse):
            prepared = super().prepare(rehearse=rehearse)
            return type(prepared)(**{**vars(prepared), "notes": ("one dimension does nothing",)})

    with caplog.at_level(logging.WARNING, "lossweights"):
        Noted("fake").run(2, root=root, tracking=False, quiet=True, workers=0)
    assert [r.message for r in caplog.records].count("one dimension does nothing") == 1


@pytest.mark.parametrize(("optimizer", "told"), [("adam", 1), ("sgd", 0)])
def test_a_sweep_knows_what_does_nothing(optimizer, told):
    """It is said to whoever runs it; workers are not told."""
    from lossweights.cli._script import load_sweep

    Path("script.py").write_text(SCRIPT % f'"{optimizer}"')
    sweep = load_sweep(Path("script.py"))
    assert len(sweep.prepare(rehearse=True).notes) == told
    assert not sweep.prepare(rehearse=False).notes
