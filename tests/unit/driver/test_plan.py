"""How many trials are asked for together: the same, however often a sweep was stopped."""

import pytest

from lossweights.driver._plan import Plan


def sizes(plan):
    """What is asked for together, in turns."""
    found = []
    while plan:
        found.append(sum(plan.next()))
    return found


@pytest.mark.parametrize("waves", [False, True])
@pytest.mark.parametrize(("capacity", "slots"), [(1, 2), (8, 1), (16, 2), (32, 3)])
@pytest.mark.parametrize("trials", [1, 31, 64, 160])
def test_a_sweep_that_is_gone_on_with_asks_as_one_that_never_stopped(
    waves, capacity, slots, trials
):
    """Wherever it was stopped between two turns, and with what is left of a turn otherwise."""
    whole = Plan(capacity, slots, waves=waves)
    whole.fill(trials, trials)
    wanted = sizes(whole)
    assert sum(wanted) == trials
    ends = {sum(wanted[:turns]): turns for turns in range(len(wanted))}
    for done in range(trials):
        resumed = Plan(capacity, slots, waves=waves)
        resumed.fill(trials - done, trials)
        left = sizes(resumed)
        assert sum(left) == trials - done
        if done in ends:
            assert left == wanted[ends[done] :]
        else:
            assert left[1:] == wanted[len(wanted) - len(left) + 1 :]
