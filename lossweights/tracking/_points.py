"""What is recorded of a training: params, tags, and points of charts, as plain values.

MLflow's UI sorts groups of charts, and columns, by their names, and puts last what is in no group.
So a number says where a group stands. Metrics of a child run, with the epoch as step (0 is before
training):

    1 objectives/<metric>        what is searched for, on validation data
    2 magnitude train/<term>     unweighted means on training data
    2 magnitude val/<term>       the same on validation data
    3 weighted/<term>            on training data, times the effective weight
    4 share/<term>               part of the weighted total on training data
    5 decrease/<term>            part in the decrease of the weighted loss so far; the last one is
                                 the decrease share of the run
    6 weight/<term>              with adaptive weighting, what multiplied the term in the epoch that
                                 ended
    7 metrics/<metric>           the other metrics, on validation data

where gradients were measured, every few epochs (see `lossweights.dominance.gram`):

    8 contribution/<term>        part in the first-order decrease
    8 cosine/<term> and <term>   angle between the gradients of two terms
    8 gradnorm/<term>            length of the unweighted gradient
    8 gradshare/<term>           part of the weighted lengths

What is one number at the end is no chart but a tag, the first of them JSON:

    lossweights.judged           late, baseline: by term the decrease share in the second half of
                                 the decrease, and from the mean of the targets on; conflict and
                                 calibration, 0 to 1
    stderr/<metric>              over the seeds, if there are several
    test/<metric>                on test data, in confirmations alone
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lossweights.dominance import gram
from lossweights.dominance.judge import MINIMUM_DECREASE
from lossweights.dominance.shares import decreases, shares
from lossweights.dominance.verdict import Verdict
from lossweights.records import EpochReport, Failure, TrialResult
from lossweights.search.choices import shown
from lossweights.tracking._about import About
from lossweights.tracking._subject import Ended

LARGEST = 1e300  # MLflow clips infinities to 1.8e308, which wrecks every chart
MAX_NOTE = 6000  # characters; MLflow takes 8000 in a tag


class Point(NamedTuple):
    """A point of a chart: its key, value, step, and time in milliseconds since 1970."""

    key: str
    value: float
    step: int
    time: int


def report_points(
    weights: Mapping[str, float],
    reports: Sequence[EpochReport],
    times: Sequence[int],
    objectives: Collection[str] = (),
) -> Iterator[Point]:
    """The points of some epochs of a training, without what is not finite.

    Args:
        weights: Effective weight of each term, where a report says nothing of it.
        reports: The epochs.
        times: When each was, in milliseconds since 1970.
        objectives: Which of the metrics are searched for.
    """
    parts = [report.parts(weights) for report in reports]
    names = list(parts[0]) if parts else []
    train, val, in_force = (
        np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
        for rows in ([r.train for r in reports], [r.val for r in reports], parts)
    )
    with np.errstate(all="ignore"):  # of a term that diverged: such points are left out
        tables = {
            "2 magnitude train": train,
            "2 magnitude val": val,
            "3 weighted": in_force * train,
            "4 share": shares(in_force, train) if train.size else train,
        }
    steps = [report.epoch for report in reports]
    for group, table in tables.items():
        for name, column in zip(names, table.T.tolist(), strict=True):
            yield from _column(f"{group}/{name}", column, steps, times)
    for report, time in zip(reports, times, strict=True):
        found = {
            f"{'1 objectives' if name in objectives else '7 metrics'}/{name}": value
            for name, value in report.metrics.items()
        }
        found.update({f"6 weight/{n}": weight for n, weight in (report.weights or {}).items()})
        yield from _row(found, report.epoch, time)
    matrices = [report.gram_matrix(names) for report in reports]
    known = {row: matrix for row, matrix in enumerate(matrices) if matrix is not None}
    if known:
        at = list(known)
        measured = gram.gram_columns(names, in_force[at], np.stack(list(known.values())))
        seen, then = [steps[row] for row in at], [times[row] for row in at]
        for key, column in measured.items():
            group, _, of = key.partition("/")
            yield from _column(f"8 {group}/{of.replace('/', ' and ')}", column, seen, then)


def result_points(
    result: TrialResult,
    verdict: Verdict | None,
    times: tuple[int, ...],
    objectives: Collection[str] = (),
) -> list[Point]:
    """Every point of a training that has ended; ``times`` has one for each report."""
    points = list(report_points(result.weights, result.reports, times, objectives))
    if verdict is not None and verdict.decrease and result.reports:
        points.extend(_decrease(result, verdict, times))
    return points


def _decrease(result: TrialResult, verdict: Verdict, times: tuple[int, ...]) -> Iterator[Point]:
    """Decrease shares so far, once there is a decrease to speak of; at last those of the run."""
    names, rows = list(result.parts), result.magnitudes("train")
    in_force = np.stack(list(result.in_force().values()), axis=1)
    with np.errstate(all="ignore"):  # a report in between may hold what is not finite
        fallen = np.cumsum(decreases(in_force, rows), axis=0)[:-1]
        least = MINIMUM_DECREASE * float(np.abs(rows[0]) @ in_force[0])
        whole = fallen.sum(axis=1, keepdims=True)
        parts = np.where(whole > least, fallen / whole, np.nan)
    steps, between = [report.epoch for report in result.reports[1:-1]], times[1:-1]
    for name, column in zip(names, parts.T.tolist(), strict=True):
        yield from _column(f"5 decrease/{name}", column, steps, between)
    last = {f"5 decrease/{name}": share for name, share in verdict.decrease.items()}
    yield from _row(last, result.reports[-1].epoch, times[-1])


def latest(points: Sequence[Point]) -> list[Point]:
    """The latest point of each key, which MLflow shows in its tables.

    >>> latest([Point("a", 2.0, 0, 7), Point("a", 1.0, 1, 8)])
    [Point(key='a', value=1.0, step=1, time=8)]
    """
    found = {point.key: point for point in sorted(points, key=lambda p: (p.step, p.time, p.value))}
    return list(found.values())


def _column(
    key: str, values: Sequence[float], steps: Sequence[int], times: Sequence[int]
) -> list[Point]:
    """The points of a key."""
    rows = zip(values, steps, times, strict=True)
    return [Point(key, value, step, time) for value, step, time in rows if loggable(value)]


def _row(values: Mapping[str, float], step: int, time: int) -> list[Point]:
    """The points of an epoch."""
    return [Point(key, float(v), step, time) for key, v in values.items() if loggable(v)]


def loggable(value: float) -> bool:
    """Whether a chart can show a value."""
    return math.isfinite(value) and abs(value) < LARGEST


def params_of(ended: Ended, about: About) -> dict[str, Any]:
    """What was trained, as far as it is not the same in every run; the parent has the rest."""
    subject, result = ended.subject, ended.result
    fixed = about.fixed if subject.is_trial else ()
    return {
        **{f"weight/{name}": w for name, w in result.weights.items() if name not in fixed},
        **shown(result.chosen),
        **subject.params,
        **({} if subject.is_trial else {"seed": result.seed}),
    }


def end_tags(result: TrialResult, verdict: Verdict | None) -> dict[str, str]:
    """What is known of a training when it has ended."""
    judged = {}
    if verdict is not None:
        judged["lossweights.verdict"] = verdict.sentence
        judged["lossweights.judged"] = _judged(result, verdict)
    failure = {} if result.failure is None else {"lossweights.failure": result.failure.name}
    numbers = {
        **{f"stderr/{name}": value for name, value in result.standard_errors.items()},
        **{f"test/{name}": value for name, value in result.test.items()},
    }
    return {
        "lossweights.state": result.outcome.name,
        "lossweights.dominant": _dominant(verdict),
        "mlflow.note.content": verdict.paragraph if verdict else _note(result),
        **judged,
        **failure,
        **{key: repr(float(value)) for key, value in numbers.items() if math.isfinite(value)},
    }


def _judged(result: TrialResult, verdict: Verdict) -> str:
    """The numbers of a verdict that no chart shows, as JSON of at most `MAX_NOTE` characters."""
    calibration = result.reports[-1].calibration if result.reports else None
    tables = {
        "conflict": {"": verdict.conflict},
        "calibration": {} if calibration is None else {"": calibration},
        "late": verdict.late,
        "baseline": verdict.baseline or {},
    }
    kept: dict[str, Any] = {}
    for key, table in tables.items():
        finite = {name: float(f"{v:.6g}") for name, v in table.items() if math.isfinite(v)}
        entry = {key: finite.get("", finite)} if finite else {}
        if len(json.dumps({**kept, **entry})) <= MAX_NOTE:  # more of terms by the hundred
            kept.update(entry)
    return json.dumps(kept)


def _note(result: TrialResult) -> str:
    """Why there is no verdict; with the traceback where there is one."""
    if not result.details or result.failure is Failure.INTERRUPTED:
        return result.reason
    return f"{result.reason[:1000]}\n\n```\n{result.details[2000 - MAX_NOTE :]}\n```"


def _dominant(verdict: Verdict | None) -> str:
    if verdict is None or "undetermined" in verdict.words.values():
        return "undetermined"
    return verdict.driver or "balanced"
