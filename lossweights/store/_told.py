"""What the study is told of trials, and the sampler of how they ended: plain values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.trial import TrialState

from lossweights.dominance.shares import as_fractions, decreases
from lossweights.records import Failure, Outcome, TrialResult
from lossweights.results.folder import Asked
from lossweights.search.aims import Aims

RETRY_OF = "retry_of"  # attribute of a trial: the number of the one whose weights it repeats

STATES = {
    Outcome.COMPLETE: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    # Told as pruned, so that the sampler learns to keep away; as a failure it would learn nothing.
    Outcome.DIVERGED: TrialState.PRUNED,
    Outcome.FAILED: TrialState.FAIL,
}


def attributes(asked: Asked, weights: Mapping[str, float]) -> dict[str, Any]:
    """What the study notes of a trial when it begins. Each note costs a millisecond to write."""
    retry = {} if asked.retry_of is None else {RETRY_OF: asked.retry_of}
    named = {} if asked.baseline is None else {"baseline": asked.baseline}
    return {"kind": asked.kind, "weights": dict(weights), **named, **retry}


def end_attributes(outcome: Outcome, rungs: Mapping[int, Sequence[float]]) -> dict[str, Any]:
    """What the study notes of a trial that ended as no state of Optuna's says."""
    at = {str(epoch): list(values) for epoch, values in rungs.items()}
    ended = {"outcome": outcome.name} if outcome is Outcome.DIVERGED else {}
    return {**ended, **({"rungs": at} if at else {})}


def end_notes(result: TrialResult) -> dict[str, Any]:
    """What others are shown of a trial that has ended: how large each term is, what it took off.

    Magnitudes are unweighted means on the training probe; ``decrease`` is the part of each term in
    the decrease of the weighted loss. What is not finite is left out.
    """
    if not result.reports:
        return {}
    magnitudes = result.magnitudes("train")
    in_force = np.stack(list(result.in_force().values()), axis=1)
    with np.errstate(all="ignore"):  # of a trial that diverged
        parts = as_fractions(decreases(in_force, magnitudes).sum(axis=0))
    tables = {"magnitude": magnitudes[-1], "decrease": parts}
    return {
        key: {
            name: float(f"{value:.4g}")
            for name, value in zip(result.parts, values.tolist(), strict=True)
            if math.isfinite(value)
        }
        for key, values in tables.items()
    }


def rung_values(result: TrialResult, manifest: Mapping[str, Any]) -> dict[int, list[float]]:
    """The objectives at each rung that a trial had got to, if it stopped at one or ended well.

    Optuna takes no values with a pruned trial, and intermediate ones for single objectives alone.
    What trials gain from a rung to their end says what those that stop there would have gained.

    Args:
        result: The trial.
        manifest: Says where the rungs are; where a pruner of Optuna decides after every epoch, the
            one at which it stopped the trial counts.
    """
    pruning = manifest.get("prune")
    if not pruning or not result.reports:
        return {}
    if result.outcome is Outcome.COMPLETE:
        at = frozenset(pruning.get("at", ()))
    elif result.outcome is Outcome.PRUNED:
        at = frozenset(pruning.get("at") or [result.reports[-1].epoch])
    else:
        return {}
    names = list(manifest["objectives"])
    found = {
        report.epoch: [float(report.metrics.get(name, math.nan)) for name in names]
        for report in result.reports
        if report.epoch in at
    }
    return {epoch: values for epoch, values in found.items() if all(map(math.isfinite, values))}


def objective_values(result: TrialResult, objectives: Iterable[str]) -> list[float] | None:
    """The objectives of a completed trial, which alone has any."""
    if result.outcome is not Outcome.COMPLETE:
        return None
    return [result.metrics[name] for name in objectives]


def constraints_of(result: TrialResult, aims: Aims) -> dict[str, float]:
    """What Optuna takes for the constraints of a completed trial, which alone has any."""
    return aims.violations(result.metrics) if result.outcome is Outcome.COMPLETE else {}


def last_of(result: TrialResult, objectives: Iterable[str]) -> float | None:
    """The last finite value of the only objective of a trial that was stopped.

    Optuna knows such values for single objectives alone.
    """
    names = list(objectives)
    if STATES[result.outcome] is not TrialState.PRUNED or len(names) != 1:
        return None
    value = result.metrics.get(names[0])
    return value if value is not None and math.isfinite(value) else None


def lesson_of(
    result: TrialResult,
    manifest: Mapping[str, Any],
    aims: Aims,
    *,
    stale: bool = False,
    repeated: bool = False,
) -> dict[str, Any]:
    """What the sampler is told of a trial, by the names of `Sampler.learn`.

    Args:
        result: How it ended.
        manifest: What is swept.
        aims: What the sweep aims at besides; a trial that was stopped counts by what it had
            reached.
        stale: Whether the sweep was changed since: what could not be trained perhaps can be now.
        repeated: Whether a worker died of these weights before. If one dies again, when they are
            trained alone, they are at fault, as where a model is too large or a library crashes.
    """
    names = list(manifest["objectives"])
    failure = result.failure
    again = result.outcome is Outcome.DIVERGED or (failure is not None and not failure.transient)
    again = again or (failure is Failure.WORKER_KILLED and repeated)
    missed = constraints_of(result, aims)
    if result.outcome is Outcome.PRUNED:
        missed = aims.violations(result.metrics)
    return {
        "state": STATES[result.outcome],
        "values": objective_values(result, names),
        "last": last_of(result, names),
        "rungs": rung_values(result, manifest) or None,
        "constraints": list(missed.values()) or None,
        "barren": again and not stale,
    }
