"""How fast members train, as it was measured on a machine, and what is fastest by that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What is measured on a shared machine differs from run to run: the first choice stands unless
# another is faster by this.
CLEARLY = 1.25


@dataclass(frozen=True)
class Rates:
    """Seconds that a training step takes for each member.

    Attributes:
        stacked: In a stack, by how many members it has.
        serial: One member after another in one compiled graph; ``None`` if it was not measured.
        fit: In Keras' own `model.fit`; ``None`` if it was not measured.
    """

    stacked: Mapping[int, float] = field(default_factory=dict)
    serial: float | None = None
    fit: float | None = None

    def best(self, usual: int, most: int) -> tuple[str, int]:
        """The fastest trainer, and how many members it trains at once.

        Args:
            usual: The size of a stack that is taken unless something else is clearly faster.
            most: The largest size that may be taken.

        >>> Rates({16: 52e-6, 32: 44e-6, 64: 43e-6}, serial=3e-4, fit=6e-4).best(32, 256)
        ('stacked', 32)
        >>> Rates({2: 9e-3, 4: 8e-3}, serial=4e-3).best(4, 256)
        ('serial', 1)
        """
        ways = [
            ("stacked", size, seconds) for size, seconds in self.stacked.items() if size <= most
        ]
        ways += [("serial", 1, seconds) for seconds in (self.serial,) if seconds is not None]
        ways.sort(key=lambda way: (abs(math.log2(way[1] / usual)), way[1]))
        ways += [("fit", 1, seconds) for seconds in (self.fit,) if seconds is not None]
        if not ways:  # all sizes that were measured are beyond the most
            return "stacked", min(usual, most)
        chosen = ways[0]
        for way in ways[1:]:
            if way[2] * CLEARLY < chosen[2]:
                chosen = way
        return chosen[:2]

    def __str__(self) -> str:
        """As the end of a line that names the choice.

        >>> str(Rates({16: 52e-6, 32: 44e-6}, serial=3e-4))
        '52 us in stacks of 16, 44 us of 32, 300 us one after another'
        """
        parts = [f"{_shown(seconds)} of {size}" for size, seconds in sorted(self.stacked.items())]
        if parts:
            parts[0] = parts[0].replace(" of ", " in stacks of ")
        if self.serial is not None:
            parts.append(f"{_shown(self.serial)} one after another")
        if self.fit is not None:
            parts.append(f"{_shown(self.fit)} in model.fit")
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        stacked = {str(size): seconds for size, seconds in self.stacked.items()}
        return {"stacked": stacked, "serial": self.serial, "fit": self.fit}

    @classmethod
    def from_json(cls, value: Any) -> Rates:
        """From what `to_json` gave, or a file that should hold it.

        Raises:
            ValueError: It holds something else.

        >>> rates = Rates({16: 5e-5}, serial=3e-4)
        >>> Rates.from_json(rates.to_json()) == rates
        True
        """
        if not isinstance(value, Mapping) or set(value) != {"stacked", "serial", "fit"}:
            raise ValueError(f"expected rates, found {type(value).__name__}")
        if not isinstance(value["stacked"], Mapping):
            raise ValueError("expected rates by the size of a stack")
        stacked = {_size(size): _seconds(rate) for size, rate in value["stacked"].items()}
        single = [None if (rate := value[name]) is None else _seconds(rate) for name in _SINGLE]
        if not stacked and single == [None, None]:
            raise ValueError("expected at least one rate")
        return cls(stacked, *single)


_SINGLE = ("serial", "fit")


def _size(text: object) -> int:
    if not (
        isinstance(text, str) and text.isascii() and text.isdigit() and 0 < int(text) < 1 << 20
    ):
        raise ValueError(f"expected the size of a stack, found {text!r}")
    return int(text)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected seconds, found {value!r}")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not 0 < seconds < math.inf:
        raise ValueError(f"expected seconds above 0, found {seconds!r}")
    return seconds


def _shown(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
