"""Rungs: who is ranked worst, who never stops, and what is refused."""

import math

import numpy as np
import optuna
import pytest

import lossweights as lw
from lossweights.base.errors import RecipeError
from lossweights.search.pruner import OptunaPruning, check_pruner
from lossweights.search.ranking import crowding, fronts, ranking
from lossweights.search.rungs import Rungs

BOTH = ["minimize", "minimize"]


def stopped(values, directions=BOTH, keep=0.5):
    """Which of these stop."""
    rule = Rungs(at=(1,), keep=keep).ranked_by(directions)
    return sorted(rule.stopped(1, dict(enumerate(values))))


def test_fronts_are_those_of_definition():
    """A row's front is one more than the last front that has a row beating it."""
    rng = np.random.default_rng(0)
    for objectives in (1, 2, 3):
        costs = rng.integers(0, 6, size=(40, objectives)).astype(float)
        costs[3] = np.inf
        found = fronts(costs)
        for row, front in enumerate(found):
            beaten_by = [
                found[other]
                for other in range(len(costs))
                if (costs[other] <= costs[row]).all() and (costs[other] < costs[row]).any()
            ]
            assert front == max(beaten_by, default=-1) + 1


def test_crowding_prefers_lonely_rows():
    """The ends are infinitely far apart, whatever the scale; equal rows have no distance."""
    front = np.array([[0.0, 9.0], [1.0, 8.0], [1.1, 7.9], [5.0, 3.0], [9.0, 0.0]])
    found = crowding(front * [1.0, 1e6])
    assert found[0] == found[4] == math.inf
    assert found[3] > found[1] > 0
    assert crowding(np.full((4, 2), 2.0)).tolist() == [math.inf, 0.0, 0.0, math.inf]
    assert np.isfinite(crowding(np.array([[1.0, np.inf], [2.0, 3.0], [3.0, 2.0], [4.0, 1.0]]))[1:3]
                       ).sum() == 1  # fmt: skip


def test_of_equals_the_earlier_is_better():
    """So that the order is one."""
    order, first = ranking(np.array([[1.0], [1.0], [2.0], [1.0]]))
    assert (order[-1], first) == (2, 3)


def test_one_objective_is_ranked_by_its_value():
    """The smaller half goes on, or the larger one; an odd one goes on too."""
    values = [[5.0], [1.0], [4.0], [2.0], [3.0]]
    assert stopped(values, ["minimize"]) == [0, 2]
    assert stopped(values, ["maximize"]) == [1, 3]


def test_the_front_never_stops():
    """However long it is."""
    front = [[float(i), 9.0 - i] for i in range(10)]
    assert stopped(front) == []
    assert stopped([*front, [9.5, 9.5], [20.0, 20.0]]) == [10, 11]


def test_of_a_front_that_is_cut_the_crowded_stop():
    """The second front is kept by how much room there is around each."""
    first = [[0.0, 0.0]]
    second = [[1.0, 9.0], [2.0, 8.0], [2.1, 7.9], [5.0, 4.0], [9.0, 1.0]]
    assert stopped([*first, *second], keep=4 / 6) == [2, 3]


@pytest.mark.parametrize(("objectives", "fewest"), [(1, 2), (2, 3), (3, 4)])
def test_if_too_few_would_be_left_none_stops(objectives, fewest):
    """One more than there are objectives."""

    def line(count):
        return [[float(i)] * objectives for i in range(count)]

    assert stopped(line(2 * fewest - 2), ["minimize"] * objectives) == []
    assert len(stopped(line(2 * fewest), ["minimize"] * objectives)) == fewest


def test_what_diverged_is_worse_than_all():
    """It takes up places among the worst, and is none of those that are left."""
    assert stopped([[3.0], None, [1.0], [2.0], None, [4.0]], ["minimize"]) == [1, 4, 5]
    assert stopped([[3.0, 3.0], None, None, None, [1.0, 1.0], [2.0, 2.0]]) == [1, 2, 3]
    assert stopped([[3.0], None, None, None], ["minimize"]) == []


def test_what_is_undefined_is_worst_in_that_objective_alone():
    """A boundary distance is undefined while masks are empty; the other objective still counts."""
    nan = math.nan
    values = [[1.0, nan], [2.0, nan], [3.0, 1.0], [4.0, 2.0], [5.0, 3.0], [0.5, nan]]
    assert 5 not in stopped(values)
    assert 2 not in stopped(values)
    assert stopped([[nan], [nan], [nan], [nan]], ["minimize"]) == []


