"""A network that knows its equation: data, residual and initial condition of an oscillator.

Data: eight noisy measurements of a damped oscillator, drawn here, all of them from the first third
of the time; and 192 times at which nothing was measured (NaN), where ``u'' + 2 D u' + W^2 u = 0``
is to hold all the same. What was measured, the equation and the start ``u(0) = 1, u'(0) = 0`` are
one term each. The closed-form solution is what the network is judged by, over the whole time.

Residual and start are about no target: the model computes them from its own outputs, by differences
between times, and adds them under names that `lw.terms.added` makes terms.
"""

import numpy as np

import lossweights as lw

DAMPING, FREQUENCY, END = 0.3, 2.0, 6.0
STEP = 0.05  # of time, for differences
MEASURED, FREE = 8, 192


def solution(time: np.ndarray) -> np.ndarray:
    """The oscillation that starts at 1, at rest."""
    damped = np.sqrt(FREQUENCY**2 - DAMPING**2)
    swing = np.cos(damped * time) + DAMPING / damped * np.sin(damped * time)
    return np.exp(-DAMPING * time) * swing


def load_data() -> lw.Data:
    rng = np.random.default_rng(0)
    early, free = rng.uniform(0, END / 3, (MEASURED, 1)), np.linspace(0, END, FREE)[:, None]
    measured = solution(early) + rng.normal(0, 0.05, early.shape)
    x, y = np.concatenate([early, free]), np.concatenate([measured, np.full_like(free, np.nan)])
    parts = [(x, y), *((t, solution(t)) for t in (rng.uniform(0, END, (200, 1)) for _ in "vt"))]
    train, val, test = ((x.astype("float32"), y.astype("float32")) for x, y in parts)
    return lw.Data(train=train, val=val, test=test, missing="nan")


def build_model() -> object:
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes
    from keras import layers, ops

    net = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Rescaling(1.0, -END / 2),
            *(layers.Dense(24, activation="tanh") for _ in range(2)),
            layers.Dense(1),
        ]
    )
    time = keras.Input((1,))
    u, before, after = net(time), net(time - STEP), net(time + STEP)
    speed, change = (after - before) / (2 * STEP), (after - 2 * u + before) / STEP**2
    residual = change / FREQUENCY**2 + 2 * DAMPING / FREQUENCY**2 * speed + u
    u = lw.terms.AddedLoss("residual")(u, ops.square(residual))
    zero = 0.0 * time
    start, drift = net(zero) - 1.0, (net(zero + STEP) - net(zero - STEP)) / (2 * STEP * FREQUENCY)
    return keras.Model(time, lw.terms.AddedLoss("start")(u, ops.square(start) + ops.square(drift)))


def make_optimizer() -> object:
    import keras

    return keras.optimizers.Adam(1e-2)


sweep = lw.Sweep(
    name="physics-informed",
    build_model=build_model,
    load_data=load_data,
    terms={"data": "mse", "residual": lw.terms.added("residual"), "start": lw.terms.added("start")},
    space={
        "data": lw.Fixed(1.0),
        "residual": lw.LogUniform(1e-3, 1e3),
        "start": lw.LogUniform(1e-3, 1e3),
    },
    scales=None,  # all three are squares of u's own unit
    missing="nan",
    metrics={"rmse": lw.metrics.RMSE(), "mae": lw.metrics.MAE()},
    objectives={"rmse": "minimize", "mae": "minimize"},
    baselines=["equal", {"data": 1.0, "residual": 0.0, "start": 0.0}],  # and without the equation
    optimizer=make_optimizer(),
    epochs=100,
    batch_size=50,
)

if __name__ == "__main__":
    sweep.main()
