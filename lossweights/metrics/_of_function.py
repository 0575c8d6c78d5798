"""Metrics that are the mean over samples of a function of the user's own."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal, Unpack

import numpy as np
from keras import ops

from lossweights.base.errors import MetricError
from lossweights.metrics._arrays import Array, Namespace, checked_weight, of_elements, to_numpy
from lossweights.metrics._base import Direction, MeanMetric, MetricArguments
from lossweights.terms.config import written_function

Better = Literal["smaller", "larger"]
_DIRECTIONS: Mapping[str, Direction] = {"smaller": "minimize", "larger": "maximize"}


class OfFunction(MeanMetric):
    """The mean of a function that gives one value per sample or element, from NumPy arrays.

    Args:
        function: The function.
        better: Which end of it is the better one, ``"smaller"`` or ``"larger"``.
        missing: ``"nan"`` to leave out samples with NaN in what the function reads of targets.
        name, dtype: As for every `Metric`; the name is by default that of the function.
    """

    unit = "target"
    in_graph = False

    def __init__(
        self,
        function: Callable[..., Any],
        better: Better,
        missing: str | None = None,
        **host: Unpack[MetricArguments],
    ) -> None:
        if not callable(function):
            raise MetricError(
                f"Expected a function of targets and predictions. Found {type(function).__name__}."
            )
        if better not in _DIRECTIONS:
            raise MetricError(
                f"Expected better='smaller' or better='larger' for a function as a metric. Found "
                f"{better!r}. Say which end of it is the better one."
            )
        self.function, self.better, self.missing = function, better, missing
        self.direction = _DIRECTIONS[better]  # type: ignore[misc]
        host["name"] = host.get("name") or getattr(function, "__name__", "").strip("<>") or None
        super().__init__(**host)

    @abstractmethod
    def read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, dict[str, Any]]:
        """What the function gets: targets, predictions and further arguments."""

    @abstractmethod
    def weight_of(self, weight: Any, samples: int) -> np.ndarray:
        """A weight for each sample or element, from those that were given: ``(samples, ...)``."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the function as Keras writes functions."""
        return {**super().get_config(), "function": written_function(self.function)}

    def evaluate(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The value on a whole data set at once.

        Raises:
            MetricError: What is read is not there, or the function gives no value for each sample.
        """
        total, weight = self._sums(y_true, y_pred, sample_weight, checked=True)
        return float(total / weight)

    def sums(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """The sum of the values of the samples, and of their weights."""
        return ops.convert_to_tensor(np.array(self._sums(y_true, y_pred, sample_weight)))

    def statistics(self, xp: Namespace, y_true: Array, y_pred: Array) -> list[Array]:
        """Refused: the function reads other arrays than these.

        Raises:
            MetricError: Always.
        """
        raise MetricError(
            f"Expected whole data sets for the metric {self.name!r}, which is a function of more "
            f"than the arrays of one output. Found a batch of Keras. Use it in a sweep, or with "
            f"evaluate()."
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Refused; see `statistics`."""
        self.statistics(np, y_true, y_pred)

    def _sums(
        self, y_true: Any, y_pred: Any, sample_weight: Any, *, checked: bool = False
    ) -> tuple[float, float]:
        true, pred, extras = self.read(y_true, y_pred)
        samples = len(next(iter(pred.values())) if isinstance(pred, Mapping) else pred)
        try:
            values = to_numpy(self.function(true, pred, **extras), "values").astype(np.float64)
        except Exception as error:
            read = {"y_true": _shape(true), "y_pred": _shape(pred), **_shape(extras)}
            error.add_note(f"This happened in the metric {self.name!r}, which read {read}.")
            raise
        if values.shape[:1] != (samples,):
            raise MetricError(
                f"Expected one value per sample from the metric {self.name!r}, shape ({samples},). "
                f"Found shape {values.shape}. Return values of the samples; their mean is taken."
            )
        weight = self.weight_of(sample_weight, samples)
        if self.missing is not None:
            arrays = list(true.values()) if isinstance(true, Mapping) else [true]
            arrays += extras.values()
            rows = [np.isnan(a.astype(float)).reshape(samples, -1).any(axis=1) for a in arrays]
            inner = (samples, *[1] * (weight.ndim - 1))
            weight = np.where(np.any(rows, axis=0).reshape(inner), 0.0, weight)
        if weight.ndim > 1:
            values, weight = self._elements(values, weight)
        elif values.ndim > 1:
            values = values.reshape(samples, -1).mean(axis=1)
        if checked:
            weight = checked_weight(weight, len(values))
        return float(np.sum(np.where(weight == 0, 0.0, values * weight))), float(weight.sum())

    def _elements(self, values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and weights of elements, each in a row."""
        try:
            weight = of_elements(np, weight, values)
        except MetricError:
            raise MetricError(
                f"Expected one weight for each row for the metric {self.name!r}, whose function "
                f"gives values of shape {values.shape}. Found weights of shape {weight.shape}. "
                f"Return a value for each element that is weighed, or leave the weights out where "
                f"it is measured: val=(x, y)."
            ) from None
        return values.reshape(-1), weight.reshape(-1)


def wide(array: np.ndarray) -> np.ndarray:
    """Floats and truth values in double precision; whole numbers as they are."""
    return array.astype(np.float64) if array.dtype.kind in "fb" else array


def _shape(values: Any) -> Any:
    return {k: v.shape for k, v in values.items()} if isinstance(values, Mapping) else values.shape
