"""What is predicted for weights that were not tried: a Gaussian process for each metric.

It sees the logarithms of the weights that varied, and of numbers that were chosen beside. Its own
numbers can be exported, so that a page predicts without Python: ``k(x, x')`` is Matérn's kernel of
5/2 with a length for each weight,
``mean = offset + scale k(x)' alpha`` and ``variance = scale^2 (k(x, x) - |L^-1 k(x)|^2)``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lossweights.search.choices import is_chosen

LEAST_TRIALS = 10  # fewer say nothing between them
MOST_TRIALS = 128  # the cost grows with the cube, and the page with the square
_TENFOLD = 5.0  # the largest by the smallest value from which on a metric is predicted in logs
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictor:
    """The process of one metric.

    Attributes:
        log: Whether it predicts the logarithm of the metric.
        offset: Mean of the metric over the trials.
        scale: Its standard deviation.
        lengths: Of the kernel, one for each weight.
        height: Variance of the kernel, in parts of ``scale`` squared.
        noise: Variance of what weights do not explain, such as the seed, likewise.
        alpha: What the trials weigh in a prediction.
        factor: The lower Cholesky factor of the covariance of the trials.
        error: Root mean square of the error at a trial that was left out, in units of the metric,
            or of its logarithm.
        explained: The part of the metric's variance that is predicted at trials left out.
    """

    log: bool
    offset: float
    scale: float
    lengths: _Floats
    height: float
    noise: float
    alpha: _Floats
    factor: _Floats
    error: float
    explained: float


@dataclass(frozen=True)
class Surrogate:
    """Predictions of metrics from weights.

    Attributes:
        terms: The terms whose weights varied, and the names of the other numbers.
        low: The smallest relative weight that was tried, for each of them.
        high: The largest.
        points: The trials it learned from, shape ``(trials, terms)``, in -1 to 1.
        predictors: A process for each metric.
        fixed: The weights of the other terms.
    """

    terms: tuple[str, ...]
    low: _Floats
    high: _Floats
    points: _Floats
    predictors: Mapping[str, Predictor]
    fixed: Mapping[str, float]

    def predict(self, metric: str, weights: _Floats) -> tuple[_Floats, _Floats, _Floats]:
        """The middle of what is expected, and the ends of a 95 % interval for one more training.

        Args:
            metric: Name of the metric.
            weights: Relative weights, shape ``(rows, terms)``.
        """
        from scipy.linalg import solve_triangular

        p = self.predictors[metric]
        k = p.height * _matern(self._unit(weights), self.points, p.lengths)
        mean = p.offset + p.scale * k @ p.alpha
        inner = solve_triangular(p.factor, k.T, lower=True)
        variance = np.maximum(p.height - (inner**2).sum(axis=0), 0.0) + p.noise
        spread = 1.96 * p.scale * np.sqrt(variance)
        ends = mean, mean - spread, mean + spread
        return ends if not p.log else (np.exp(ends[0]), np.exp(ends[1]), np.exp(ends[2]))

    def _unit(self, weights: _Floats) -> _Floats:
        low, high = np.log(self.low), np.log(self.high)
        unit: _Floats = 2 * (np.log(weights) - low) / (high - low) - 1
        return unit

    def to_json(self) -> dict[str, Any]:
        """Its numbers, for whoever predicts without Python."""
        return {
            "terms": list(self.terms),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "fixed": dict(self.fixed),
            "points": _short(self.points),
            "metrics": {
                name: {
                    "log": p.log,
                    "offset": p.offset,
                    "scale": p.scale,
                    "lengths": p.lengths.tolist(),
                    "height": p.height,
                    "noise": p.noise,
                    "alpha": _short(p.alpha),
                    "factor": [_short(row[: at + 1]) for at, row in enumerate(p.factor)],
                    "error": p.error,
                    "explained": p.explained,
                }
                for name, p in self.predictors.items()
            },
        }


def fit_surrogate(
    trials: pd.DataFrame, terms: Sequence[str], metrics: Sequence[str], front: Sequence[int] = ()
) -> Surrogate | None:
    """Learn how the metrics follow the weights; ``None`` if too few trials say anything.

    Args:
        trials: Complete trials with ``number``, ``relative/`` and the name of each term, and a
            column for each metric. Those with a weight of 0 are left out. Numbers that were chosen
            beside are learned from if they are above 0, names are not.
        terms: The terms.
        metrics: What is predicted; what is not known for all of these trials is left out.
        front: Numbers of trials that are learned from in any case, where there are many.
    """
    terms = [*terms, *_numbers_beside(trials)]
    weights = trials[[column_of(term) for term in terms]]
    varied = [term for term in terms if weights[column_of(term)].nunique() > 1]
    rows = trials[(weights > 0).all(axis=1)] if varied else trials[:0]
    rows = _some(rows, front)
    varied = [term for term in varied if rows[column_of(term)].nunique() > 1]
    if len(rows) < LEAST_TRIALS or not varied:
        return None
    table = rows[[column_of(term) for term in varied]].to_numpy(dtype=float)
    low, high = table.min(axis=0), table.max(axis=0)
    points = 2 * (np.log(table) - np.log(low)) / (np.log(high) - np.log(low)) - 1
    known = {name: rows[name].to_numpy(dtype=float) for name in metrics if name in rows}
    usable = {n: v for n, v in known.items() if np.isfinite(v).all() and np.ptp(v) > 0}
    if not usable:
        return None
    fixed = {t: float(rows[column_of(t)].iloc[0]) for t in terms if t not in varied}
    predictors = {name: _fit(points, values) for name, values in usable.items()}
    return Surrogate(tuple(varied), low, high, points, predictors, fixed)


def column_of(name: str) -> str:
    """The column of a term's weight, or of a number beside it.

    >>> column_of("mse"), column_of("hyper/learning_rate")
    ('relative/mse', 'hyper/learning_rate')
    """
    return name if is_chosen(name) else f"relative/{name}"


def _numbers_beside(trials: pd.DataFrame) -> list[str]:
    """What was chosen beside weights, of which each trial has a number above 0."""
    found = [str(name) for name in trials.columns if is_chosen(str(name))]
    numbers = {name: pd.to_numeric(trials[name], errors="coerce") for name in found}
    return [name for name, values in numbers.items() if (values > 0).all()]


def _some(rows: pd.DataFrame, front: Sequence[int]) -> pd.DataFrame:
    """At most as many rows as are learned from: of the front, then evenly spaced ones."""
    if len(rows) <= MOST_TRIALS:
        return rows
    on = np.flatnonzero(rows["number"].isin(front))
    on = on[np.unique(np.linspace(0, len(on) - 1, MOST_TRIALS // 2).round().astype(int))]
    rest = np.setdiff1d(np.arange(len(rows)), on)
    even = np.linspace(0, len(rest) - 1, MOST_TRIALS - len(on)).round().astype(int)
    return rows.iloc[np.sort(np.concatenate([on, rest[np.unique(even)]]))]


def _fit(points: _Floats, values: _Floats) -> Predictor:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    log = bool(values.min() > 0 and values.max() > _TENFOLD * values.min())
    y = np.log(values) if log else values
    offset, scale = float(y.mean()), float(y.std())
    lengths = np.ones(points.shape[1])
    kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(lengths, (0.05, 50.0), nu=2.5) + WhiteKernel(
        1e-2, (1e-6, 2.0)
    )
    process = GaussianProcessRegressor(kernel, alpha=0.0, n_restarts_optimizer=0)
    with warnings.catch_warnings():  # that a length is at its bound means a weight hardly matters
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(points, (y - offset) / scale)
    signal, noise = process.kernel_.k1, float(process.kernel_.k2.noise_level)
    factor = np.asarray(process.L_)
    # Each trial left out, in closed form: Rasmussen and Williams, equations 5.10 to 5.12.
    inverse = np.linalg.inv(factor @ factor.T)
    alpha = np.asarray(process.alpha_).ravel()
    missed = alpha / np.diag(inverse)
    return Predictor(
        log=log,
        offset=offset,
        scale=scale,
        lengths=np.broadcast_to(signal.k2.length_scale, lengths.shape).astype(float),
        height=float(signal.k1.constant_value),
        noise=noise,
        alpha=alpha,
        factor=factor,
        error=scale * float(np.sqrt(np.mean(missed**2))),
        explained=1.0 - float(np.mean(missed**2)),
    )


def _matern(one: _Floats, other: _Floats, lengths: _Floats) -> _Floats:
    gaps = (one[:, None] - other[None]) / lengths
    far = np.sqrt(5.0 * (gaps**2).sum(axis=2))
    decayed: _Floats = (1.0 + far + far**2 / 3.0) * np.exp(-far)
    return decayed


def _short(values: _Floats) -> list[Any]:
    """Nine digits: enough for sums of a hundred, and half as long as all of them."""
    if values.ndim > 1:
        return [_short(row) for row in values]
    return [float(f"{value:.9g}") for value in values]
