"""Why a sweep has nothing to return: how its trials ended, none of which is complete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lossweights.records import Failure, Outcome, TrialResult

_HOW = {
    Outcome.DIVERGED: "diverged",
    Outcome.FAILED: "failed",
    Outcome.PRUNED: "were stopped early",
}


@dataclass(frozen=True)
class Incomplete:
    """That no trial is complete.

    Attributes:
        trials: How many trials have ended.
        found: How the trials ended, as a part of a sentence.
        change: What to change, as an imperative.
        field: The field of the manifest in which that is a change, or ``None`` for none of them.

    >>> print(Incomplete(1, "1 of 1 trials failed", "mend the cause", "code"))
    No trial is complete (1 of 1 trials failed), so mend the cause.
    """

    trials: int
    found: str
    change: str
    field: str | None

    def __str__(self) -> str:
        return f"No trial is complete ({self.found}), so {self.change}."


def why_none_complete(
    results: Iterable[TrialResult], recipe: Mapping[str, Any]
) -> Incomplete | None:
    """Why a sweep has nothing to return; ``None`` if some trial is complete, or none has ended.

    Args:
        results: Results of the trials that have ended for good.
        recipe: How they were trained, as the manifest has it.
    """
    ended = list(results)
    if not ended or any(result.outcome is Outcome.COMPLETE for result in ended):
        return None
    outcomes = Counter(result.outcome for result in ended)
    parts = []
    for outcome, count in outcomes.most_common():
        said = [r.reason.splitlines()[0] for r in ended if r.outcome is outcome and r.reason]
        why = f": {Counter(said).most_common(1)[0][0].rstrip('.')}" if said else ""
        parts.append(f"{count} of {len(ended)} trials {_HOW[outcome]}{why}")
    field: str | None
    worst = outcomes.most_common(1)[0][0]
    undefined = [r for r in ended if r.outcome is worst and r.reason.startswith("metric ")]
    if worst is Outcome.DIVERGED and any(": " in result.reason for result in undefined):
        change, field = "do as the reason says", "metrics"
    elif worst is Outcome.DIVERGED:
        change, field = _smaller(recipe), "recipe"
    else:
        change = "mend the cause, which the results of the trials tell in full"
        own = any(result.failure is Failure.EXCEPTION for result in ended)
        field = "code" if own else None
    return Incomplete(len(ended), "; ".join(parts), change, field)


def _smaller(recipe: Mapping[str, Any]) -> str:
    """What may keep trainings from diverging, with what the learning rate is now."""
    optimizer = recipe.get("optimizer")
    rate = optimizer.get("learning_rate") if isinstance(optimizer, Mapping) else None
    now = f" than {rate:.3g}" if isinstance(rate, int | float) else ""
    return f"train with a smaller learning rate{now}, or with ranges of the weights that end lower"
