"""What the front of a sweep may hide, since weighted sums do not reach all of it."""

from __future__ import annotations

from lossweights.results.result import SweepResult


def front_note(result: SweepResult) -> str:
    return ""
