"""The journey of a weight set, each step in a process of its own: from a script to elsewhere."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager, suppress
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

ROWS = [[1.0, 1.0, 1.0], [0.0, 2.0, -1.0]]
# Where this package is not: the exported model, and the printed loss.
PLAIN = f"""
import json, sys
sys.modules["lossweights"] = None
import keras, numpy as np
from loss import loss
model = keras.models.load_model("out.keras")
found = model.predict(np.array({ROWS}), verbose=0)
model.compile("sgd", loss=loss)
model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
assert np.isfinite(model.predict(np.ones((1, 3)), verbose=0)).all()
print(json.dumps(found.tolist()))
"""


def readme_commands():
    """What the README has one say to ``lossweights`` on this journey, of the sweep of seconds."""
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    section = text.split("### The best weights, in your own training")[1].split("\n### ")[0]
    found = re.findall(r"^\$ lossweights (.+?)(?: +#.*)?$", section, re.MULTILINE)
    short = f"{shlex.quote(str(TINY))} --trials 3 --trainer serial --quiet --confirm 2"
    of_bikes = "sweeps/bike_demand.py --trials 64 --confirm 3"
    return [each.replace(of_bikes, short).replace("bike-demand", "tiny") for each in found]


def shell(command, cwd):
    """What a command prints, as a person types it behind ``lossweights``."""
    return run("bash", "-c", f"{shlex.quote(sys.executable)} -m lossweights.cli {command}", cwd=cwd)


def run(*command, cwd):
    """What a program prints."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def served(model, cwd):
    """The address at which ``mlflow models serve`` answers for an exported model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model)),
               *("--env-manager", "local", "--port", str(port))]  # fmt: skip
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow calls uvicorn
    environment = {**os.environ, "PATH": path}
    with (cwd / "log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, cwd=cwd, env=environment
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"{address}/ping", timeout=30):
                break
            assert server.poll() is None, (cwd / "log").read_text()
            threading.Event().wait(0.5)
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answer(address, rows):
    """What a served model predicts."""
    request = urllib.request.Request(
        f"{address}/invocations",
        json.dumps({"inputs": rows}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as found:
        return json.load(found)["predictions"]


@pytest.mark.slow
@pytest.mark.timeout(900)  # a dozen processes
def test_from_a_sweep_to_a_training_elsewhere(tmp_path):
    """Sweep, confirm, promote, export, load elsewhere, train, print, serve, reproduce.

    Here by the commands of the README, one by one.
    """
    here, there, root = tmp_path / "here", tmp_path / "there", tmp_path / "here" / "mlruns"
    here.mkdir()
    there.mkdir()
    said = {command: shell(command, here) for command in readme_commands()}
    assert "They say the same." in said["diff tiny weights.json"]
    assert "is reproduced bit for bit." in said["reproduce tiny"]
    promoted, champion = lw.load("tiny", root), lw.load("models:/tiny@champion", root)
    assert champion == promoted == lw.load(here / "weights.json")
    assert (promoted.origin["pick"], promoted.provenance.confirmation["look"]) == ("knee", 1)
    for name in ("weights.json", "out.keras", "served", "loss.py"):
        (here / name).rename(there / name)

    first, again = (run(sys.executable, "-c", TRAIN, cwd=there).splitlines()[-1] for _ in range(2))
    assert first == again  # to the last bit
    assert json.loads(first)[1:] == ["knee", "agreed with the depot"]
    plain = json.loads(run(sys.executable, "-c", PLAIN, cwd=there).splitlines()[-1])
    with served(there / "served", there) as address:
        assert answer(address, ROWS) == [pytest.approx(row, rel=1e-6) for row in plain]
    left = sorted(path.name for path in there.iterdir() if not path.name.startswith("__"))
    assert left == ["log", "loss.py", "out.keras", "served", "weights.json"]  # and no mlruns
