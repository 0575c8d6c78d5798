"""F22: the clock on the wall jumps."""

import time

import pytest

from .helpers import check_mlflow

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("jump", [-3600.0, 86_400.0])
def test_f22_a_clock_that_jumps_changes_no_duration_and_no_decision(tracked, monkeypatch, jump):
    """An hour back or a day on in the middle of a sweep: all trials end, none lasts for ever."""
    script = tracked()
    sweep, real, trials = script.sweep(), time.time, []

    def during(member, epoch):
        if epoch == 1:
            trials.append(member)
            if len(trials) == 4:
                monkeypatch.setattr(time, "time", lambda: real() + jump)

    sweep._during = during
    options = {"root": script.root, "workers": 0, "quiet": True, "trial_timeout": 60.0}
    sweep.run(8, **options)
    assert script.outcomes() == {"COMPLETE": 8}
    for finished in script.results().values():
        assert 0 <= finished.result.seconds < 60
        assert list(finished.times) == sorted(finished.times)
        assert finished.times[-1] - finished.times[0] < 60_000
    check_mlflow(script.root)


def test_f22_a_clock_that_jumps_in_a_trial_leaves_its_times_in_order(scripted, monkeypatch):
    """The times of one trial come from a clock that does not jump."""
    script = scripted()
    sweep, real = script.sweep(), time.time

    def during(member, epoch):
        if epoch == 2:
            monkeypatch.setattr(time, "time", lambda: real() - 3600)

    sweep._during = during
    sweep.run(1, root=script.root, workers=0, quiet=True, tracking=False)
    (finished,) = script.results().values()
    assert list(finished.times) == sorted(finished.times)
    assert finished.times[-1] - finished.times[0] < 60_000
