"""What a sweep measures, and which of it in which direction it is to improve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossweights.base.errors import ObjectiveError
from lossweights.base.names import check_name
from lossweights.metrics import Metric, as_metric, counts_missing
from lossweights.results.result import RESERVED_COLUMNS
from lossweights.search.wish import refuse_weighted
from lossweights.training.early_stopping import EarlyStopping


def checked_metrics(
    metrics: Mapping[str, Any], objectives: Any, early_stopping: Any
) -> dict[str, Metric]:
    """What a sweep measures, by name.

    Args:
        metrics: Metrics of ours or of Keras, or functions, by name.
        objectives: As the sweep was given them: what says which way is better, to those that do not
            know it.
        early_stopping: Likewise.

    Raises:
        InvalidName, ObjectiveError: One of them is none, or has a name that cannot be.
    """
    directions, checked = _directions(objectives, early_stopping), {}
    for name, given in metrics.items():
        check_name(name, "metric")
        metric = as_metric(given, directions.get(name))
        if metric is None:
            raise ObjectiveError(
                f"Expected a metric of lw.metrics or Keras, or a function, as {name!r}. Found "
                f"{given!r}. Write for example metrics={{'rmse': lw.metrics.RMSE()}}."
            )
        if name in RESERVED_COLUMNS:
            raise ObjectiveError(f"Expected another metric name. Found {name!r}, a table column.")
        checked[name] = metric
    for name, metric in list(checked.items()):  # what one leaves out is counted beside it
        missing = counts_missing(metric)
        if missing is not None:
            checked.setdefault(check_name(f"{name}_missing", "metric"), missing)
    return checked


def _directions(objectives: Any, early_stopping: Any) -> dict[str, str]:
    """Which way metrics are better, as far as the sweep says so; it is checked later."""
    said = dict(objectives) if isinstance(objectives, Mapping) else {}
    if isinstance(early_stopping, EarlyStopping):
        said.setdefault(early_stopping.metric, early_stopping.direction)
    return {k: v for k, v in said.items() if v in ("minimize", "maximize")}


def checked_objectives(
    objectives: Mapping[str, str], metrics: Mapping[str, Metric]
) -> dict[str, str]:
    """The objectives of a sweep, each one of its metrics with the better direction.

    Raises:
        ObjectiveError: There is none, or one is no metric or has another better end.
    """
    if not isinstance(objectives, Mapping) or not objectives:
        raise ObjectiveError(
            f"Expected at least one objective, such as {{'rmse': 'minimize'}}. "
            f"Found {objectives!r}."
        )
    for name, direction in objectives.items():
        refuse_weighted(name, "objectives")
        if name not in metrics:
            raise ObjectiveError(
                f"Expected objectives among the metrics {list(metrics)}. Found {name!r}. "
                f"Add it to metrics=."
            )
        if direction not in ("minimize", "maximize"):
            raise ObjectiveError(
                f"Expected 'minimize' or 'maximize' for the objective {name!r}. "
                f"Found {direction!r}."
            )
        kind = type(getattr(metrics[name], "metric", metrics[name])).__name__  # read on an output
        better = getattr(metrics[name], "direction", None)
        if better is None:
            raise ObjectiveError(
                f"Expected an objective that is better the smaller it is, or the larger. Found "
                f"{name!r}: neither end of {kind} is better, so the search would run away. Use one "
                f"that has a better end, such as lw.metrics.RMSE() or lw.metrics.UnderRate(); in a "
                f"metric of your own, set `direction`."
            )
        if better != direction:
            raise ObjectiveError(
                f"Expected {better!r} for the objective {name!r}, since that is the better way of "
                f"{kind}. Found {direction!r}. Turn it round."
            )
    return dict(objectives)
