"""When nothing more is to be asked for: all diverge, the front stays as it is, or no weights are
left.
"""

from __future__ import annotations

from lossweights.driver._divergence import Divergence
from lossweights.records import Outcome
from lossweights.results.folder import Finished
from lossweights.search.sampler import Sampler
from lossweights.search.stagnation import Stagnation


class Enough:
    """Whether a sweep goes on asking for trials.

    Args:
        sampler: What samples.
        stagnation: Watches the front, or ``None``.
    """

    def __init__(self, sampler: Sampler, stagnation: Stagnation | None) -> None:
        self._sampler = sampler
        self._divergence, self._stagnation = Divergence(), stagnation

    def ended(self, outcome: Outcome) -> None:
        """A trial has ended for good, in no order."""
        self._divergence.add(outcome)

    def learned(self, finished: Finished) -> None:
        """A trial has ended, and so have all before it."""
        if self._stagnation is not None:
            result = finished.result
            self._stagnation.add(result.metrics if result.outcome is Outcome.COMPLETE else None)

    @property
    def diverged(self) -> bool:
        """Whether all have diverged: what trains is given up as well."""
        return self._divergence.is_all

    @property
    def done(self) -> bool:
        """Whether the front does not grow, or the sampler has no more: what trains may end."""
        stagnated = self._stagnation is not None and self._stagnation.is_reached
        return stagnated or self._sampler.is_done
