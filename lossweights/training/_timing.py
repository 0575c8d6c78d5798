"""Timing a few training steps of several candidates, in turns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from typing import TypeAlias, TypeVar

log = logging.getLogger("lossweights")

Key = TypeVar("Key", bound=Hashable)
# From a number of steps to how many seconds one of them took. The first call compiles.
SecondsAStep: TypeAlias = Callable[[int], float]

TURN_SECONDS = 0.05  # that a turn of one candidate takes, about: calls and waiting are far below
MOST_STEPS = 50  # in a turn
TURNS = 7  # of each candidate, if they do not take longer than this altogether:
CANDIDATE_SECONDS = 1.0


def time_in_turns(candidates: Mapping[Key, SecondsAStep]) -> dict[Key, float]:
    """Seconds that a step of each candidate takes, the least of a few turns.

    They take turns since whatever else the machine does, or its clock rate, comes and goes: what
    is timed at another time is timed on another machine. The least is what is disturbed least.
    A candidate that fails, for lack of memory perhaps, is left out.

    Args:
        candidates: By name; each is called twice before it is timed.

    >>> time_in_turns({"slow": lambda steps: 2.0, "slower": lambda steps: 3.0})
    {'slow': 2.0, 'slower': 3.0}
    """
    steps: dict[Key, int] = {}
    turns: dict[Key, int] = {}
    for name, seconds_a_step in candidates.items():
        try:
            seconds_a_step(1)
            once = max(seconds_a_step(1), 1e-9)
        except Exception as error:  # a graph that is too large may end in anything
            log.info("%s cannot be timed: %s", name, f"{error}"[:200])
            continue
        steps[name] = round(min(max(TURN_SECONDS / once, 1), MOST_STEPS))
        turns[name] = round(min(max(CANDIDATE_SECONDS / (steps[name] * once), 1), TURNS))
    found = dict.fromkeys(steps, float("inf"))
    for turn in range(TURNS):
        for name in steps:
            if turn < turns[name]:
                found[name] = min(found[name], candidates[name](steps[name]))
    return found
