"""The sweep that does sums: what others rely on when they test around it."""

import pytest

from lossweights.records import EpochReport, Outcome
from lossweights.testing import FakeSweep, FakeTrainer
from lossweights.training import Member

MEMBERS = [Member({"a": 1.0, "b": b}, seed=0) for b in (0.25, 4.0)]


def test_each_metric_is_better_where_the_other_is_worse():
    """So that there is a front."""
    first, second = (r.metrics for r in FakeTrainer().train(MEMBERS, lambda *_: True))
    assert first == {"miss": 2.0, "cost": 0.5}
    assert second == {"miss": 0.5, "cost": 2.0}


def test_every_epoch_is_reported_epoch_by_epoch():
    """As a stack does it, the one before training too."""
    heard = []
    FakeTrainer(epochs=2).train(MEMBERS, lambda at, told: heard.append((at, told.epoch)) or True)
    assert heard == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]


def test_a_member_can_be_stopped():
    """It is pruned, and the other goes on."""
    stopped, other = FakeTrainer(epochs=3).train(MEMBERS, lambda at, report: at == 1)
    assert (stopped.outcome, len(stopped.reports)) == (Outcome.PRUNED, 1)
    assert (other.outcome, len(other.reports)) == (Outcome.COMPLETE, 4)


def broken(member, epoch):
    """A report with a number that is none, at epoch 1."""
    return EpochReport(1, {"a": float("nan"), "b": 1.0}, {}, {}) if epoch == 1 else None


def test_what_happens_during_a_trial_can_be_said():
    """Here it diverges."""
    for result in FakeTrainer(during=broken).train(MEMBERS, lambda *_: True):
        assert result.outcome is Outcome.DIVERGED
        assert "term a" in result.reason


@pytest.mark.parametrize("seed", [0, 1])
def test_a_fake_sweep_runs_as_any_other(root, seed):
    """It samples, keeps, picks, and is the same again."""
    made = [
        FakeSweep(name, seed=seed).run(6, root=root, tracking=False, quiet=True, workers=0)
        for name in ("one", "two")
    ]
    assert made[0].trials.drop(columns="seconds").equals(made[1].trials.drop(columns="seconds"))
    assert made[0].best("knee").weights["a"] == 1.0
