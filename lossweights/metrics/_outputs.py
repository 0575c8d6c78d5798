"""Metrics between several outputs of a model."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import keras
import numpy as np

from lossweights.base.errors import MetricError
from lossweights.metrics._arrays import to_numpy, without_last_ones
from lossweights.metrics._base import Metric, MetricArguments
from lossweights.metrics._of_function import Better, OfFunction, wide
from lossweights.metrics._output import OnOutput


@keras.saving.register_keras_serializable(package="lossweights.metrics")
class OnOutputs(OfFunction):
    """A metric between outputs: a function of dicts of the outputs that it names.

    See `on`, which makes it.
    """

    default_name = "on_outputs"

    def __init__(
        self,
        outputs: Sequence[str],
        function: Callable[[dict[str, Any], dict[str, Any]], Any],
        better: Better,
        missing: str | None = None,
        **host: Unpack[MetricArguments],
    ) -> None:
        self.outputs = tuple(outputs)
        if not self.outputs or not all(isinstance(n, str) and n for n in self.outputs):
            raise MetricError(
                f"Expected the names of outputs of the model. Found {outputs!r}. Write "
                f"lw.metrics.on(('low', 'high'), function, better='smaller')."
            )
        if isinstance(function, Metric):
            raise MetricError(
                f"Expected a function of two dicts as a metric between outputs. Found "
                f"{type(function).__name__}. Write lw.metrics.on({self.outputs[0]!r}, metric) for "
                f"a metric of one output."
            )
        super().__init__(function, better, missing, **host)

    def read(self, y_true: Any, y_pred: Any) -> tuple[Any, Any, dict[str, Any]]:
        """Dicts of the outputs that are named."""
        return self._picked(y_true, "y_true"), self._picked(y_pred, "y_pred"), {}

    def weight_of(self, weight: Any, samples: int) -> np.ndarray:
        """The weights: of weights by output the geometric mean, as terms have it."""
        several = isinstance(weight, Mapping)
        given = [weight.get(output) for output in self.outputs] if several else [weight]
        arrays = [without_last_ones(to_numpy(w, "sample_weight")) for w in given if w is not None]
        axes = max((each.ndim for each in arrays), default=1)
        wide = [a.astype(np.float64).reshape(*a.shape, *[1] * (axes - a.ndim)) for a in arrays]
        if not wide:
            return np.ones(samples)
        product: np.ndarray = functools.reduce(np.multiply, wide) ** (1 / len(wide))
        return product

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "outputs": list(self.outputs)}

    def _picked(self, values: Any, what: str) -> dict[str, np.ndarray]:
        for output in self.outputs:
            if not isinstance(values, Mapping) or output not in values:
                found = sorted(values) if isinstance(values, Mapping) else "one array"
                raise MetricError(
                    f"Expected {what} to be a dict with the output {output!r}, which the metric "
                    f"{self.name!r} reads. Found {found}. Name the output layers as the metrics do."
                )
        return {output: wide(to_numpy(values[output], what)) for output in self.outputs}


def on(
    output: str | Sequence[str], metric: Any, *, better: Better | None = None
) -> OnOutput | OnOutputs:
    """The ``metric``, read from the ``output`` of a model that has several, or between some.

    For sweeps over such models, whose terms say with `lossweights.terms.on` what they read. In
    ``model.compile`` Keras has a way of its own: ``metrics={"depth": lw.metrics.RMSE()}``.

    Args:
        output: Name of the model's output; or the names of several.
        metric: A metric. Between several outputs a function ``(y_true, y_pred) -> values`` of dicts
            of NumPy arrays by output, with one value per sample or element: the metric is their
            mean, weighted by the samples' weights; where outputs have weights of their own, by
            the geometric mean of these.
        better: Whether the ``"smaller"`` or the ``"larger"`` value of the function is better.

    Returns:
        A metric whose ``y_true`` and ``y_pred`` are dicts of arrays.

    Raises:
        MetricError: ``output`` is no name, or ``metric`` no metric of one array, or no function.

    >>> from lossweights.metrics import MAE
    >>> y_true = {"depth": [[1.0], [2.0]], "mask": [[0.0], [1.0]]}
    >>> y_pred = {"depth": [[1.0], [4.0]], "mask": [[0.5], [4.5]]}
    >>> on("depth", MAE()).evaluate(y_true, y_pred)
    1.0
    >>> crossed = on(("depth", "mask"), lambda y, p: p["mask"] > p["depth"], better="smaller")
    >>> crossed.evaluate(y_true, y_pred)
    0.5
    """
    if isinstance(output, list | tuple):
        return OnOutputs(output, metric, better)  # type: ignore[arg-type]
    if better is not None:
        raise MetricError(
            f"Expected `better` for a function between several outputs. Found {better!r} for a "
            f"metric on {output!r} alone, which knows its better end. Leave it out."
        )
    return OnOutput(output, metric)  # type: ignore[arg-type]  # refuses what is no name
