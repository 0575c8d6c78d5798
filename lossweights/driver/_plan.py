"""How many trials are asked for together, and in how many batches they are trained."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import accumulate

# Single trials under way at once. The sampler then knows the same whether one process trains or
# four, and so the sweep is the same; what it lacks are the last few trials.
AHEAD = 8


class Plan:
    """The sizes of the batches that are still to be asked for.

    Without rungs a batch is asked for at a time. With rungs it is a wave: a batch for every slot,
    since its members are compared. A wave of stacks is two stacks a slot if the sweep has at least
    two such waves: at the first rung their survivors move together into one.

    Args:
        capacity: How many members a batch trains best.
        slots: How many batches are trained at the same time.
        waves: Whether there are rungs.
    """

    def __init__(self, capacity: int, slots: int, *, waves: bool) -> None:
        self._capacity, self._slots, self._waves = capacity, slots, waves
        self._sizes: deque[int] = deque()
        self._fits: int | None = None  # members of a stack, since a larger one lacked memory

    def __bool__(self) -> bool:
        return bool(self._sizes)

    def fill(self, new: int, trials: int) -> None:
        """So many trials are to be asked for, of so many in all.

        They are asked for as in a sweep of so many that never stopped: what the sampler knows when
        it is asked for the last of a batch depends on where batches end.
        """
        self._sizes.extend(self._turns(new, trials))

    def turns(self, trials: int) -> list[int]:
        """How many of so many trials are asked for together, turn by turn."""
        return self._turns(trials, trials)

    def clear(self) -> None:
        """Nothing more is to be asked for."""
        self._sizes.clear()

    def fit(self, members: int) -> None:
        """A stack of no more members has room in memory."""
        self._fits = members

    def next(self) -> list[int]:
        """The sizes of the batches that are asked for together now."""
        size = self._sizes.popleft()
        if self._fits is not None:
            most = self._fits * (self._slots if self._waves else 1)
            if size > most:
                self._sizes.appendleft(size - most)
                size = most
        return split(size, self._slots) if self._waves else [size]

    def at_once(self, new: int, trials: int) -> int:
        """How many of so many trials are under way at once."""
        most = max(self._turns(new, trials), default=1)
        return most if self._waves else self._slots * most

    def _turns(self, new: int, trials: int) -> list[int]:
        done = trials - new
        if not self._waves:
            return after(done, batch_sizes(trials, self._capacity, self._slots))
        wave = self._capacity * self._slots
        if self._capacity == 1:
            wave = max(AHEAD, self._slots)
        elif 4 * wave <= trials:
            wave *= 2
        return after(done, batch_sizes(trials, wave, 1))


def batch_sizes(trials: int, capacity: int, slots: int) -> list[int]:
    """How many trials each batch gets: even, as few batches as the slots can share equally.

    >>> batch_sizes(100, capacity=64, slots=1), batch_sizes(64, capacity=64, slots=2)
    ([50, 50], [32, 32])
    >>> batch_sizes(3, capacity=1, slots=2)
    [1, 1, 1]
    """
    rounds = -(-trials // (capacity * slots))
    return split(trials, min(trials, rounds * slots))


def after(done: int, sizes: Sequence[int]) -> list[int]:
    """What is left of batches of these sizes when so many members of them have been asked for.

    >>> after(5, [4, 4, 3]), after(8, [4, 4, 3]), after(0, [4])
    ([3, 3], [3], [4])
    """
    ends = list(accumulate(sizes))
    return [min(size, end - done) for size, end in zip(sizes, ends, strict=True) if end > done]


def split(number: int, parts: int) -> list[int]:
    """A number in even parts, fewer than so many if it is smaller.

    >>> split(7, 2), split(1, 2), split(0, 2)
    ([4, 3], [1], [])
    """
    parts = min(parts, number)
    return [number // parts + (index < number % parts) for index in range(parts)] if parts else []
