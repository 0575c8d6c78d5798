"""Workers read the data of their driver: the same numbers, and no copy of their own."""

import os

import pytest

from lossweights.cli._script import load_sweep
from lossweights.data import shared
from lossweights.executors import Batch, Forkserver, ProcessExecutor
from lossweights.testing._contract_tools import train
from lossweights.training import Member

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no such files here")

SCRIPT = """
from pathlib import Path
import keras
import numpy as np
import lossweights as lw

SCALE = []


def load_data():
    SCALE.append(2.0)  # what a script sets up beside is there in workers too
    x = np.random.default_rng(1).normal(size=(60, 3))
    return lw.Data(train=(x, x[:, :1]), val=(x, x[:, :1]))


def build_model():
    (scale,) = SCALE
    maps = Path("/proc/self/maps").read_text().splitlines()
    held = {line.split()[4] for line in maps if "lossweights-data" in line}  # files in memory
    print("held", *held, flush=True)
    layers = [keras.layers.Rescaling(scale), keras.layers.Dropout(0.1), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((3,)), *layers])


sweep = lw.Sweep(
    name="shares", build_model=build_model, load_data=load_data,
    terms={"mse": "mse", "mae": "mae"}, space={"mse": 1.0, "mae": lw.LogUniform(0.1, 10.0)},
    metrics={"rmse": lw.metrics.RMSE()}, objectives={"rmse": "minimize"}, epochs=2,
)
"""


def test_a_worker_trains_on_what_the_driver_holds(tmp_path, monkeypatch):
    """To the last bit what is trained here on data that nobody shares."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    batch = Batch(0, (Member({"mse": 1.0, "mae": 2.0}, seed=3),))
    alone = load_sweep(script).prepare(rehearse=False)
    (here,) = alone.make_trainer("fit").train(batch.members, lambda *_: True)
    monkeypatch.setattr(shared, "LARGE", 1)
    prepared = load_sweep(script).prepare(rehearse=False).sharing()
    assert prepared.fingerprint == alone.fingerprint
    forkserver = Forkserver(load_sweep(script).worker_imports)
    executor = ProcessExecutor(
        1, {"script": str(script)}, "fit", prepared.fingerprint, tmp_path / "logs",
        shared=prepared.shared, forkserver=forkserver if Forkserver.is_possible() else None,
    )  # fmt: skip
    with executor:
        executor.start()
        ((there,),) = [e.results for e in train(executor, [batch]) if hasattr(e, "results")]
    forkserver.close()
    assert [r.to_json() for r in there.reports] == [r.to_json() for r in here.reports]
    told = (tmp_path / "logs" / "worker-1.log").read_text().splitlines()
    held = [line.split()[1:] for line in told if line.startswith("held")]
    assert held
    assert all(held)
