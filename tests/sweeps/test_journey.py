"""The journey of a weight set, each step in a process of its own: from a script to elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lossweights as lw

PACKAGE = Path(lw.__file__).parents[1]
TINY = Path(__file__).with_name("tiny.py")

# Elsewhere: no mlruns, and the weight set alone.
TRAIN = """
import json, sys
import keras, numpy as np
import lossweights as lw
weights = lw.load("weights.json")
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
weights.compile(model)
x, y = np.arange(18.0).reshape(6, 3) / 18, np.arange(6.0)[:, None]
model.fit(x, y, epochs=weights.provenance.recipe["epochs"], verbose=0)
loss = weights.loss()(y, model.predict(x, verbose=0))
why = weights.provenance.promotions[-1]["why"]
print(json.dumps([float(loss).hex(), weights.origin["pick"], why]))
"""

# Where this package is not: the printed loss, and the exported model.
PLAIN = """
import json, sys
sys.modules["lossweights"] = None
import keras, numpy as np
from loss import loss
model = keras.models.load_model("out.keras")
model.compile("sgd", loss=loss)
model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
print(json.dumps(bool(np.isfinite(model.predict(np.ones((1, 3)), verbose=0)).all())))
"""


def run(*words, cwd, module=True):
    """What a command, or a program, prints."""
    command = [sys.executable, *(["-m", "lossweights.cli"] if module else ["-c"]), *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_from_a_sweep_to_a_training_elsewhere(tmp_path):
    """Sweep, confirm, promote, export, load elsewhere, train, print, reproduce."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    run("run", TINY, "--trials", 3, "--confirm", 2, "--trainer", "serial", "--quiet", cwd=here)
    winner = json.loads((here / "mlruns/weights/tiny.json").read_text())["origin"]["pick"]
    run("promote", "tiny", "--pick", winner, "--why", "agreed", "--register", cwd=here)
    promoted = lw.load("tiny", here / "mlruns")
    assert lw.load("models:/tiny@champion", here / "mlruns").weights == promoted.weights
    promoted.save(there / "weights.json")
    run("export", "tiny", "--model", there / "out.keras", cwd=here)
    (there / "loss.py").write_text(run("best", "tiny", "--code", cwd=here))

    first, again = (run(TRAIN, cwd=there, module=False).splitlines()[-1] for _ in range(2))
    assert first == again  # to the last bit
    assert json.loads(first)[1:] == [winner, "agreed"]
    assert run(PLAIN, cwd=there, module=False).splitlines()[-1] == "true"
    assert "is reproduced bit for bit." in run("reproduce", "tiny", cwd=here)
    assert sorted(path.name for path in there.iterdir() if path.suffix) == [
        "loss.py",
        "out.keras",
        "weights.json",
    ]
