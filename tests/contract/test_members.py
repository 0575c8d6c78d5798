"""The members of a stack know nothing of each other: each is trained as if it were alone."""

import keras
import numpy as np
import pytest

from lossweights.records import Outcome
from lossweights.training import FitTrainer, Member, StackedTrainer, _sizes

from . import models
from .parity import SEED, assert_same, data, problem, train

PLACES = 8  # of a full stack: large enough to be compacted three times
OPTIMIZER = keras.optimizers.SGD(0.05, momentum=0.9)  # its steps grow with the weights
WEIGHTS = [0.0, 0.3, 4.0, 0.1, 1.0, 2.0, 0.5, 3.0]
HUGE = 1e30  # a weight that no training survives

traces = []  # one entry for each time that the model below is traced


class Counted(keras.layers.Layer):
    """A layer that does nothing, and notes when it is traced."""

    def call(self, x):
        """What comes in."""
        if x.shape[0] is not None:  # else it is Keras that builds a model
            traces.append(x.shape)
        return x


def counted():
    """A model that notes when it is traced."""
    return models.sequential(
        (models.FEATURES,), Counted(), keras.layers.Dense(8, activation="tanh")
    )


def member(weight, seed=SEED):
    """A member with this weight of the second term."""
    return Member({"mse": 1.0, "log_cosh": weight}, seed)


def stop_at(ends):
    """A report function that stops each member, by its position, at an epoch."""
    return lambda position, report: report.epoch < ends.get(position, 99)


@pytest.fixture(scope="module")
def given():
    """The problem and its data."""
    return problem(counted, optimizer=OPTIMIZER), data()


@pytest.fixture(scope="module")
def stacked(given):
    """A trainer that stacks eight members."""
    return StackedTrainer(*given, size=PLACES)


@pytest.fixture(scope="module")
def together(stacked):
    """Eight members trained side by side."""
    return train(stacked, [member(w) for w in WEIGHTS])


@pytest.fixture(scope="module")
def fit(given):
    """The reference."""
    return FitTrainer(*given)


def test_same_seed_same_stack_same_bits(given, stacked, together):
    """Training again repeats every number, in this trainer and in one that compiled beforehand."""
    members = [member(w) for w in WEIGHTS]
    other = StackedTrainer(*given, size=PLACES)
    other.warm_up()
    for trainer in (stacked, other):
        for again, first in zip(train(trainer, members), together, strict=True):
            assert again.reports == first.reports


def test_neighbours_and_place_change_no_bit(stacked, together):
    """Whoever trains beside a member, and wherever it stands: the same numbers to the last bit."""
    others = [member(w) for w in (7.0, WEIGHTS[2], 9.0, 0.7, WEIGHTS[0], 11.0, 5.0)]
    found = train(stacked, others)
    assert found[1].reports == together[2].reports
    assert found[4].reports == together[0].reports


def test_size_of_the_stack_changes_rounding_alone(stacked, together, fit):
    """In stacks of one, two, four and eight a member has the numbers of a training by itself."""
    (alone,) = train(fit, [member(WEIGHTS[2])])
    for count in (1, 2, 3):
        found = train(stacked, [member(WEIGHTS[2])] + [member(w) for w in WEIGHTS[3 : 2 + count]])
        assert_same(found[:1], [alone])
    assert_same([together[2]], [alone])


def test_a_member_that_diverges_touches_no_other(stacked, together, fit):
    """Neighbours of a member that explodes have the bits they have without it; it says why."""
    members = [member(w) for w in WEIGHTS]
    members[3] = member(HUGE)
    found = train(stacked, members)
    assert found[3].outcome is Outcome.DIVERGED
    assert found[3].reason
    assert_same([found[3]], train(fit, [members[3]]))
    for place in (0, 1, 2, 4, 5, 6, 7):
        assert found[place].outcome is Outcome.COMPLETE
        assert found[place].reports == together[place].reports
    with pytest.raises(LookupError):
        stacked.parameters(3)
    assert all(np.isfinite(value).all() for value in stacked.parameters(4))


def test_all_members_may_diverge(stacked, together):
    """A stack in which nothing is left ends, and the next one is sound."""
    found = train(stacked, [member(HUGE), member(2 * HUGE)])
    assert {result.outcome for result in found} == {Outcome.DIVERGED}
    again = train(stacked, [member(w) for w in WEIGHTS])
    assert [result.reports for result in again] == [result.reports for result in together]


def test_members_are_stopped_as_by_fit(stacked, fit):
    """A report that says no ends that member at that epoch; the others train on as by `fit`."""
    members = [member(w) for w in WEIGHTS[:5]]
    ends = {0: 1, 2: 2, 3: 0, 4: 3}  # the third epoch is the last one: that is no stop
    seen = {"fit": [], "stacked": []}

    def rung(name):
        def report(position, report):
            seen[name].append((report.epoch, position))
            return report.epoch < ends.get(position, 99)

        return report

    found = train(stacked, members, rung("stacked"))
    assert_same(found, train(fit, members, rung("fit")))
    outcomes = [result.outcome.name for result in found]
    assert outcomes == ["PRUNED", "COMPLETE", "PRUNED", "PRUNED", "COMPLETE"]
    assert seen["stacked"] == sorted(seen["fit"])  # epoch by epoch, not member by member


def test_an_error_in_between_leaves_a_usable_trainer(stacked, together):
    """What a report raises comes through, and the next training is as if it had not been."""

    def fail(position, report):
        if (position, report.epoch) == (3, 2):
            raise RuntimeError("boom")
        return True

    members = [member(w) for w in WEIGHTS]
    with pytest.raises(RuntimeError, match="boom"):
        train(stacked, members, fail)
    again = train(stacked, members)
    assert [result.reports for result in again] == [result.reports for result in together]


def test_moving_to_smaller_stacks_changes_nothing(stacked, together, monkeypatch):
    """Members that are left when others stop go on in smaller stacks as if nothing had been."""
    monkeypatch.setattr(_sizes, "WORTH_COMPILING", 0)  # small problems would never be worth one
    ends = {0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 2}  # eight, then four, two and one
    found = train(stacked, [member(w) for w in WEIGHTS], stop_at(ends))
    for place, result in enumerate(found):
        full = together[place]
        last = ends.get(place, 3)
        assert [report.epoch for report in result.reports] == list(range(last + 1))
        for one, other in zip(result.reports, full.reports, strict=False):
            assert one.train == pytest.approx(other.train, rel=1e-5)
            assert one.metrics == pytest.approx(other.metrics, rel=1e-5)
    assert stacked.parameters(7)
    with pytest.raises(LookupError):
        stacked.parameters(6)


def test_counts_share_few_graphs(stacked):
    """Once the sizes 1, 2, 4 and 8 are compiled, no count of members is traced again."""
    for count in (8, 4, 2, 1):
        train(stacked, [member(w) for w in WEIGHTS[:count]])
    assert traces
    del traces[:]
    for count in (3, 5, 6, 7, 9, 13):
        train(stacked, [member(1.0 + w) for w in range(count)], lambda _, r: r.epoch < 1)
    assert not traces
