"""The best constant prediction for a metric: what a model that has learned nothing can reach.

A model that gives the same for every input knows nothing of the inputs. The best such prediction
is the value to beat. Which one it is depends on the metric: the mean for RMSE, the median for MAE,
a quantile for a pinball loss; so it is searched for, with the metric itself as judge.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossweights.metrics._base import Metric

log = logging.getLogger("lossweights")

_ROWS = 2048  # that are searched on; the value is that on all rows
_ELEMENTS = 1 << 21  # of these rows together
_PIXEL_ROWS = 32  # that a metric of distances is searched on, which is slow
_WORK = 2e7  # elements that may be looked at in refining a constant: about a second
_CHANNELS = 16  # above these, only quantiles and means are tried
_ALONG = 201  # constants at which several metrics are compared
_LEVELS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 1.0)

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Constant:
    """What a metric is for the best constant prediction.

    Attributes:
        value: The metric's value for it.
        perfect: The value for predictions equal to the targets, or ``None`` if there is none.
    """

    value: float
    perfect: float | None = None


def best_constant(
    metric: Metric,
    direction: str,
    y_true: Any,
    sample_weight: Any = None,
    *,
    output_shape: Any = None,
) -> Constant | None:
    """The metric of the best prediction that is the same for all samples, or ``None`` if unknown.

    The prediction has one number for each channel, the last axis of the model's output. Means and
    quantiles of the targets, or how frequent classes are, are tried, then refined by a bounded
    search over the quantile and by Powell's method (both SciPy's) over the channels, on 2048 rows
    at most; the value is that on all rows. What is found is a constant that exists, so the value is
    never better than it can be. Nothing is raised: where the metric cannot be measured on a
    constant, nothing is known.

    Args:
        metric: The metric.
        direction: ``"minimize"`` or ``"maximize"``.
        y_true: Targets, shape ``(n, ...)``; a dict of them for several outputs.
        sample_weight: Weights as the metric takes them, or ``None``.
        output_shape: ``model.output_shape``, a dict for several outputs; by default that of the
            targets.

    >>> from lossweights import metrics
    >>> best_constant(metrics.RMSE(), "minimize", [[1.0], [3.0], [5.0]]).value ** 2
    2.6666666666666665
    >>> best_constant(metrics.Shortfall(), "minimize", [[1.0], [3.0], [5.0]])
    Constant(value=0.0, perfect=0.0)
    """
    sign = -1.0 if direction == "maximize" else 1.0
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of constants on which the metric has no meaning
            data = _Outputs.read(metric, y_true, sample_weight, output_shape)
            found = _search(metric, sign, data.some(_rows_of(metric, data)))
            value = None if found is None else data.measure(metric, found)
            perfect = _perfect(metric, y_true, sample_weight)
    except Exception:  # metrics and targets may be anybody's
        log.debug("no best constant for %s", metric.name, exc_info=True)
        return None
    return None if value is None or not np.isfinite(value) else Constant(value, perfect)


def along_constants(
    metrics: Mapping[str, Metric],
    y_true: Any,
    sample_weight: Any = None,
    *,
    output_shape: Any = None,
) -> dict[str, list[float]]:
    """Metrics for the same constant predictions, from the lowest of the targets to the highest.

    Each is a quantile of every channel, `_ALONG` of them or as many as take about a second. So
    several metrics can be compared at one constant, where each has a best one of its own.

    Args:
        metrics: The metrics by name.
        y_true: As for `best_constant`.
        sample_weight: As for `best_constant`.
        output_shape: As for `best_constant`.

    Returns:
        A list for each metric, all of one length; empty if one of them has no value on constants.

    >>> from lossweights import metrics
    >>> both = {"rmse": metrics.RMSE(), "shortfall": metrics.Shortfall()}
    >>> found = along_constants(both, [[1.0], [3.0], [5.0]])
    >>> found["shortfall"][0], found["shortfall"][-1], min(found["rmse"]) ** 2
    (2.0, 0.0, 2.6666666666666665)
    """
    found: dict[str, list[float]] = {name: [] for name in metrics}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for name, metric in metrics.items():
                data = _Outputs.read(metric, y_true, sample_weight, output_shape)
                size = sum(array.size for array in data.y.values())
                most = _WORK / max(size * len(metrics), 1) if metric.in_graph else 3
                levels = np.linspace(0.0, 1.0, int(np.clip(most, 3, _ALONG)))
                found[name] = [data.measure(metric, each) for each in data.at_levels(levels)]
    except Exception:  # metrics and targets may be anybody's
        log.debug("metrics have no values along constants", exc_info=True)
        return {}
    same = len({len(values) for values in found.values()}) == 1
    return found if same and np.isfinite(list(found.values())).all() else {}


@dataclass(frozen=True)
class _Outputs:
    """Targets by output, and the shapes of the predictions; a single output has the name ``""``."""

    y: Mapping[str, np.ndarray]
    weight: Any
    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def read(cls, metric: Metric, y_true: Any, weight: Any, output_shape: Any) -> _Outputs:
        """The outputs that the metric reads."""
        several = isinstance(y_true, Mapping)
        y = {k: np.asarray(v) for k, v in (y_true if several else {"": y_true}).items()}
        read = getattr(metric, "output", None)
        y = {read: y[read]} if several and read in y else y
        shapes = {}
        for name, array in y.items():
            given = output_shape[name] if several and output_shape is not None else output_shape
            shapes[name] = _filled(array.shape if given is None else given, array.shape)
        return cls(y, weight, shapes)

    def some(self, rows: int) -> _Outputs:
        """So many of its rows, evenly spread."""
        count = len(next(iter(self.y.values())))
        at = np.linspace(0, count - 1, min(rows, count)).round().astype(int)

        def take(values: Any) -> Any:
            if isinstance(values, Mapping):
                return {k: take(v) for k, v in values.items()}
            return None if values is None else np.asarray(values)[at]

        return _Outputs(take(self.y), take(self.weight), self.shapes)

    @property
    def channels(self) -> int:
        """Over all outputs."""
        return sum(shape[-1] for shape in self.shapes.values())

    def measure(self, metric: Metric, constant: Floats) -> float:
        """The metric of a prediction, given as one number for each channel of each output."""
        guesses, start = {}, 0
        for name, shape in self.shapes.items():
            part = constant[start : start + shape[-1]]
            guesses[name] = np.broadcast_to(part, (len(self.y[name]), *shape[1:]))
            start += shape[-1]
        if "" in guesses:
            return metric.evaluate(self.y[""], guesses[""], self.weight)
        return metric.evaluate(self.y, guesses, self.weight)

    def at_level(self, level: float) -> Floats:
        """That quantile of the targets, for each channel."""
        return self._each(lambda table: np.nanquantile(table, level, axis=0))

    def at_levels(self, levels: Floats) -> Floats:
        """Those quantiles, a row each; the targets are sorted once."""
        return self._each(lambda table: np.nanquantile(table, levels, axis=0))

    def candidates(self) -> Iterator[Floats]:
        """Constants to begin with: means, quantiles, one channel alone."""
        yield self._each(lambda table: np.nanmean(table, axis=0))
        yield from (self.at_level(level) for level in _LEVELS)
        if (rates := self._rates()) is not None:
            yield rates
            yield np.log(np.maximum(rates, 1e-7))  # where predictions are logits
        if 2 <= self.channels <= _CHANNELS:
            yield from np.eye(self.channels)

    def _rates(self) -> Floats | None:
        """How frequent the classes are, where the targets of the one output are their numbers."""
        if len(self.y) != 1:
            return None
        (y,), (shape,) = self.y.values(), self.shapes.values()
        whole = y.dtype.kind in "iu" or bool((y == np.floor(y)).all())
        if shape[-1] < 2 or y.size * shape[-1] != math.prod((len(y), *shape[1:])) or not whole:
            return None
        counts = np.bincount(y.astype(int).reshape(-1), minlength=shape[-1])
        return counts / y.size if len(counts) == shape[-1] else None

    def _each(self, of: Callable[[Floats], Floats]) -> Floats:
        parts = []
        for name, shape in self.shapes.items():
            y = self.y[name].astype(np.float64)
            fits = y.ndim == len(shape) and y.shape[-1] == shape[-1]
            table = y.reshape(-1, shape[-1] if fits else 1)
            found = of(table)
            parts.append(np.broadcast_to(found, (*found.shape[:-1], shape[-1])))
        return np.concatenate(parts, axis=-1)


def _search(metric: Metric, sign: float, data: _Outputs) -> Floats | None:
    """The best constant on some rows, or ``None`` if the metric has a value on none."""
    from scipy import optimize

    def cost(constant: Floats) -> float:
        try:
            value = data.measure(metric, constant)
        except Exception:  # of this constant alone, perhaps
            return np.inf
        return sign * value if np.isfinite(value) else np.inf

    tried = [(cost(each), each) for each in data.candidates()]
    best, found = min(tried, key=lambda each: each[0])
    if not np.isfinite(best):
        return None
    if not metric.in_graph:
        return found
    size = sum(array.size for array in data.y.values())
    calls = int(min(1000, _WORK / max(size, 1)))
    levels = [one[0] for one in tried[1 : 1 + len(_LEVELS)]]
    at = int(np.argmin(levels))
    bounds = (_LEVELS[max(at - 1, 0)], _LEVELS[min(at + 1, len(_LEVELS) - 1)])
    if calls > len(_LEVELS):
        refined = optimize.minimize_scalar(
            lambda level: cost(data.at_level(level)), bounds=bounds, method="bounded",
            options={"maxiter": min(calls, 40)},
        )  # fmt: skip
        best, found = min((best, found), (refined.fun, data.at_level(refined.x)), key=_first)
    if data.channels <= _CHANNELS and calls > 20 * data.channels:
        refined = optimize.minimize(
            cost, found, method="Powell", options={"maxfev": calls, "xtol": 1e-6, "ftol": 1e-9}
        )
        best, found = min((best, found), (float(refined.fun), refined.x), key=_first)
    return found


def _first(pair: tuple[float, Floats]) -> float:
    return pair[0]


def _rows_of(metric: Metric, data: _Outputs) -> int:
    """On how many rows a constant is searched for."""
    width = max(array[0].size for array in data.y.values())
    rows = max(1, min(_ROWS, _ELEMENTS // max(width, 1)))
    return rows if metric.in_graph else min(rows, _PIXEL_ROWS)


def _perfect(metric: Metric, y_true: Any, sample_weight: Any) -> float | None:
    """The metric of predictions equal to the targets, where they may be."""
    try:
        value = metric.evaluate(y_true, y_true, sample_weight)
    except Exception:  # class numbers, say, are no predictions
        return None
    return value if np.isfinite(value) else None


def _filled(shape: Sequence[int | None], like: tuple[int, ...]) -> tuple[int, ...]:
    """A shape whose unknown sizes are those of the targets."""
    if len(shape) < 2:  # targets (n,): one channel, which the metric aligns
        return (like[0], 1)
    return tuple(
        like[axis] if size is None and axis < len(like) else int(size or 1)
        for axis, size in enumerate(shape)
    )
