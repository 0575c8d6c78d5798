"""The contest: trainings beside the trials, of baselines outside the space and for confirmation.

``contest.jsonl`` in the sweep folder is its journal: one line a contestant that was entered, one a
training that has ended. Lines are only ever added, each whole or cut short by a kill; a line that
is cut short counts as not written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lossweights.records import TrialResult


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
    """

    name: str
    role: str
    weights: Mapping[str, float]
    method: Mapping[str, Any] | None = None
    trial: int | None = None


@dataclass(frozen=True)
class Outing:
    """One training of a contestant.

    Attributes:
        contestant: Its name.
        seed: Seed of initialisation, batch order and dropout.
        look: 0 for a training from the seed of the sweep, beside the trials; 1, 2, ... for the
            confirmation that it belongs to. A second one looks at the test data a second time.
        result: What came of it, with ``result.test`` in confirmations.
    """

    contestant: str
    seed: int
    look: int
    result: TrialResult


@dataclass(frozen=True)
class Contest:
    """All that is known of a sweep's contest.

    Attributes:
        contestants: Those that were entered, by look (see `Outing`), in order.
        outings: The trainings that have ended.
        seeds: The seeds that each look was to train from, as far as they are known: a look is over
            when every contestant has an outing from each of them.
    """

    contestants: Mapping[int, tuple[Contestant, ...]] = field(default_factory=dict)
    outings: tuple[Outing, ...] = ()
    seeds: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
