"""Masks with the right outline: cross-entropy, overlap, and a boundary term that measures space.

Data: drawn here, noisy images of two discs of random place and size, with their masks as one-hot
targets. The terms are those of the article that the project grew from, cross-entropy plus 0.2
times a boundary term, and the overlap that people add to them. Overlaps leave the background out:
a model that finds nothing has a Dice of 0.
"""

import numpy as np

import lossweights as lw

SIZE = 32  # pixels


def draw(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images ``(images, SIZE, SIZE, 1)`` and their masks ``(images, SIZE, SIZE, 2)``."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:SIZE, :SIZE]
    inside = np.zeros((images, SIZE, SIZE), dtype=bool)
    for _ in range(2):
        y, x = rng.uniform(6, SIZE - 6, (2, images, 1, 1))
        radius = rng.uniform(3, 8, (images, 1, 1))
        inside |= (row - y) ** 2 + (column - x) ** 2 < radius**2
    noisy = inside + rng.normal(0.0, 0.7, inside.shape)
    return noisy[..., None].astype("float32"), np.stack([~inside, inside], -1).astype("float32")


def load_data() -> lw.Data:
    return lw.Data(train=draw(320, seed=1), val=draw(96, seed=2), test=draw(96, seed=3))


def build_model() -> object:
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes

    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(2, 3, padding="same", activation="softmax"),
        ]
    )


def make_optimizer() -> object:
    import keras

    return keras.optimizers.Adam(3e-3)


sweep = lw.Sweep(
    name="blob-masks",
    build_model=build_model,
    load_data=load_data,
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
    baselines=["default", {"ce": 1.0, "dice": 0.01, "boundary": 0.2}],  # the article's weights
    optimizer=make_optimizer(),
    epochs=10,
    batch_size=16,
)

if __name__ == "__main__":
    sweep.main()
