"""The verdict on a sweep, also where it cannot be drawn or where nothing was learned."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from lossweights.dominance.sweep_verdict import SweepVerdict, judge_sweep_results
from lossweights.records import TrialResult
from lossweights.results._incomplete import Incomplete

log = logging.getLogger("lossweights")


def judged_sweep(
    name: str,
    results: Mapping[int, TrialResult],
    *,
    scales: Mapping[str, float] | None,
    baseline: Mapping[str, float] | None,
    best: int | None,
    importance: Mapping[str, Mapping[str, float]],
    none_complete: Incomplete | None,
    learned_nothing: str,
) -> SweepVerdict:
    """The verdict; where drawing it fails it says so, and all else can still be read.

    Args:
        name: Name of the sweep.
        results: What came of its trials, by number.
        scales: As `SweepResult` has it, and so the next ones.
        baseline: Magnitude of each term for the mean of the targets.
        best: The trial that was picked, or ``None``.
        importance: How much each weight matters.
        none_complete: Why no trial is complete, if so: it is said first.
        learned_nothing: That nothing was learned, if so: it is said first.
    """
    try:
        verdict = judge_sweep_results(
            results, scales=scales, baseline=baseline, best=best, importance=importance
        )
    except Exception as error:
        log.warning("the verdict on %s could not be drawn", name, exc_info=True)
        verdict = SweepVerdict.unknown(error)
    if none_complete is not None:
        judged = f" {verdict.sentence}" if verdict.judged else ""
        return replace(verdict, sentence=f"{none_complete}{judged}")
    if not learned_nothing:
        return verdict
    return replace(verdict, sentence=f"{learned_nothing} {verdict.sentence}")
