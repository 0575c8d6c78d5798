"""Cell nuclei under the microscope: their area, their outline, and none of it missed.

Data: a fluorescence image of 512 by 512 pixels with 125 nuclei that people outlined, from the
package stardist (out of the Data Science Bowl 2018). Missed foreground biases every count and area
that is measured later, so how much of it is found is an objective beside the outline.
"""

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

import lossweights as lw

SIZE, BORDERS = 32, (0, 320, 416, 512)  # pixels; rows of training, validation and test


def read_image(name: str) -> np.ndarray:
    """A picture of the package, ``(512, 512)``."""
    package = find_spec("stardist")  # not imported: it would load all that it needs
    if package is None:
        raise FileNotFoundError(f"{name} not found: pip install --no-deps stardist==0.9.2")
    path = Path(str(package.origin)).parent / "data/images" / name
    return np.asarray(Image.open(path), dtype="float32")


def squares(picture: np.ndarray) -> np.ndarray:
    """A part of the picture cut up, ``(squares, SIZE, SIZE, 1)``."""
    grid = picture.reshape(len(picture) // SIZE, SIZE, -1, SIZE).swapaxes(1, 2)
    return grid.reshape(-1, SIZE, SIZE, 1)


def load_data() -> lw.Data:
    """Bands of the image, cut into squares."""
    light = np.log1p(read_image("img2d.tif"))
    light = (light - light[: BORDERS[1]].mean()) / light[: BORDERS[1]].std()
    nuclei = (read_image("mask2d.tif") > 0).astype("float32")
    bands = pairwise(BORDERS)
    parts = [(squares(light[first:last]), squares(nuclei[first:last])) for first, last in bands]
    return lw.Data(train=parts[0], val=parts[1], test=parts[2])


def build_model() -> object:
    import keras  # not above: lossweights loads it without TensorFlow's start-up notes

    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu", dilation_rate=2),
            keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ]
    )


def make_optimizer() -> object:
    import keras

    return keras.optimizers.Adam(5e-3)


sweep = lw.Sweep(
    name="nuclei",
    build_model=build_model,
    load_data=load_data,
    terms={
        "pixels": "binary_crossentropy",
        "region": lw.terms.Dice(),
        "boundary": lw.terms.Boundary(axes=(1, 2)),
        "missed": lw.terms.Underestimation(factor=1.0),  # 1 - p on nuclei, nothing elsewhere
    },
    space={
        "pixels": lw.Fixed(1.0),
        "region": lw.LogUniform(1e-2, 1e2),
        "boundary": lw.LogUniform(1e-2, 1e1),
        "missed": lw.LogUniform(1e-2, 1e1),
    },
    metrics={
        "outline": lw.metrics.BoundaryF1(tolerance=1.0),
        "found": lw.metrics.FillRate(),  # the share of the nuclei's area
        "dice": lw.metrics.Dice(average="dataset"),
    },
    objectives={"outline": "maximize", "found": "maximize"},
    baselines=["default", {"pixels": 1.0, "region": 1.0, "boundary": 0.0, "missed": 0.0}],
    optimizer=make_optimizer(),
    epochs=20,
    batch_size=8,
)

if __name__ == "__main__":
    sweep.main()
