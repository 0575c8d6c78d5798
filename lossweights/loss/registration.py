"""Make Keras know our losses and metrics before it reads a saved model, without importing either.

``keras.models.load_model`` finds a custom loss or metric only if its class is registered. That
needs Keras, which takes seconds to import, and ``import lossweights`` must not pay for it. So the
registration waits for the program's own ``import keras``. Then it enters stand-ins under the names
of our classes, and not the classes: importing them in the middle of an import of Keras would fail
wherever one of their own modules is what imports Keras. The first stand-in that is used imports the
classes, which register themselves in the place of all stand-ins.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lossweights.base.imports import around_import

MODULES = ("lossweights.loss.combined", "lossweights.metrics")  # they import all that registers

NAMES = {
    "lossweights": (
        *("CombinedLoss", "OutputLoss", "CustomLoss", "KerasLoss"),
        *("Added", "AddedLoss"),
        *("OnChannels", "OnKnown", "OnMask", "OnOutput", "OnOutputs"),
        *("Huber", "MeanAbsoluteError", "MeanSquaredError"),
        *("Expectile", "Linex", "Newsvendor", "Overestimation", "Pinball", "Underestimation"),
        *("Boundary", "BoundaryF1", "SoftBoundaryDice", "TotalVariation"),
        *("DistanceBoundary", "HausdorffDistance"),
        *("Dice", "Focal", "Tversky"),
    ),
    "lossweights.metrics": (
        *("OfChannels", "OnChannels", "OnKnown", "OnOutput", "OnOutputs"),
        *("FunctionMetric", "KerasMetric", "Missing"),
        *("Accuracy", "BalancedAccuracy", "F1", "AUC", "AveragePrecision"),
        *("LogLoss", "BrierScore", "CalibrationError"),
        *("Bias", "EdgeRMSE", "MAE", "RMSE"),
        *("FillRate", "NewsvendorCost", "ServiceLevel", "Shortfall", "UnderRate"),
        *("PinballLoss", "QuantileCrossing"),
        *("BoundaryF1", "BoundaryIoU", "Dice", "IoU"),
        *("AverageSurfaceDistance", "HD95", "SurfaceDice"),
    ),
}


def register_with_keras() -> None:
    """Register losses and metrics as soon as Keras is there: now, or right after its import."""
    around_import("keras", _then_register)
    if "keras" in sys.modules:
        _register()


@contextmanager
def _then_register() -> Iterator[None]:
    yield  # and no further where Keras cannot be imported
    _register()


def _register() -> None:
    registry = _registry()
    for package, names in NAMES.items():
        for name in names:
            registry.setdefault(f"{package}>{name}", _stand_in(f"{package}>{name}", name))


def _registry() -> dict[str, Any]:
    """Keras' classes by the names that saved models know them by."""
    registry: dict[str, Any] = importlib.import_module("keras.saving").get_custom_objects()
    return registry


def _stand_in(known: str, name: str) -> type:
    """A class that does what Keras does with a registered one: it makes objects, of the real one.

    Args:
        known: The name that it is registered by.
        name: The name of the class.
    """

    def real() -> Any:
        for module in MODULES:
            importlib.import_module(module)
        return _registry()[known]

    class StandIn:
        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            return real()(*arguments, **named)

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            return real().from_config(config)

    StandIn.__name__ = StandIn.__qualname__ = name
    return StandIn
