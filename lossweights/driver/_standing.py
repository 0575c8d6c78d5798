"""Where a sweep stands, for whatever shows it: a terminal, a notebook, a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Point = tuple[float, float]


@dataclass(frozen=True)
class Standing:
    """Where a sweep stands.

    Attributes:
        done: Weight sets that have been tried.
        total: Weight sets to be tried.
        left: The time left in words, empty while it cannot be told.
        best: The best of each objective so far, and what went wrong, in words.
        drivers: How many of the judged trials each term drove, the most first.
        judged: How many trials are judged.
        axes: The first two objectives, each with ``"minimize"`` or ``"maximize"``.
        points: What the complete trials measured of these.
        what: What is counted.
    """

    done: int = 0
    total: int = 0
    left: str = ""
    best: str = ""
    drivers: Mapping[str, int] = field(default_factory=dict)
    judged: int = 0
    axes: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[Point] = ()
    what: str = "trial"

    @property
    def driven(self) -> str:
        """Which terms drive, in words; empty while no trial is judged."""
        if not self.judged:
            return ""
        told = ", ".join(f"{term} {count}" for term, count in self.drivers.items())
        alone = f" of {self.judged}"
        return f"driven by {told}{alone}" if told else f"no single term drove any{alone}"
