"""Day-ahead demand for hire bikes: accuracy, a missing bike, and ramps at the right hour.

Data: hourly counts of Capital Bikeshare, Washington D.C., 2011, from the file ``Bikeshare.csv`` of
the package ISLP. From the last 48 hours of demand and the calendar and weather of the next 24, the
model predicts the demand of the next 24 hours, in bikes per hour.
"""

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

import lossweights as lw

HISTORY, HORIZON = 48, 24  # hours
BAD_WEATHER = {"clear": 0.0, "cloudy/misty": 0.0, "light rain/snow": 1.0, "heavy rain/snow": 1.0}


def read_hours() -> pd.DataFrame:
    """Demand, calendar and weather of every hour of the year.

    The file has no row for 115 hours. Its lowest count is 1, so an hour without a row is one
    without a hire; its weather and calendar are those of the hour before.
    """
    package = find_spec("ISLP")  # not imported: it would load all that it needs
    if package is None:
        raise FileNotFoundError("Bikeshare.csv not found: pip install --no-deps ISLP==0.6.0")
    rows = pd.read_csv(Path(str(package.origin)).parent / "data/Bikeshare.csv")
    every = pd.MultiIndex.from_product([range(1, 366), range(24)], names=["day", "hr"])
    hours = rows.set_index(["day", "hr"]).reindex(every)
    hours = hours.fillna({"bikers": 0}).ffill().reset_index()
    angle = 2 * np.pi * hours["hr"] / 24
    return pd.DataFrame(
        {
            "demand": hours["bikers"],
            "sin_hour": np.sin(angle),
            "cos_hour": np.cos(angle),
            "working_day": hours["workingday"],
            "temperature": hours["temp"],
            "humidity": hours["hum"],
            "bad_weather": hours["weathersit"].map(BAD_WEATHER),
        }
    )


def load_data() -> lw.Data:
    """Windows split by time 70/15/15, so that no target hour is in two parts."""
    hours = read_hours().to_numpy(dtype="float32")
    demand, ahead = hours[:, 0], hours[:, 1:]
    edges = (np.array([0.0, 0.7, 0.85, 1.0]) * len(hours)).astype(int)
    parts = []
    for first, last in pairwise(edges):
        starts = np.arange(max(first, HISTORY), last - HORIZON + 1)  # hour of the first target
        past = np.stack([demand[s - HISTORY : s] for s in starts]) / 100.0
        coming = np.stack([ahead[s : s + HORIZON].ravel() for s in starts])
        target = np.stack([demand[s : s + HORIZON] for s in starts])
        parts.append((np.concatenate([past, coming], axis=1), target))
    return lw.Data(train=parts[0], val=parts[1], test=parts[2])


def build_model() -> object:
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes

    return keras.Sequential(
        [
            keras.Input((HISTORY + 6 * HORIZON,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(HORIZON),
            keras.layers.Rescaling(100.0),  # the layers work in hundreds of bikes, as the inputs
        ]
    )


sweep = lw.Sweep(
    name="bike-demand",
    build_model=build_model,
    load_data=load_data,
    terms={
        "mse": "mse",
        "under": lw.terms.Underestimation(),
        "boundary": lw.terms.Boundary(axes=1),
    },
    space={
        "mse": lw.Fixed(1.0),
        "under": lw.LogUniform(1e-2, 1e2),
        "boundary": lw.LogUniform(1e-2, 1e2),
    },
    metrics={"rmse": lw.metrics.RMSE(), "shortfall": lw.metrics.Shortfall()},
    objectives={"rmse": "minimize", "shortfall": "minimize"},
    baselines=["default", {"mse": 1.0, "under": 1.0, "boundary": 0.2}],  # the article's weights
    epochs=20,
    batch_size=64,
)

if __name__ == "__main__":
    sweep.main()
