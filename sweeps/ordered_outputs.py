"""Two bounds that must not cross: how dear it is that the lower one lies above the upper one.

Data: the 442 patients of scikit-learn's diabetes data; from ten numbers of each the model predicts
two bounds, between which the progress of the disease lies in eight cases of ten. Each bound has its
pinball loss. Nothing in those keeps the bounds in order, so a term between the outputs does; it is
about no target. Bounds are judged by the interval score and by how often they cross.
"""

from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes

import lossweights as lw

LOW, HIGH = 0.1, 0.9
OUTSIDE = 2 / (LOW + 1 - HIGH)  # price of a unit outside of the interval; inside it is 1


def load_data() -> lw.Data:
    x, progress = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (20 * x[order]).astype("float32"), progress[order, None].astype("float32")
    parts = [slice(250), slice(250, 346), slice(346, None)]
    train, val, test = ((x[part], {"low": y[part], "high": y[part]}) for part in parts)
    return lw.Data(train=train, val=val, test=test)


def build_model() -> object:
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes
    from keras import layers

    x = keras.Input((10,))
    bounds = {}
    for name in ("low", "high"):
        bound = layers.Dense(1)(layers.Dense(32, activation="relu")(x))
        bounds[name] = layers.Rescaling(100.0, 150.0, name=name)(bound)
    return keras.Model(x, bounds)


def crossing(y: dict[str, Any], p: dict[str, Any]) -> object:
    """How far the lower bound lies above the upper one."""
    from keras import ops

    return ops.relu(p["low"] - p["high"])


def crossed(y: dict[str, Any], p: dict[str, Any]) -> np.ndarray:
    """Whether it does."""
    return p["low"] > p["high"]


def interval_score(y: dict[str, Any], p: dict[str, Any]) -> np.ndarray:
    """The width of the interval and the price of what is outside (Gneiting and Raftery, 2007)."""
    below, above = np.maximum(p["low"] - y["low"], 0), np.maximum(y["high"] - p["high"], 0)
    return p["high"] - p["low"] + OUTSIDE * (below + above)


def make_optimizer() -> object:
    import keras

    return keras.optimizers.Adam(1e-2)


BOUNDS = ("low", "high")
sweep = lw.Sweep(
    name="ordered-outputs",
    build_model=build_model,
    load_data=load_data,
    terms={
        "low": lw.terms.on("low", lw.terms.Pinball(LOW)),
        "high": lw.terms.on("high", lw.terms.Pinball(HIGH)),
        "order": lw.terms.on(BOUNDS, crossing),
    },
    space={"low": lw.Fixed(1.0), "high": lw.Fixed(1.0), "order": lw.LogUniform(1e-2, 1e2)},
    scales=None,  # all three are in the unit of the target; in order, the third costs nothing
    metrics={
        "score": lw.metrics.on(BOUNDS, interval_score, better="smaller"),
        "crossed": lw.metrics.on(BOUNDS, crossed, better="smaller"),
    },
    objectives={"score": "minimize", "crossed": "minimize"},
    baselines=[{"low": 1.0, "high": 1.0, "order": 0.0}],  # without the order
    optimizer=make_optimizer(),
    epochs=60,
    batch_size=50,
)

if __name__ == "__main__":
    sweep.main()
