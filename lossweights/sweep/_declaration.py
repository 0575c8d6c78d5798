"""What the steps of a run need to know of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from lossweights.search.space import Space
from lossweights.sweep.prepared import Prepared


class Declaration(Protocol):
    """A sweep as it was declared; `lossweights.sweep.abstract.AbstractSweep` is one."""

    name: str
    space: Space
    objectives: Mapping[str, str]
    seed: int
    baselines: Sequence[Mapping[str, float]]
    trainers: ClassVar[Sequence[str]]

    def prepare(self, *, rehearse: bool) -> Prepared:
        """Load the data and, for the driver, try every part once."""
