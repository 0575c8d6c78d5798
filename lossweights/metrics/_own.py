"""Metrics of the user's own: any function of arrays, and any metric of Keras."""

import inspect
from collections.abc import Callable
from typing import Any, Literal, Unpack, get_args

import keras
import numpy as np
from keras import ops

from lossweights.base.errors import MetricError
from lossweights.foreign.keras_names import direction_of
from lossweights.metrics._arrays import Array
from lossweights.metrics._base import Direction, Metric, MetricArguments
from lossweights.metrics._whole import WholeMetric

Better = Literal["larger", "smaller"]
_DIRECTIONS: dict[str | None, Direction | None] = {
    "larger": "maximize", "smaller": "minimize", None: None
}  # fmt: skip
_CHUNK = 2**24  # elements of predictions that a metric of Keras is given at a time


class OwnMetric(WholeMetric):
    """A metric whose formula is somebody else's, given NumPy arrays as data and model have them.

    Args:
        better: ``"larger"`` or ``"smaller"``, or None where nobody knows.
        name, dtype: As for every `Metric`.
    """

    unit = ""
    direction: Direction | None  # type: ignore[misc]  # of the class elsewhere

    def __init__(self, *, better: Better | None = None, **host: Unpack[MetricArguments]) -> None:
        if better not in _DIRECTIONS:
            raise MetricError(
                f"Expected `better` to be {' or '.join(map(repr, get_args(Better)))}, or None. "
                f"Found {better!r}."
            )
        self.better = better
        self.direction = _DIRECTIONS[better]
        super().__init__(**host)

    def align(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Both as they are; where one alone has a last axis of size 1, so has the other."""
        if tuple(y_true.shape) == tuple(y_pred.shape)[:-1] and y_pred.shape[-1] == 1:
            return y_true[..., None], y_pred
        if tuple(y_pred.shape) == tuple(y_true.shape)[:-1] and y_true.shape[-1] == 1:
            return y_true, y_pred[..., None]
        return y_true, y_pred


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class FunctionMetric(OwnMetric):
    """A function of arrays as a metric; see `custom`, which makes it."""

    default_name = "custom"

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        better: Better | None = None,
        **host: Unpack[MetricArguments],
    ) -> None:
        if not callable(function):
            raise MetricError(
                f"Expected a function of (y_true, y_pred). Found {function!r}. Write "
                f"lw.metrics.custom(function, better='larger')."
            )
        self.function = function
        host["name"] = host.get("name") or _name_of(function)
        super().__init__(better=better, **host)

    def measure(
        self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None
    ) -> float:
        """What the function gives: a number, or one for each row, whose mean it is then."""
        weighs = sample_weight is not None and _takes_weights(self.function)
        weights = {"sample_weight": sample_weight} if weighs else {}
        found = np.asarray(ops.convert_to_numpy(self.function(y_true, y_pred, **weights)))
        if found.ndim and len(found) == len(y_true) and found.dtype.kind in "biuf":
            rows = found.reshape(len(found), -1).mean(axis=1, dtype=np.float64)
            return float(np.average(rows, weights=None if weighs else sample_weight))
        if found.size != 1 or found.dtype.kind not in "biuf":
            raise MetricError(
                f"Expected the function of the metric `{self.name}` to give a number, or one for "
                f"each row. Found shape {found.shape}, type {found.dtype}."
            )
        if sample_weight is not None and not weighs:
            raise MetricError(
                f"Expected the function of the metric `{self.name}` to take sample_weight, as the "
                f"data have weights and it gives a number for all rows. Found that it does not. "
                f"Add the argument sample_weight=None, or give one number for each row."
            )
        return float(found.reshape(()))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, with the function as Keras writes one."""
        written = keras.saving.serialize_keras_object(self.function)
        return {**super().get_config(), "function": written}


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class KerasMetric(OwnMetric):
    """A metric of Keras as one of ours: reset, given all rows, and read.

    All rows are one batch, unless predictions have more than 16 million numbers. So the value is
    that of the data set, also of a metric that is a mean over batches, which says something else
    in `model.fit`.

    Args:
        metric: The metric. Its state is that of the last rows it was measured on.
        better: ``"larger"`` or ``"smaller"``; by default what Keras knows of it.
        name, dtype: As for every `Metric`.
    """

    default_name = "keras_metric"

    def __init__(
        self,
        metric: keras.metrics.Metric,
        *,
        better: Better | None = None,
        **host: Unpack[MetricArguments],
    ) -> None:
        if not isinstance(metric, keras.metrics.Metric) or isinstance(metric, Metric):
            raise MetricError(f"Expected a metric of Keras. Found {metric!r}.")
        self.metric = metric
        known = {"maximize": "larger", "minimize": "smaller"}.get(direction_of(metric) or "")
        host["name"] = host.get("name") or metric.name
        super().__init__(better=better or known, **host)  # type: ignore[arg-type]

    def measure(
        self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None
    ) -> float:
        """What the metric says of all rows."""
        rows = max(1, _CHUNK // max(1, y_pred[0].size))
        return self.in_batches(y_true, y_pred, sample_weight, range(0, len(y_pred), rows))

    def in_batches(
        self,
        y_true: np.ndarray,
        y_pred: np.ndarray,
        sample_weight: np.ndarray | None,
        starts: Any,
    ) -> float:
        """What the metric says of rows that it is given in batches, which begin at these."""
        if y_true.ndim == y_pred.ndim == 1:  # where Keras would take rows for channels of one
            y_true, y_pred = y_true[:, None], y_pred[:, None]
        self.metric.reset_state()
        ends = [*list(starts)[1:], len(y_pred)]
        for part in map(slice, starts, ends):
            weight = {} if sample_weight is None else {"sample_weight": sample_weight[part]}
            self.metric.update_state(y_true[part], y_pred[part], **weight)
        found = self.metric.result()
        if isinstance(found, dict) or np.size(found := ops.convert_to_numpy(found)) != 1:
            raise MetricError(
                f"Expected one number of the metric `{self.name}`. Found several. Choose one, with "
                f"average='macro' perhaps."
            )
        return float(np.reshape(found, ()))

    def is_mean_of_batches(
        self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> bool:
        """Whether the value of these rows depends on how they are cut into batches."""
        y_true, y_pred = self.align(y_true, y_pred)
        cuts = ([0], [0, 1 + len(y_pred) // 3])
        whole, cut = (self.in_batches(y_true, y_pred, sample_weight, at) for at in cuts)
        return not np.isclose(whole, cut, rtol=1e-4, atol=1e-6, equal_nan=True)


def custom(
    function: Callable[..., Any], *, better: Better | None = None, name: str | None = None
) -> FunctionMetric:
    """Any function of arrays as a metric, also as an objective.

    It is given NumPy arrays of all rows, targets as data have them and predictions as the model
    gives them (where one alone has a last axis of size 1, so has the other), and the argument
    ``sample_weight`` if it takes it and data have weights. Functions of scikit-learn fit, and those
    of `keras.metrics`. It runs outside of graphs, in every trainer alike. Predictions that are not
    finite make the value NaN; the function is not asked.

    Args:
        function: Called ``function(y_true, y_pred)``. Gives one number for all rows; or one for
            each row, whose mean, weighted if data have weights, is the value.
        better: ``"larger"`` or ``"smaller"``. In a sweep ``objectives=`` says it too.
        name: Name in Keras' logs, by default that of the function.

    Raises:
        MetricError: It is no function; or, when it measures, it gives something else, or one number
            of weighted rows without taking ``sample_weight``.

    >>> import numpy as np
    >>> def p90(y_true, y_pred):
    ...     return np.quantile(np.abs(y_true - y_pred), 0.9)
    >>> metric = custom(p90, better="smaller")
    >>> metric.direction, metric.evaluate([0.0, 0.0, 0.0], [0.0, 1.0, 2.0])
    ('minimize', 1.8)
    """
    return FunctionMetric(function, better=better, name=name)


def as_metric(value: Any, direction: str | None = None) -> Metric | None:
    """A metric of ours, of Keras, or a function, as a metric; ``None`` if it is none of these.

    Args:
        value: What was given as a metric.
        direction: Which way is said to be better, ``"minimize"`` or ``"maximize"``, for those that
            do not know it.
    """
    if isinstance(value, Metric):
        said = isinstance(value, OwnMetric) and value.better is None
        return value if not said or direction is None else _said(value, direction)
    if isinstance(value, keras.metrics.Metric):
        known = KerasMetric(value)
        return known if known.better or direction is None else _said(known, direction)
    if isinstance(value, type) or not callable(value):
        return None
    return _said(FunctionMetric(value), direction) if direction else FunctionMetric(value)


def _said(metric: Metric, direction: str) -> Metric:
    """The same metric, knowing which way is better."""
    better: Better = "larger" if direction == "maximize" else "smaller"
    if isinstance(metric, KerasMetric):
        return KerasMetric(metric.metric, better=better, name=metric.name)
    assert isinstance(metric, FunctionMetric)
    return FunctionMetric(metric.function, better=better, name=metric.name)


def _takes_weights(function: Callable[..., Any]) -> bool:
    try:
        return "sample_weight" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a function that C made
        return False


def _name_of(function: Callable[..., Any]) -> str:
    name = str(getattr(function, "__name__", type(function).__name__))
    return name if name.isidentifier() else "custom"
