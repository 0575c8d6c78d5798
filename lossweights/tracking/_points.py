"""What is recorded of a trial: params, tags, and points of charts, as plain values.

Metrics of a child run, with the epoch as step (0 is before training):

    magnitude_train/<term>, magnitude_val/<term>   unweighted means
    weighted_train/<term>, weighted_val/<term>     times the effective weight
    share_train/<term>, share_val/<term>           part of the weighted total
    <metric>                                       weight-independent, on validation data
    weight/<term>                                  with adaptive weighting, what multiplied the term
                                                   in the epoch that ended

where gradients were measured, every few epochs (see `lossweights.dominance.gram`):

    gradnorm/<term>, gradshare/<term>              length of the unweighted gradient; part of the
                                                   weighted lengths
    contribution/<term>                            part in the first-order decrease
    cosine/<term>/<term>                           angle between the gradients of two terms

and once, at the last epoch (see `lossweights.dominance.judge`):

    decrease/<term>, late/<term>                   decrease share of the whole run, and of the
                                                   second half of the decrease
    baseline/<term>                                decrease share from the mean of the targets on
    conflict, calibration                          0 to 1
    stderr/<metric>                                over the seeds, if there are several
    test/<metric>                                  on test data, in confirmations alone
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lossweights.dominance import gram
from lossweights.dominance.shares import shares
from lossweights.dominance.verdict import Verdict
from lossweights.records import EpochReport, Failure, TrialResult
from lossweights.search.choices import shown
from lossweights.tracking._subject import Ended

LARGEST = 1e300  # MLflow clips infinities to 1.8e308, which wrecks every chart
MAX_NOTE = 6000  # characters; MLflow takes 8000 in a tag


class Point(NamedTuple):
    """A point of a chart: its key, value, step, and time in milliseconds since 1970."""

    key: str
    value: float
    step: int
    time: int


def report_points(weights: Mapping[str, float], report: EpochReport, time: int) -> Iterator[Point]:
    """The points of one epoch, without what is not finite."""
    parts = report.parts(weights)
    names, factors = list(parts), list(parts.values())
    for split, magnitudes in (("train", report.train), ("val", report.val)):
        values = [magnitudes[name] for name in names]
        with np.errstate(all="ignore"):  # of a term that diverged: such points are left out
            fractions = shares(factors, values)
        for name, value, weight, share in zip(names, values, factors, fractions, strict=True):
            yield from _point(f"magnitude_{split}/{name}", value, report, time)
            yield from _point(f"weighted_{split}/{name}", weight * value, report, time)
            yield from _point(f"share_{split}/{name}", float(share), report, time)
    for name, value in report.metrics.items():
        yield from _point(name, value, report, time)
    for name, weight in (report.weights or {}).items():
        yield from _point(f"weight/{name}", weight, report, time)
    matrix = report.gram_matrix(names)
    if matrix is not None:
        for key, value in gram.gram_metrics(parts, matrix).items():
            yield from _point(key, value, report, time)
    if report.calibration is not None:
        yield from _point("calibration", report.calibration, report, time)


def result_points(
    result: TrialResult, verdict: Verdict | None, times: tuple[int, ...]
) -> list[Point]:
    """Every point of a training that has ended; ``times`` has one for each report."""
    points = [
        point
        for report, time in zip(result.reports, times, strict=True)
        for point in report_points(result.weights, report, time)
    ]
    if verdict is not None and result.reports:
        for key, value in _judged(verdict).items():
            points.extend(_point(key, value, result.reports[-1], times[-1]))
    for name, value in result.standard_errors.items():
        points.extend(_point(f"stderr/{name}", value, result.reports[-1], times[-1]))
    for name, value in result.test.items():
        points.extend(_point(f"test/{name}", value, result.reports[-1], times[-1]))
    return points


def latest(points: Sequence[Point]) -> list[Point]:
    """The latest point of each key, which MLflow shows in its tables.

    >>> latest([Point("a", 2.0, 0, 7), Point("a", 1.0, 1, 8)])
    [Point(key='a', value=1.0, step=1, time=8)]
    """
    found = {point.key: point for point in sorted(points, key=lambda p: (p.step, p.time, p.value))}
    return list(found.values())


def _judged(verdict: Verdict) -> dict[str, float]:
    """The numbers of a verdict by the names under which they are logged."""
    tables = {
        "decrease": verdict.decrease,
        "late": verdict.late,
        "baseline": verdict.baseline or {},
    }
    found = {f"{key}/{name}": v for key, table in tables.items() for name, v in table.items()}
    return {**found, "conflict": verdict.conflict}


def _point(key: str, value: float, report: EpochReport, time: int) -> Iterator[Point]:
    if loggable(value):
        yield Point(key, float(value), report.epoch, time)


def loggable(value: float) -> bool:
    """Whether a chart can show a value."""
    return math.isfinite(value) and abs(value) < LARGEST


def params_of(ended: Ended) -> dict[str, Any]:
    """What was trained, and with what."""
    result = ended.result
    return {
        **{f"weight/{name}": weight for name, weight in result.weights.items()},
        **shown(result.chosen),
        **ended.subject.params,
        "seed": result.seed,
        **({"seeds": len(result.replicas)} if result.replicas else {}),
        "trainer": result.trainer,
    }


def end_tags(result: TrialResult, verdict: Verdict | None) -> dict[str, str]:
    """What is known of a training when it has ended."""
    told = {} if verdict is None else {"lossweights.verdict": verdict.sentence}
    failure = {} if result.failure is None else {"lossweights.failure": result.failure.name}
    return {
        "lossweights.state": result.outcome.name,
        "lossweights.dominant": _dominant(verdict),
        "mlflow.note.content": verdict.paragraph if verdict else _note(result),
        **told,
        **failure,
    }


def _note(result: TrialResult) -> str:
    """Why there is no verdict; with the traceback where there is one."""
    if not result.details or result.failure is Failure.INTERRUPTED:
        return result.reason
    return f"{result.reason[:1000]}\n\n```\n{result.details[2000 - MAX_NOTE :]}\n```"


def _dominant(verdict: Verdict | None) -> str:
    if verdict is None or "undetermined" in verdict.words.values():
        return "undetermined"
    return verdict.driver or "balanced"
