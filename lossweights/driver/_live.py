"""Who hears of trials while they train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lossweights.records import EpochReport
from lossweights.results.folder import Asked


class LiveTracker(Protocol):
    """Hears of reports while trials train."""

    def reported(
        self, asked: Asked, weights: Mapping[str, float], report: EpochReport, time: int
    ) -> None:
        """A trial that is training has finished an epoch, at that time in milliseconds."""
