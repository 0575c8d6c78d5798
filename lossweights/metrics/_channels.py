"""Metrics that read some channels of ``y_true``, where it carries more than the target."""

from collections.abc import Callable, Mapping
from typing import Any, Unpack

import keras
import numpy as np

from lossweights.base.errors import MetricError, TermError
from lossweights.metrics._around import Around
from lossweights.metrics._arrays import to_numpy, without_last_ones
from lossweights.metrics._base import Metric, MetricArguments
from lossweights.metrics._of_function import Better, OfFunction, wide
from lossweights.metrics._output import OnOutput
from lossweights.metrics._outputs import OnOutputs
from lossweights.terms.channels import Channels, as_channels, pick, spelled


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class OnChannels(Around):
    """A metric on some channels of `y_true`; see `reading`, which makes it."""

    default_name = "on_channels"

    def __init__(
        self, metric: Metric, target: Channels | str | None = None, **host: Unpack[MetricArguments]
    ) -> None:
        if not isinstance(metric, Metric) or isinstance(metric, OnOutput | OnOutputs):
            raise MetricError(
                f"Expected a metric of lw.metrics that reads one array, or a function. Found "
                f"{type(metric).__name__}. Write lw.metrics.on(output, lw.metrics.reading(metric, "
                f"target=...))."
            )
        self.target = None if target is None else as_channels(target, "target", MetricError)
        host["name"] = host.get("name") or metric.name
        super().__init__(metric, **host)

    def given(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """The channels that are the target, alike those of weights of all channels."""
        read, shape = self._read(y_true, y_pred), np.shape(y_true)
        of_all = sample_weight is not None and len(shape) > 1 and np.shape(sample_weight) == shape
        weight = self._read(sample_weight, y_pred) if of_all else sample_weight
        return read, y_pred, weight

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the channels as a text."""
        target = None if self.target is None else spelled(self.target)
        return {**super().get_config(), "target": target}

    def _read(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = (a if hasattr(a, "shape") else np.asarray(a) for a in (y_true, y_pred))
        return picked(y_true, self.target or first_channels(y_true, y_pred))


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class OfChannels(OfFunction):
    """A function of predictions and channels of `y_true`; see `reading`, which makes it."""

    default_name = "of_channels"

    def __init__(
        self,
        function: Callable[..., Any],
        better: Better,
        target: Channels | str | None = None,
        extras: Mapping[str, Any] | None = None,
        missing: str | None = None,
        **host: Unpack[MetricArguments],
    ) -> None:
        self.target = None if target is None else as_channels(target, "target", MetricError)
        given = extras or {}
        self.extras = {name: as_channels(each, name, MetricError) for name, each in given.items()}
        super().__init__(function, better, missing, **host)

    def read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, dict[str, Any]]:
        """The target, predictions with as many axes, and the extras by name."""
        y_true, y_pred = wide(to_numpy(y_true, "y_true")), wide(to_numpy(y_pred, "y_pred"))
        extras = {name: picked(y_true, each) for name, each in self.extras.items()}
        target = picked(y_true, self.target or first_channels(y_true, y_pred))
        if y_pred.ndim == target.ndim - 1 and target.shape[-1] == 1:
            y_pred = y_pred[..., None]
        return target, y_pred, extras

    def weight_of(self, weight: Any, samples: int) -> np.ndarray:
        """A weight for each sample, or for each element."""
        if weight is None:
            return np.ones(samples)
        return without_last_ones(to_numpy(weight, "sample_weight")).astype(np.float64)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, channels as texts."""
        target = None if self.target is None else spelled(self.target)
        extras = {name: spelled(each) for name, each in self.extras.items()}
        return {**super().get_config(), "target": target, "extras": extras}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "OfChannels":
        """The metric that `get_config` described."""
        function = keras.saving.deserialize_keras_object(config["function"])
        return cls(**{**config, "function": function})


def picked(y_true: Any, channels: slice | list[int]) -> Any:
    """Those channels of the targets.

    Raises:
        MetricError: They are not there.
    """
    try:
        return pick(y_true, channels)
    except TermError as error:
        raise MetricError(str(error)) from None


def first_channels(y_true: Any, y_pred: Any) -> slice:
    """As many channels as are predicted."""
    lacks_axis = len(y_pred.shape) == len(y_true.shape) - 1
    return slice(0, 1 if lacks_axis else y_pred.shape[-1])


def reading(
    metric: Any,
    *,
    target: Channels | None = None,
    better: Better | None = None,
    **extras: Channels,
) -> OnChannels | OfChannels:
    """The ``metric`` on some channels of ``y_true``, where that carries more than the target.

    Args:
        metric: A metric; or a function ``(y_true, y_pred, ...) -> values`` of NumPy arrays with one
            value per sample or element, whose mean, weighted by the samples' weights, is the
            metric.
        target: The channels that are the metric's ``y_true``: a number, ``slice(start, stop)`` or a
            list of numbers. ``None`` for the first ones, as many as ``y_pred`` has.
        better: Whether the ``"smaller"`` or the ``"larger"`` value of a function is better.
        **extras: Channels that a function gets beside ``y_true`` and ``y_pred``, by the names of
            its arguments.

    Returns:
        A metric that reads the whole ``y_true``.

    Raises:
        MetricError: Channels are no numbers, or ``better`` or ``extras`` are given to a metric that
            is no function; when it is measured, ``y_true`` has no such channels.

    >>> from lossweights.metrics import MAE
    >>> y = [[3.0, 10.0], [5.0, 1.0]]  # a demand and its price
    >>> p = [[2.0], [2.0]]
    >>> reading(MAE(), target=0).evaluate(y, p)
    2.0
    >>> def lost(y, p, price):
    ...     return np.maximum(y - p, 0) * price
    >>> reading(lost, target=0, price=1, better="smaller").evaluate(y, p)
    6.5
    """
    if not isinstance(metric, Metric):
        return OfChannels(metric, better, target, extras)  # type: ignore[arg-type]
    if better is not None or extras:
        raise MetricError(
            f"Expected `better` and {list(extras) or 'extras'} for a function of your own. Found "
            f"them for {type(metric).__name__}, which knows its better end and reads no more than "
            f"its target. Leave them out."
        )
    return OnChannels(metric, target)
