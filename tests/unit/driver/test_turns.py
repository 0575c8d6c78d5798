"""Turns: results wait for theirs, and one that never comes is passed by."""

import pytest

from lossweights.driver._turns import PATIENCE_SECONDS, Turns


class Clock:
    """Seconds as the test has them."""

    now = 0.0

    def __call__(self):
        """The time."""
        return self.now


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


def end(turn):
    """All places of a turn have ended."""
    turn.results.update(dict.fromkeys(turn.places, "a result"))


def test_turns_are_taken_in_the_order_of_asking(clock):
    """Whoever ends first, the first that was asked for is learned from first."""
    turns = Turns(depth=4, slots=2, clock=clock)
    asked = [turns.begin([place]) for place in range(4)]
    assert not turns.room
    for turn in reversed(asked[1:]):
        end(turn)
        assert turns.next_over() is None
    end(asked[0])
    assert [turns.next_over() for _ in range(5)] == [*asked, None]
    assert turns.room


def test_a_turn_of_many_places_is_over_with_the_last(clock):
    """A stack is learned from as a whole."""
    turns = Turns(depth=1, slots=1, clock=clock)
    turn = turns.begin([3, 4])
    turn.results[3] = "a result"
    assert turns.next_over() is None
    turn.results[4] = "a result"
    assert turns.next_over() is turn


def test_a_turn_that_keeps_workers_idle_is_passed_by(clock):
    """Not before others have nothing to do, and not before a while; it counts when it ends."""
    turns = Turns(depth=3, slots=2, clock=clock)
    hangs, *others = [turns.begin([place]) for place in range(3)]
    clock.now = 1000.0
    assert turns.next_over() is None  # both workers are busy: nobody waits for it
    for turn in others:
        end(turn)
    assert turns.next_over() is None
    clock.now += PATIENCE_SECONDS
    assert turns.next_over() is None
    clock.now += 1.0
    assert [turns.next_over(), turns.next_over()] == others
    late = turns.begin([3])
    end(hangs)
    assert turns.next_over() is hangs
    end(late)
    assert turns.next_over() is late


def test_long_trials_are_waited_for_longer(clock):
    """Where a turn has taken an hour, ten seconds say nothing."""
    turns = Turns(depth=2, slots=2, clock=clock)
    first = turns.begin([0])
    clock.now = 3600.0
    end(first)
    assert turns.next_over() is first
    slow, fast = turns.begin([1]), turns.begin([2])
    end(fast)
    assert turns.next_over() is None
    clock.now += 3600.0
    assert turns.next_over() is None
    clock.now += 1.0
    assert turns.next_over() is fast
    end(slow)
    assert turns.next_over() is slow
