"""The problems of `sweep_speed.py` as a plain Keras script has them: no package but Keras.

Model and data are those of the launch script, or of the sweep of `nets.py`, of the same name; the
terms are written by hand, each one value per sample, as they are in `lossweights.terms`.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from keras import ops

sys.path.insert(0, str(Path(__file__).parents[2] / "sweeps"))

Term = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Problem:
    """What a script needs to train under some weights.

    Attributes:
        build_model: Gives a new model.
        load_data: Gives arrays ``train`` and ``val``.
        terms: Terms by name; the first one has weight 1, the others are searched.
        metrics: Gives new Keras metrics.
        objectives: Direction of the metrics that are optimised.
        learning_rate: Adam's.
        epochs: Passes over the data.
        batch_size: Rows a step.
    """

    build_model: Callable[[], keras.Model]
    load_data: Callable[[], Any]
    terms: Mapping[str, Term]
    metrics: Callable[[], list[Any]]
    objectives: Mapping[str, str]
    learning_rate: float
    epochs: int
    batch_size: int

    @property
    def searched(self) -> list[str]:
        """The terms whose weights are searched, from 0.01 to 100."""
        return list(self.terms)[1:]

    def compiled(self, weights: Mapping[str, float]) -> keras.Model:
        """A new model that minimises the weighted sum, and logs every term and metric."""

        def loss(y_true: Any, y_pred: Any) -> Any:
            return sum(weights[name] * term(y_true, y_pred) for name, term in self.terms.items())

        model = self.build_model()
        model.compile(
            keras.optimizers.Adam(self.learning_rate),
            loss=loss,
            metrics=[
                *(keras.metrics.MeanMetricWrapper(f, name) for name, f in self.terms.items()),
                *self.metrics(),
            ],
        )
        return model


def problem(name: str) -> Problem:
    """The problem of the launch script of that name, or of the sweep of `nets.py`."""
    if name == "bike_demand":
        import bike_demand

        return of_demand(bike_demand.build_model, bike_demand.load_data, epochs=20)
    if name == "blob_masks":
        import blob_masks

        return of_masks(blob_masks.build_model, blob_masks.load_data, learning_rate=3e-3)
    import nets

    sweep = getattr(nets, name)
    make = of_masks if name.startswith("unet") else of_demand
    return make(sweep.problem.build_model, sweep.load_data)


def of_demand(
    build_model: Callable[[], keras.Model], load_data: Callable[[], Any], epochs: int = 10
) -> Problem:
    """What is predicted hour by hour: accuracy, what is missing, ramps."""

    def mse(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)

    def under(y_true, y_pred):
        return ops.mean(2.0 * ops.relu(y_true - y_pred), axis=-1)

    def boundary(y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.abs(error[:, 1:] - error[:, :-1]), axis=-1)

    def shortfall(y_true, y_pred):
        return ops.mean(ops.relu(y_true - y_pred), axis=-1)

    return Problem(
        build_model=build_model,
        load_data=load_data,
        terms={"mse": mse, "under": under, "boundary": boundary},
        metrics=lambda: [
            keras.metrics.RootMeanSquaredError(name="rmse"),
            keras.metrics.MeanMetricWrapper(shortfall, "shortfall"),
        ],
        objectives={"rmse": "minimize", "shortfall": "minimize"},
        learning_rate=1e-3,
        epochs=epochs,
        batch_size=64,
    )


def of_masks(
    build_model: Callable[[], keras.Model],
    load_data: Callable[[], Any],
    learning_rate: float = 1e-3,
) -> Problem:
    """Masks of images: cross-entropy, overlap, outline."""
    from lossweights import metrics  # Keras metrics like any other; written by hand in neither

    def ce(y_true, y_pred):
        pixels = keras.losses.categorical_crossentropy(y_true, y_pred)
        return ops.mean(pixels, axis=(1, 2))

    def dice(y_true, y_pred):
        overlap = ops.sum(y_true * y_pred, axis=(1, 2, 3))
        sizes = ops.sum(y_true, axis=(1, 2, 3)) + ops.sum(y_pred, axis=(1, 2, 3))
        return 1.0 - 2.0 * overlap / sizes

    def boundary(y_true, y_pred):
        error = y_true - y_pred
        down = ops.mean(ops.abs(error[:, 1:] - error[:, :-1]), axis=(1, 2, 3))
        right = ops.mean(ops.abs(error[:, :, 1:] - error[:, :, :-1]), axis=(1, 2, 3))
        return (down + right) / 2.0

    return Problem(
        build_model=build_model,
        load_data=load_data,
        terms={"ce": ce, "dice_loss": dice, "boundary": boundary},
        metrics=lambda: [metrics.Dice(), metrics.BoundaryIoU()],
        objectives={"dice": "maximize", "boundary_iou": "maximize"},
        learning_rate=learning_rate,
        epochs=10,
        batch_size=16,
    )
