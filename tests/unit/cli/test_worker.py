"""What a worker holds of a sweep that it got by value."""

import sys
import tracemalloc
from contextlib import ExitStack

import keras
import numpy as np

import lossweights as lw
from lossweights.cli.worker import _load
from lossweights.executors._pool import load_message
from lossweights.sweep.carried import carried

ROWS = 1 << 21


def made():
    """A sweep whose data are in a closure."""
    x, y = np.ones((ROWS, 8), np.float32), np.ones((ROWS, 1), np.float32)

    def load_data():
        return lw.Data(train=(x, y), val=(x[:9], y[:9]))

    return lw.Sweep(
        name="closure",
        build_model=lambda: keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)]),
        load_data=load_data,
        terms={"mse": "mse", "mae": "mae"},
        space={"mse": 1.0, "mae": lw.Uniform(0, 1)},
        metrics={"rmse": lw.metrics.RMSE()},
        objectives={"rmse": "minimize"},
    )


def test_data_in_a_closure_are_held_once(monkeypatch):
    """Neither what was received nor what was unpacked of it is held beside what is shared."""
    monkeypatch.setattr(sys, "argv", sys.argv)
    sweep = made()
    prepared = sweep.prepare(rehearse=False).sharing()
    assert prepared.shared is not None
    request = load_message(b"", "fit", 1, None, None, prepared.shared.path)
    tracemalloc.start()
    try:
        with ExitStack() as meanwhile:
            loaded = _load(meanwhile, request, lambda: carried(sweep))
            held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert loaded.fingerprint == prepared.fingerprint
    size = prepared.shared.nbytes
    assert most > size
    assert held < size // 4
