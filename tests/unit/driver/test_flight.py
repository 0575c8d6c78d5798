"""What comes of a batch, however it ends."""

import math
from dataclasses import replace

import pytest

from lossweights.driver._flight import Flight, checked, report_times
from lossweights.driver._turns import Turn
from lossweights.executors import Batch, Ended, Lost, Reported
from lossweights.records import EpochReport, Failure, Outcome, TrialResult
from lossweights.results.folder import Asked
from lossweights.testing import FakeTrainer
from lossweights.training import Member

MEMBER = Member({"a": 1.0, "b": 4.0}, 0)
OBJECTIVES = ("miss", "cost")


@pytest.fixture
def flight():
    """Two trials of the same weights, under way."""
    trials = [Asked(3, {"b": 4.0}, "trial"), Asked(4, {"b": 4.0}, "trial")]
    return Flight(Batch(0, (MEMBER, MEMBER)), trials, Turn([3, 4], 0.0))


def results(**changes):
    """What the fake trainer makes of them."""
    return tuple(
        replace(result, **changes) for result in FakeTrainer().train([MEMBER] * 2, lambda *_: True)
    )


def test_results_keep_their_trials_and_times(flight):
    """Each result belongs to its trial, and each report has its time."""
    found = flight.ended(Ended(0, results()), OBJECTIVES, stopping=False, stopped={})
    assert [finished.asked.number for finished in found] == [3, 4]
    for finished in found:
        assert finished.result.outcome is Outcome.COMPLETE
        assert len(finished.times) == len(finished.result.reports)
        assert not finished.again


def test_results_tell_the_node_that_trained_them(flight):
    """That of the attempt that came to an end."""
    flight.start("near/000000")
    flight.start("far/1a2b3c")
    found = flight.ended(Ended(0, results()), OBJECTIVES, stopping=False, stopped={})
    assert [finished.node for finished in found] == ["far/1a2b3c"] * 2


def test_members_stopped_with_the_sweep_are_tried_again(flight):
    """Those that were pruned for good reason are not."""
    pruned = results(outcome=Outcome.PRUNED)
    rung = pruned[1].reports[-1].epoch
    first, second = flight.ended(Ended(0, pruned), OBJECTIVES, stopping=True, stopped={1: rung})
    assert (first.result.failure, first.again) == (Failure.INTERRUPTED, True)
    assert (second.result.outcome, second.again) == (Outcome.PRUNED, False)
    found = flight.ended(Ended(0, pruned), OBJECTIVES, stopping=False, stopped={})
    assert {finished.result.outcome for finished in found} == {Outcome.PRUNED}


def test_lost_batches_keep_what_was_reported(flight):
    """The reports so far are in the failed result, with the reason and the details."""
    report = EpochReport(0, {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0}, {"miss": 1.0})
    flight.note(Reported(0, 1, report))
    lost = Lost(0, Failure.WORKER_KILLED, "the worker was killed", "its last words")
    first, second = flight.lost(lost, "fake", again=True)
    assert (first.result.reports, second.result.reports) == ((), (report,))
    for finished in (first, second):
        assert finished.result.outcome is Outcome.FAILED
        assert finished.result.failure is Failure.WORKER_KILLED
        assert finished.result.details == "its last words"
        assert finished.again


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nothing_that_is_not_finite_is_complete(bad):
    """Whatever a trainer says: a number that is not finite is never a result."""
    good = {"a": 1.0, "b": 1.0}
    reports = (EpochReport(0, good, good, {"miss": bad, "cost": 1.0}),)
    result = TrialResult(MEMBER.weights, 0, Outcome.COMPLETE, reports, trainer="mine")
    found = checked(result, OBJECTIVES)
    assert found.outcome is Outcome.DIVERGED
    assert found.reason == "metric miss was not finite after epoch 0"


def test_the_epoch_that_is_kept_must_be_finite_as_well():
    """With early stopping the objectives are those of an earlier epoch than the last."""
    good, metrics = {"a": 1.0, "b": 1.0}, {"miss": math.nan, "cost": 1.0}
    reports = (
        EpochReport(0, good, good, metrics),
        EpochReport(1, good, good, {"miss": 1.0, "cost": 1.0}),
    )
    result = TrialResult(MEMBER.weights, 0, Outcome.COMPLETE, reports, best_epoch=0)
    assert checked(result, OBJECTIVES).outcome is Outcome.DIVERGED
    assert checked(replace(result, best_epoch=1), OBJECTIVES).outcome is Outcome.COMPLETE


@pytest.mark.parametrize("reports", [(), (EpochReport(0, {}, {}, {"miss": 1.0}),)])
def test_a_complete_trial_has_its_objectives(reports):
    """A trainer that reports none has failed, by its name."""
    result = TrialResult(MEMBER.weights, 0, Outcome.COMPLETE, reports, trainer="mine")
    found = checked(result, OBJECTIVES)
    assert (found.outcome, found.failure) == (Outcome.FAILED, Failure.EXCEPTION)
    assert "'mine' reported no miss, cost" in found.reason


def test_times_go_up_even_where_nobody_looked():
    """Seen times stay, the others lie evenly between them."""
    assert report_times([], {}, 0, 10) == ()
    assert report_times([0], {}, 5, 10) == (10,)
    assert report_times([0, 1, 2], {}, 0, 10) == (0, 5, 10)
    assert report_times([0, 1, 2], {0: 1, 1: 9, 2: 10}, 0, 99) == (1, 9, 10)


def test_what_was_trained_beyond_a_rung_does_not_count(flight):
    """Told too late, or in time: the same result. Who had ended by itself is left alone."""
    late, in_time = flight.ended(Ended(0, results()), OBJECTIVES, stopping=False, stopped={0: 1})
    assert (late.result.outcome, len(late.result.reports)) == (Outcome.PRUNED, 2)
    assert late.result.reason == "stopped at the rung after epoch 1"
    assert late.result.metrics == dict(in_time.result.reports[1].metrics)
    assert in_time.result.outcome is Outcome.COMPLETE
    early = tuple(replace(each, reports=each.reports[:2]) for each in results())
    (ended, _) = flight.ended(Ended(0, early), OBJECTIVES, stopping=False, stopped={0: 1, 1: 2})
    assert ended.result.outcome is Outcome.COMPLETE
