"""How long a training step takes, of one way to train."""

from __future__ import annotations

from lossweights.base.errors import RecipeError
from lossweights.training._timing import SecondsAStep, time_in_turns


def seconds_a_step(timed: SecondsAStep) -> float:
    """Seconds of a step, the least of a few turns; a second of timing in all, about.

    Args:
        timed: From a number of steps to how many seconds one of them took. It is called twice
            before it is timed, since the first call compiles.

    Raises:
        RecipeError: No step came to its end.

    >>> seconds_a_step(lambda steps: 0.5)
    0.5
    """
    found = time_in_turns({"": timed})
    if not found:
        raise RecipeError(
            "Expected training steps that can be timed. Found that none came to its end; the log "
            "says why. Leave out trials=."
        )
    return found[""]


__all__ = ["SecondsAStep", "seconds_a_step"]
