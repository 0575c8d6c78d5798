"""Heights of a coast from a map four times as coarse; what lies under the sea weighs nothing.

Data: topography and bathymetry around Vancouver Island, 91 by 120 points of two arc minutes, that
Matplotlib has among its samples. The model sharpens heights above the sea, as a coarse map gives
them. Points below the sea level have no such height. So the target has two channels, the height
and 1 or 0 for land, by which every term weighs its points. Right slopes, for water and slides,
stand against summits that are cut off, which a pilot cares for.
"""

import numpy as np
from matplotlib import cbook

import lossweights as lw

SIZE, FACTOR = 16, 4  # points of a square; of the fine grid to one of the coarse
PARTS = (56, 120), (28, 56), (0, 28)  # columns from east to west: training, validation, test


def read_heights() -> np.ndarray:
    """Metres above the sea, negative below it, ``(88, 120)``."""
    with np.load(str(cbook.get_sample_data("topobathy.npz", asfileobj=False))) as file:
        heights: np.ndarray = file["topo"][:88]
    return heights


def squares(heights: np.ndarray, first: int, last: int) -> np.ndarray:
    """Overlapping squares that begin at points of the coarse grid, ``(squares, SIZE, SIZE, 1)``."""
    part = heights[:, first:last]
    windows = np.lib.stride_tricks.sliding_window_view(part, (SIZE, SIZE))[::FACTOR, ::FACTOR]
    return windows.reshape(-1, SIZE, SIZE, 1).astype("float32")


def load_data() -> lw.Data:
    """Parts of the coast; at least a quarter of a square is land."""
    heights = read_heights()
    land, above = heights > 0, np.maximum(heights, 0)
    coarse = above.reshape(22, FACTOR, 30, FACTOR).mean((1, 3))
    seen = np.kron(coarse, np.ones((FACTOR, FACTOR)))
    parts = []
    for first, last in PARTS:
        x, y, weight = (squares(each, first, last) for each in (seen, above, land))
        kept = weight.mean((1, 2, 3)) >= 0.25
        parts.append((x[kept], np.concatenate([y, weight], -1)[kept]))
    return lw.Data(train=parts[0], val=parts[1], test=parts[2])


def build_model() -> object:
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes

    coarse = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Rescaling(1 / 500)(coarse)
    x = keras.layers.Conv2D(12, 5, padding="same", activation="relu")(x)
    x = keras.layers.Conv2D(12, 3, padding="same", activation="relu")(x)
    finer = keras.layers.Rescaling(500)(keras.layers.Conv2D(1, 3, padding="same")(x))
    return keras.Model(coarse, keras.layers.Add()([coarse, finer]))


def slope(y_true: np.ndarray, y_pred: np.ndarray, land: np.ndarray) -> np.ndarray:
    """The mean error of steps between neighbours on land, in metres, of each square."""
    error = np.where(land, y_pred - y_true, np.nan)
    steps = [np.diff(error, axis=axis).reshape(len(error), -1) for axis in (1, 2)]
    return np.nanmean(np.abs(np.concatenate(steps, axis=1)), axis=1)


def cut(y_true: np.ndarray, y_pred: np.ndarray, land: np.ndarray) -> np.ndarray:
    """The mean over land of metres that it is higher than predicted, of each square."""
    return np.average(np.maximum(y_true - y_pred, 0), weights=land, axis=(1, 2, 3))


sweep = lw.Sweep(
    name="coast-heights",
    build_model=build_model,
    load_data=load_data,
    terms={
        "mse": lw.terms.reading("mse", target=0, weight=1),
        "slopes": lw.terms.reading(lw.terms.Boundary(axes=(1, 2)), target=0, weight=1),
        "summits": lw.terms.reading(lw.terms.Underestimation(power=2), target=0, weight=1),
    },
    space={
        "mse": lw.Fixed(1.0),
        "slopes": lw.LogUniform(1e-2, 1e2),
        "summits": lw.LogUniform(1e-2, 1e2),
    },
    metrics={
        "slope": lw.metrics.reading(slope, target=0, land=1, better="smaller"),
        "cut": lw.metrics.reading(cut, target=0, land=1, better="smaller"),
    },
    objectives={"slope": "minimize", "cut": "minimize"},
    baselines=["default", {"mse": 1.0, "slopes": 0.0, "summits": 0.0}],
    epochs=40,
    batch_size=32,
)

if __name__ == "__main__":
    sweep.main()
