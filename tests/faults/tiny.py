"""A Keras sweep of one weight, whose training goes wrong in known ways."""

import keras
import numpy as np

import lossweights as lw

X = np.ones((8, 1), np.float32)
Y = np.full((8, 1), 1000.0, np.float32)  # far away: the one weight starts at 1 and grows


def build_model():
    """``y = w x`` with ``w = 1`` at the start."""
    inputs = keras.Input((1,))
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    return keras.Model(inputs, layer(inputs))


def load_data():
    """One input, one target."""
    return lw.Data(train=(X, Y), val=(X, Y))


def tiny_sweep(terms=None, build_model=build_model, learning_rate=0.05, **options):
    """A sweep over that model; only the first term, the mean squared error, weighs anything."""
    terms = {"mse": "mse", "mae": "mae"} if terms is None else terms
    others = dict.fromkeys(list(terms)[1:], lw.LogUniform(1e-30, 1e-29))
    return lw.Sweep(
        name="tiny",
        build_model=build_model,
        load_data=load_data,
        terms=terms,
        space={"mse": 1.0, **others},
        metrics={"rmse": lw.metrics.RMSE()},
        objectives={"rmse": "minimize"},
        optimizer=keras.optimizers.SGD(learning_rate),
        epochs=3,
        batch_size=8,
        scales=None,
        **options,
    )