def test_true_means_a_quarter_and_a_half():
    """With a half that goes on."""
    assert Rungs.of(20) == Rungs(at=(5, 10), keep=0.5)
    assert Rungs.of(2) == Rungs(at=(1,))
    assert Rungs(at=[7, 3, 3]).at == (3, 7)
    assert lw.Rungs is Rungs
    with pytest.raises(RecipeError, match="before the last of 1 epochs"):
        Rungs.of(1)


@pytest.mark.parametrize(
    ("at", "keep"),
    [((), 0.5), ("37", 0.5), ((0, 3), 0.5), ((2.5,), 0.5), (None, 0.5), ((3,), 0.0), ((3,), 1.0),
     ((3,), math.nan), ((3,), "half")],
)  # fmt: skip
def test_what_cannot_be_is_refused(at, keep):
    """With what was expected."""
    with pytest.raises(RecipeError, match="Expected"):
        Rungs(at=at, keep=keep)


def test_pruners_are_for_one_objective():
    """Which says what to use instead."""
    pruner = optuna.pruners.MedianPruner()
    assert check_pruner(pruner, {"rmse": "minimize"}, 4) is pruner
    with pytest.raises(RecipeError, match=r"prune=True or lw\.Rungs"):
        check_pruner(pruner, {"rmse": "minimize", "shortfall": "minimize"}, 4)
    with pytest.raises(RecipeError, match=r"optuna\.pruners"):
        check_pruner("median", {"rmse": "minimize"}, 4)


def test_a_pruner_decides_as_in_a_plain_study():
    """Epoch by epoch, all that report an epoch before any is asked about."""

    def make():
        return optuna.pruners.MedianPruner(n_startup_trials=3)

    values = {place: [[place + 1.0 / epoch] for epoch in range(1, 4)] for place in range(8)}
    pruning = OptunaPruning(make(), "minimize", 4, "same")
    study = optuna.create_study(direction="minimize", pruner=make())
    for wave in (range(4), range(4, 8)):
        going = list(wave)
        trials = {place: study.ask() for place in wave}
        for epoch in (1, 2, 3):
            for place in going:
                trials[place].report(values[place][epoch - 1][0], epoch)
            expected = {place for place in going if trials[place].should_prune()}
            assert pruning.stopped(epoch, {p: values[p][epoch - 1] for p in going}) == expected
            going = [place for place in going if place not in expected]
        for place in wave:
            if place in going:
                study.tell(trials[place], float(place))
            else:
                study.tell(trials[place], state=optuna.trial.TrialState.PRUNED)
            end = [float(place)] if place in going else None
            pruning.ended(place, end, pruned=place not in going)
    assert len(going) < 4


def test_a_pruner_is_described_with_what_it_was_made_with():
    """So that a resumed sweep is refused with another one; using it changes no description."""
    make = optuna.pruners.SuccessiveHalvingPruner
    first, other = (
        OptunaPruning(make(reduction_factor=factor), "minimize", 4, "x") for factor in (2, 3)
    )
    before = first.describe()
    assert before != other.describe()
    assert before["pruner"]["reduction_factor"] == 2
    first.stopped(1, {0: [1.0], 1: [2.0]})
    assert first.describe() == before


def test_what_misses_an_aim_comes_after_what_meets_it():
    """Costs rise as what is missed falls: those that meet it go on, and the cheapest of all."""
    values = [[50.0 + i, max(16.0 - 2 * i - 5.0, 0.0)] for i in range(8)]  # the last two meet it
    assert stopped(values, ["minimize"]) == [1, 2, 3]
    values[7] = [90.0, 0.0]
    assert 7 not in stopped(values, ["minimize"])


def test_of_those_that_miss_the_nearest_go_on_and_the_front():
    """None meets it; what failed is the first to stop."""
    values = [[1.0, 9.0], [2.0, 8.0], [3.0, 7.0], [4.0, 6.0], [5.0, 5.0], None]
    assert stopped(values, ["minimize"]) == [1, 5]
    both = [[1.0, 9.0, 5.0], [9.0, 1.0, 4.0], [9.5, 2.0, 1.0], [9.6, 3.0, 2.0], [9.7, 4.0, 3.0]]
    assert stopped(both, keep=0.2) == [3, 4]  # the third misses least, none beats the first two


def test_of_those_that_miss_as_much_the_better_go_on():
    """As where a metric is undefined in the first epochs: then the objectives tell."""
    values = [[9.0, 0.0], *([cost, 1e9] for cost in (8.0, 1.0, 5.0, 2.0, 7.0, 3.0, 6.0, 4.0))]
    assert stopped(values, ["minimize"]) == [1, 3, 5, 7]
    alike = [[3.0, 3.0, 1.0], [1.0, 2.0, 1.0], [2.0, 1.0, 1.0], [4.0, 4.0, 1.0], [5.0, 5.0, 1.0]]
    assert stopped(alike) == [3, 4]
