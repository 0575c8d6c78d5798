"""The journal of rungs: which trials were asked for together, and what was decided of them, when.

A line when a wave is asked for, and one for each decision, with the numbers that it was made of. So
a sweep that is gone on with decides nothing anew. A line that a crash cut off was never acted upon:
from the same numbers the same is decided again.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossweights.base.errors import StoreError
from lossweights.base.files import write_atomic
from lossweights.base.strict_json import canonical_json, parse_json
from lossweights.results.folder import quarantine

log = logging.getLogger("lossweights")


@dataclass(frozen=True)
class Decision:
    """What was decided at a rung.

    Attributes:
        values: The objectives of each trial that had got there, by place; ``None`` for one that had
            diverged or failed.
        stopped: The places of those that stopped.
    """

    values: Mapping[int, tuple[float, ...] | None]
    stopped: frozenset[int]


@dataclass
class WaveRecord:
    """Places that were asked for together, and what was decided of them, by epoch."""

    places: tuple[int, ...]
    decisions: dict[int, Decision] = field(default_factory=dict)


class RungJournal:
    """The waves of a sweep, in a file of its folder.

    Args:
        folder: The sweep folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "rungs.jsonl"

    def read(self, places: int) -> list[WaveRecord]:
        """The waves so far, in order; those of which no trial began are forgotten.

        Args:
            places: How many places of the sweep have begun.

        Raises:
            StoreError: The file cannot be read or written.
        """
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"Cannot read {self._path}: {error}. Check its rights.") from error
        waves: dict[int, WaveRecord] = {}
        try:
            for line in lines[:-1]:  # behind the last line break there is what a crash cut off
                _take_up(waves, parse_json(line))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            log.warning(
                "%s is damaged (%s); it is kept as %s. Trials are compared with those that are "
                "named in it before the damage, or are asked for from now on",
                *(self._path, error, quarantine(self._path).name),
            )
        found = [waves[first] for first in sorted(waves) if first < places]
        whole = [line for wave in found for line in _lines(wave)]
        write_atomic(self._path, b"".join(whole))
        return found

    def begin(self, wave: WaveRecord) -> None:
        """A wave is asked for.

        Raises:
            StoreError: It cannot be written.
        """
        self._append(_lines(wave)[0])

    def decide(self, wave: WaveRecord, epoch: int, decision: Decision) -> None:
        """A decision was made; it is acted upon once this has returned.

        Raises:
            StoreError: It cannot be written.
        """
        wave.decisions[epoch] = decision
        self._append(_line(wave, epoch, decision))

    def _append(self, line: bytes) -> None:
        try:
            with self._path.open("ab") as stream:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StoreError(
                f"Cannot write {self._path}: {error}. Check the disk's free space, then resume."
            ) from error


def _lines(wave: WaveRecord) -> list[bytes]:
    begun = canonical_json({"wave": list(wave.places)}) + b"\n"
    return [begun, *(_line(wave, epoch, each) for epoch, each in wave.decisions.items())]


def _line(wave: WaveRecord, epoch: int, decision: Decision) -> bytes:
    values = {
        str(place): numbers and [_finite(number) for number in numbers]
        for place, numbers in decision.values.items()
    }
    content = {"of": wave.places[0], "epoch": epoch, "values": values}
    return canonical_json({**content, "stopped": sorted(decision.stopped)}) + b"\n"


def _take_up(waves: dict[int, WaveRecord], value: Mapping[str, Any]) -> None:
    if "wave" in value:
        places = tuple(int(place) for place in value["wave"])
        waves[places[0]] = WaveRecord(places)  # the latest of its first place counts
        return
    values = {
        int(place): None if numbers is None else _numbers(numbers)
        for place, numbers in value["values"].items()
    }
    stopped = frozenset(int(place) for place in value["stopped"])
    waves[int(value["of"])].decisions[int(value["epoch"])] = Decision(values, stopped)


def _numbers(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if value is None else float(value) for value in values)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
