"""Candidates are timed in turns, the least of which counts."""

import logging

import pytest

from lossweights.training._timing import (
    CANDIDATE_SECONDS,
    MOST_STEPS,
    TURN_SECONDS,
    TURNS,
    time_in_turns,
)


class Clocked:
    """A candidate whose steps take what a list says, call after call."""

    def __init__(self, name, seconds, calls):
        self.name, self.seconds, self.calls = name, seconds, calls

    def __call__(self, steps):
        """Seconds of a step."""
        self.calls.append((self.name, steps))
        mine = sum(name == self.name for name, _ in self.calls)
        return self.seconds[min(mine, len(self.seconds)) - 1]


def test_candidates_take_turns_and_the_least_counts():
    """The first call compiles, the second one tells how many steps make a turn."""
    calls = []
    found = time_in_turns(
        {
            "a": Clocked("a", [9.0, 1e-2, 3e-2, 2e-2, 4e-2], calls),
            "b": Clocked("b", [0.0, 1e-9, 5e-3, 6e-3], calls),
        }
    )
    assert found == {"a": 2e-2, "b": 5e-3}
    assert calls[:4] == [("a", 1), ("a", 1), ("b", 1), ("b", 1)]
    assert calls[4:] == [("a", 5), ("b", MOST_STEPS)] * TURNS


@pytest.mark.parametrize(
    ("seconds", "turns"), [(10.0, 1), (CANDIDATE_SECONDS / 3, 3), (1e-6, TURNS)]
)
def test_slow_candidates_get_fewer_turns(seconds, turns):
    """Timing must not take long."""
    calls = []
    time_in_turns({"slow": Clocked("slow", [seconds], calls)})
    assert len(calls) == 2 + turns
    assert all(steps * seconds <= max(TURN_SECONDS, seconds) for _, steps in calls)


def test_what_fails_is_left_out(caplog):
    """A stack that lacks memory does not end a sweep that can do without it."""

    def large(steps):
        raise MemoryError("no room")

    with caplog.at_level(logging.INFO, "lossweights"):
        assert time_in_turns({"large": large, "small": lambda steps: 1.0}) == {"small": 1.0}
    assert "large cannot be timed: no room" in caplog.text
    assert time_in_turns({"large": large}) == {}
