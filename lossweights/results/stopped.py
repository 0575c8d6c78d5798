"""What stopping the worst trials early saved: how many stopped where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lossweights.records import Outcome, TrialResult


def stopped_early(results: Iterable[TrialResult], epochs: int | None) -> str:
    """A sentence on the trials that stopped at rungs; empty if none did.

    Args:
        results: Results of the trials that have ended for good.
        epochs: How many epochs each was to have, if that is known.
    """
    ends = [r.reports[-1].epoch for r in results if r.outcome is Outcome.PRUNED and r.reports]
    if not ends:
        return ""
    where = ", ".join(f"{n} after epoch {epoch}" for epoch, n in sorted(Counter(ends).items()))
    trained = f", of {sum(ends)} instead of {len(ends) * epochs} epochs" if epochs else ""
    return f"Stopped early, since others were better: {where}{trained}."
