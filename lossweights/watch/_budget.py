"""What watching a training costs, and whether there is room for another measurement."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Meter:
    """Times one kind of measurement and keeps it to its part of the training time.

    Attributes:
        allotment: Seconds it may take for each second of training; ``None`` is no limit.
        spent: Seconds that it took so far.
        times: How often it was taken.
        expected: Seconds that the next one will probably take.
    """

    allotment: float | None
    spent: float = 0.0
    times: int = 0
    expected: float = 0.0

    def allows(self, trained: float) -> bool:
        """Whether another measurement fits after so many seconds of training.

        >>> meter = Meter(allotment=0.1, spent=1.0, expected=0.5)
        >>> meter.allows(10.0), meter.allows(20.0)
        (False, True)
        """
        return self.allotment is None or self.spent + self.expected <= self.allotment * trained

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time a measurement."""
        started = time.perf_counter()
        yield
        self.expected = time.perf_counter() - started
        self.spent += self.expected
        self.times += 1


@dataclass
class Overhead:
    """What watching a training took; printing it says so.

    Attributes:
        training: Seconds of the epochs, measurements excepted.
        once: Seconds before the first epoch and after the last: compiling, first measurement.
        magnitudes: The measurements of magnitudes at the ends of epochs.
        gradients: Those of gradients.
        rows: Rows of the probe.
        gradient_rows: Rows that gradients are measured on, 0 without.
    """

    magnitudes: Meter
    gradients: Meter
    training: float = 0.0
    once: float = 0.0
    rows: int = 0
    gradient_rows: int = 0

    @property
    def measuring(self) -> float:
        """Seconds of all measurements at the ends of epochs."""
        return self.magnitudes.spent + self.gradients.spent

    @property
    def fraction(self) -> float:
        """Seconds of measuring for each second of training, without what was done once."""
        return self.measuring / self.training if self.training > 0 else 0.0

    @contextmanager
    def setting_up(self) -> Iterator[None]:
        """Time what is done once."""
        started = time.perf_counter()
        yield
        self.once += time.perf_counter() - started

    def __str__(self) -> str:
        gradients = (
            f", {self.gradients.times} times gradients on {self.gradient_rows}"
            if self.gradient_rows
            else ""
        )
        return (
            f"{self.measuring:.3g} s in {self.training:.3g} s of training ({self.fraction:.1%}): "
            f"{self.magnitudes.times} times magnitudes on {self.rows} rows{gradients}; "
            f"and {self.once:.3g} s once"
        )
