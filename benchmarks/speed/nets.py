"""Sweeps of other nets than those of `sweeps/`: U-Nets, a recurrent one and a Transformer block.

Data are drawn here; terms, metrics and ranges are those of `sweeps/blob_masks.py` and
`sweeps/bike_demand.py`. What is timed is the training, so that the data need not be hard.
"""

import functools

import numpy as np

import lossweights as lw

HOURS, READINGS, HORIZON = 48, 7, 24  # of a series: what is seen, what of each hour, what is asked


def images(number: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images of two discs ``(number, size, size, 1)``, and their masks as one-hot."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:size, :size]
    inside = np.zeros((number, size, size), dtype=bool)
    for _ in range(2):
        y, x = rng.uniform(size / 5, size * 4 / 5, (2, number, 1, 1))
        radius = rng.uniform(size / 10, size / 4, (number, 1, 1))
        inside |= (row - y) ** 2 + (column - x) ** 2 < radius**2
    noisy = inside + rng.normal(0.0, 0.7, inside.shape)
    return noisy[..., None].astype("float32"), np.stack([~inside, inside], -1).astype("float32")


def load_images(size: int, number: int) -> lw.Data:
    """Images of that size."""
    return lw.Data(train=images(number, size, seed=1), val=images(number * 3 // 10, size, seed=2))


def load_series() -> lw.Data:
    """Waves with noise: the next hours of the first reading are asked for."""
    parts = []
    for rows, seed in ((2048, 1), (512, 2)):
        rng = np.random.default_rng(seed)
        hours = np.arange(HOURS + HORIZON)
        waves = rng.uniform(3, 24, (rows, 1, READINGS))
        series = np.sin(hours[:, None] / waves + rng.uniform(0, 6, (rows, 1, READINGS)))
        series += rng.normal(0.0, 0.2, series.shape)
        parts.append((series[:, :HOURS].astype("float32"), series[:, HOURS:, 0].astype("float32")))
    return lw.Data(train=parts[0], val=parts[1])


def build_unet(size: int) -> object:
    """Two steps down and up again, 8 to 32 channels, 29,000 parameters."""
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes
    from keras import layers

    def twice(x: object, channels: int) -> object:
        for _ in range(2):
            x = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        return x

    inputs = keras.Input((size, size, 1))
    fine = twice(inputs, 8)
    middle = twice(layers.MaxPooling2D()(fine), 16)
    coarse = twice(layers.MaxPooling2D()(middle), 32)
    x = layers.Concatenate()([layers.UpSampling2D()(coarse), middle])
    x = layers.Concatenate()([layers.UpSampling2D()(twice(x, 16)), fine])
    outputs = layers.Conv2D(2, 1, activation="softmax")(twice(x, 8))
    return keras.Model(inputs, outputs)


def build_recurrent() -> object:
    """A GRU of 32 over 48 hours."""
    import keras
    from keras import layers

    return keras.Sequential([keras.Input((HOURS, READINGS)), layers.GRU(32), layers.Dense(HORIZON)])


def build_transformer() -> object:
    """One block of a Transformer: four heads of 8, a layer of 64."""
    import keras
    from keras import layers

    inputs = keras.Input((HOURS, READINGS))
    x = layers.Dense(32)(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 8)(x, x))
    inner = layers.Dense(32)(layers.Dense(64, activation="relu")(x))
    x = layers.LayerNormalization()(x + inner)
    return keras.Model(inputs, layers.Dense(HORIZON)(layers.Flatten()(x)))


def of_images(name: str, size: int, number: int) -> lw.Sweep:
    """A sweep of a U-Net."""
    return lw.Sweep(
        name=name,
        build_model=functools.partial(build_unet, size),
        load_data=functools.partial(load_images, size, number),
        terms={
            "ce": "categorical_crossentropy",
            "dice": lw.terms.Dice(ignore=0),
            "boundary": lw.terms.Boundary(axes=(1, 2)),
        },
        space={
            "ce": lw.Fixed(1.0),
            "dice": lw.LogUniform(1e-2, 1e2),
            "boundary": lw.LogUniform(1e-2, 1e2),
        },
        metrics={
            "dice": lw.metrics.Dice(ignore=0),
            "boundary_iou": lw.metrics.BoundaryIoU(ignore=0),
        },
        objectives={"dice": "maximize", "boundary_iou": "maximize"},
        optimizer="adam",
        epochs=10,
        batch_size=16,
    )


def of_series(name: str, build_model: object) -> lw.Sweep:
    """A sweep of a net that predicts a series."""
    return lw.Sweep(
        name=name,
        build_model=build_model,
        load_data=load_series,
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
        epochs=10,
        batch_size=64,
    )


unet_32 = of_images("unet-32", size=32, number=320)
unet_64 = of_images("unet-64", size=64, number=160)
recurrent = of_series("recurrent", build_recurrent)
transformer = of_series("transformer", build_transformer)
