"""The contest: trainings beside the trials, of baselines outside the space and for confirmation.

``contest.jsonl`` in the sweep folder is its journal: a line when a look begins, one a contestant
that was entered, one a training that has ended. Lines are only ever added, each whole or cut short
by a kill; a line that is cut short counts as not written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossweights.base.commands import command
from lossweights.base.errors import StoreError
from lossweights.base.sampled import Value, value_of
from lossweights.base.strict_json import parse_json
from lossweights.records import TrialResult
from lossweights.results.folder import MAX_RESULT_BYTES

FILE = "contest.jsonl"
BESIDE = 0  # the look that is none: baselines trained beside the trials


@dataclass(frozen=True)
class Contestant:
    """What competes: a weight set, or a method of adaptive weighting.

    Attributes:
        name: What tables call it: ``equal``, ``inverse``, ``only:TERM``, ``without:TERM``,
            ``today`` (further ones ``today-2``, ...), the name of an adaptive method, or of a pick,
            such as ``knee`` or ``min:rmse``.
        role: ``"baseline"`` or ``"pick"``.
        weights: Relative weights, in the units of the space; those that an adaptive method begins
            with.
        method: An adaptive method as JSON, see `method_json`; or ``None``.
        trial: The number of the trial that has these weights, or ``None``.
        chosen: What is chosen for it beside the weights; of baselines the usual values.
    """

    name: str
    role: str
    weights: Mapping[str, float]
    method: Mapping[str, Any] | None = None
    trial: int | None = None
    chosen: Mapping[str, Value] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The contestant as plain JSON values."""
        return {
            "name": self.name,
            "role": self.role,
            "weights": dict(self.weights),
            "method": None if self.method is None else dict(self.method),
            "trial": self.trial,
            **({"chosen": dict(self.chosen)} if self.chosen else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Contestant:
        """The contestant that `to_json` described."""
        method, trial = value["method"], value["trial"]
        return cls(
            name=str(value["name"]),
            role=str(value["role"]),
            weights={str(name): float(weight) for name, weight in value["weights"].items()},
            method=None if method is None else dict(method),
            trial=None if trial is None else int(trial),
            chosen={str(n): value_of(v) for n, v in value.get("chosen", {}).items()},
        )


@dataclass(frozen=True)
class Outing:
    """One training of a contestant.

    Attributes:
        contestant: Its name.
        seed: Seed of initialisation, batch order and dropout.
        look: 0 for a training from the seed of the sweep, beside the trials; 1, 2, ... for the
            confirmation that it belongs to. A second one looks at the test data a second time.
        result: What came of it, with ``result.test`` in confirmations.
        times: Milliseconds since 1970 at which each report was made.
    """

    contestant: str
    seed: int
    look: int
    result: TrialResult
    times: tuple[int, ...] = ()


@dataclass(frozen=True)
class Contest:
    """All that is known of a sweep's contest.

    Attributes:
        contestants: Those that were entered, by look (see `Outing`), in order.
        outings: The trainings that have ended.
        seeds: The seeds that all contestants of a look are trained from, by look.
        changes: With how many accepted changes of the sweep a look began, by look.
    """

    contestants: Mapping[int, tuple[Contestant, ...]] = field(default_factory=dict)
    outings: tuple[Outing, ...] = ()
    seeds: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    changes: Mapping[int, int] = field(default_factory=dict)

    @property
    def looks(self) -> int:
        """How many confirmations have begun."""
        return max(self.contestants, default=0)

    def entered(self, outing: Outing) -> Contestant:
        """The contestant that a training is of."""
        found = self.contestants.get(outing.look, ())
        return next(each for each in found if each.name == outing.contestant)

    def missing(self, look: int) -> list[tuple[Contestant, int]]:
        """What of a look has not ended: contestants and seeds, all of a seed together."""
        ended = {(each.contestant, each.seed) for each in self.outings if each.look == look}
        return [
            (contestant, seed)
            for seed in self.seeds.get(look, ())
            for contestant in self.contestants.get(look, ())
            if (contestant.name, seed) not in ended
        ]

    def is_over(self, look: int) -> bool:
        """Whether a look has begun, and all of its trainings have ended."""
        return look in self.contestants and not self.missing(look)


class ContestLines:
    """What the lines of a journal come to, one after another."""

    def __init__(self) -> None:
        self._contestants: dict[int, dict[str, Contestant]] = {}
        self._seeds: dict[int, tuple[int, ...]] = {}
        self._changes: dict[int, int] = {}
        # By what was trained: where a baseline is entered anew as another, its old one is none.
        self._outings: dict[tuple[int, str, int], tuple[Contestant, Outing]] = {}

    def add(self, line: bytes) -> None:
        """Take up a line.

        Raises:
            ValueError, KeyError, TypeError, AttributeError, OverflowError: It is none.
        """
        value = parse_json(line, max_bytes=MAX_RESULT_BYTES)
        look = int(value["look"])
        if "seeds" in value:
            self._seeds[look] = tuple(int(seed) for seed in value["seeds"])
            self._changes[look] = int(value["changes"])
            self._contestants[look] = {}
        elif "entered" in value:
            contestant = Contestant.from_json(value["entered"])
            self._contestants[look][contestant.name] = contestant
        else:
            name, seed = str(value["contestant"]), int(value["seed"])
            times = tuple(int(time) for time in value["times"])
            result = TrialResult.from_json(value["result"])
            if any(set(report.train) != set(result.parts) for report in result.reports):
                raise ValueError(f"magnitudes of other terms than {list(result.weights)}")
            of = self._contestants[look][name]
            self._outings[look, name, seed] = (of, Outing(name, seed, look, result, times))

    @property
    def contest(self) -> Contest:
        """The contest so far."""
        return Contest(
            {look: tuple(found.values()) for look, found in self._contestants.items()},
            tuple(
                outing
                for of, outing in self._outings.values()
                if self._contestants[outing.look].get(of.name) == of
                and outing.seed in self._seeds[outing.look]
            ),
            dict(self._seeds),
            dict(self._changes),
        )


def begin_lines(
    look: int, contestants: Iterable[Contestant], seeds: Iterable[int], changes: int
) -> list[bytes]:
    """The lines that say that a look begins, and who is entered."""
    begun = {"look": look, "seeds": list(seeds), "changes": changes}
    entered = [{"look": look, "entered": each.to_json()} for each in contestants]
    return [_line(each) for each in (begun, *entered)]


def outing_line(outing: Outing) -> bytes:
    """The line that says what came of a training."""
    value = {
        "look": outing.look,
        "contestant": outing.contestant,
        "seed": outing.seed,
        "times": list(outing.times),
        "result": outing.result.to_json(),
    }
    return _line(value)


def _line(value: Any) -> bytes:
    """A value as a line of strict JSON; terms stay in their order."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def read_contest(
    folder: Path, damaged: Callable[[Path, StoreError], None] | None = None
) -> Contest:
    """The contest of a sweep; readable while it is going on.

    Args:
        folder: The sweep folder.
        damaged: Called if a line cannot be read, instead of raising; the others count.

    Raises:
        StoreError: The journal is damaged.
    """
    path, found = folder / FILE, ContestLines()
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # behind the last line break: cut off
    except FileNotFoundError:
        return found.contest
    except OSError as error:
        raise _damaged(path, error) from error
    told = False
    for number, line in enumerate(lines, 1):
        try:
            found.add(line)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            known = _damaged(path, f"line {number}: {error!r}")
            if damaged is None:
                raise known from error
            if not told:
                damaged(path, known)
            told = True
    return found.contest


def _damaged(path: Path, why: object) -> StoreError:
    sweep, root = path.parent.name, path.parents[2]
    return StoreError(
        f"Expected the journal of a contest in {path}. Found: {why}. Move the file away, or let "
        f"`{command('resume', sweep, root)}` do it, which keeps the lines that can be read."
    )
