"""Tomorrow at the stock exchange from one small model: the volume, and a risk not seen too low.

Data: every trading day of the New York Stock Exchange from 1962 to 1986, from the file ``NYSE.csv``
of the package ISLP (after Weigend and LeBaron, 1998). From the last ten days the model says the
volume of trade and the volatility of the next one, both as logarithms. They share its layers, so
what the loss gives to one it takes from the other.
"""

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

import lossweights as lw

HISTORY = 10  # days
SERIES = ["DJ_return", "log_volume", "log_volatility"]
YEARS = ("1962", "1976", "1980", "1987")  # training, validation, test, which is the book's


def read_days() -> pd.DataFrame:
    """A row for each trading day."""
    package = find_spec("ISLP")  # not imported: it would load all that it needs
    if package is None:
        raise FileNotFoundError("NYSE.csv not found: pip install --no-deps ISLP==0.6.0")
    return pd.read_csv(Path(str(package.origin)).parent / "data/NYSE.csv")


def load_data() -> lw.Data:
    """Windows split by the year of the day that is foretold."""
    days = read_days()
    series = days[SERIES].to_numpy("float32")
    early = series[: (days["date"] < YEARS[1]).sum()]
    scaled = (series - early.mean(0)) / early.std(0)
    x = np.lib.stride_tricks.sliding_window_view(scaled[:-1], HISTORY, axis=0)
    x = x.reshape(len(x), -1).copy()
    told, date = series[HISTORY:], days["date"][HISTORY:].to_numpy()
    volume, volatility = told[:, 1:2], told[:, 2:3]
    parts = []
    for begin, end in pairwise(YEARS):
        rows = (begin <= date) & (date < end)
        parts.append((x[rows], {"volume": volume[rows], "volatility": volatility[rows]}))
    return lw.Data(train=parts[0], val=parts[1], test=parts[2])


def build_model() -> object:
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes

    days = keras.Input((HISTORY * len(SERIES),))
    shared = keras.layers.Dense(8, activation="tanh")(days)
    volume = keras.layers.Dense(1)(shared)
    volatility = keras.layers.Dense(1)(shared)
    return keras.Model(
        days,
        {
            "volume": keras.layers.Rescaling(0.25, name="volume")(volume),
            "volatility": keras.layers.Rescaling(0.75, -10.0, name="volatility")(volatility),
        },
    )


sweep = lw.Sweep(
    name="trading-days",
    build_model=build_model,
    load_data=load_data,
    terms={
        "volume": lw.terms.on("volume", "mse"),
        "volatility": lw.terms.on("volatility", "mse"),
        "risk": lw.terms.on("volatility", lw.terms.Underestimation(power=2)),
    },
    space={
        "volume": lw.Fixed(1.0),
        "volatility": lw.LogUniform(1e-2, 1e2),
        "risk": lw.LogUniform(1e-2, 1e2),
    },
    metrics={
        "volume": lw.metrics.on("volume", lw.metrics.RMSE()),
        "risk": lw.metrics.on("volatility", lw.metrics.PinballLoss(tau=0.75)),  # too low is 3:1
        "volatility": lw.metrics.on("volatility", lw.metrics.RMSE()),
    },
    objectives={"volume": "minimize", "risk": "minimize"},
    baselines=["default", {"volume": 1.0, "volatility": 1.0, "risk": 0.0}],
    epochs=20,
    batch_size=64,
)

if __name__ == "__main__":
    sweep.main()
