"""Several seeds a weight set: means and standard errors of trainings that are each one of fit's."""

import keras
import numpy as np
import pytest

from lossweights.records import Outcome
from lossweights.training import FitTrainer, Member, ReplicatedTrainer, StackedTrainer

from . import models
from .parity import MEMBERS, SEED, assert_same, data, problem, train

pytestmark = pytest.mark.usefixtures("without_xla")

SEEDS = 3


@pytest.fixture(scope="module")
def alone():
    """Every replica trained by itself."""
    fit = FitTrainer(problem(), data())
    members = [Member(m.weights, SEED + i) for m in MEMBERS for i in range(SEEDS)]
    return np.array(train(fit, members), dtype=object).reshape(-1, SEEDS)


@pytest.mark.parametrize("make", [FitTrainer, lambda *given: StackedTrainer(*given, size=4)])
def test_reports_are_means_over_the_seeds(make, alone):
    """Every magnitude and metric of every epoch is the mean; metrics have standard errors."""
    heard = []
    trainer = ReplicatedTrainer(make(problem(), data()), SEEDS)
    results = train(trainer, report=lambda place, report: heard.append((place, report)) or True)
    for result, replicas in zip(results, alone, strict=True):
        assert result.outcome is Outcome.COMPLETE
        assert [r.seed for r in result.replicas] == [SEED, SEED + 1, SEED + 2]
        for epoch, report in enumerate(result.reports):
            parts = [replica.reports[epoch] for replica in replicas]
            for name in report.train:
                assert report.train[name] == pytest.approx(
                    np.mean([part.train[name] for part in parts]), rel=1e-5
                )
        for kept, alone_result in zip(result.replicas, replicas, strict=True):
            first, last = alone_result.reports[0].train, alone_result.reports[-1].train
            fall = {name: first[name] - last[name] for name in first}
            assert kept.fall == pytest.approx(fall, rel=1e-4)
        values = [replica.metrics["rmse"] for replica in replicas]
        assert result.metrics["rmse"] == pytest.approx(np.mean(values), rel=1e-5)
        error = np.std(values, ddof=1) / SEEDS**0.5
        assert result.standard_errors["rmse"] == pytest.approx(error, rel=1e-3)
    for place, result in enumerate(results):
        assert tuple(report for at, report in heard if at == place) == result.reports


def test_one_seed_is_the_training_itself(alone):
    """A single replica changes no number, and has no standard error."""
    results = train(ReplicatedTrainer(FitTrainer(problem(), data()), 1))
    for result, replicas in zip(results, alone, strict=True):
        assert result.metrics == pytest.approx(replicas[0].metrics)
        assert result.standard_errors == {}


def test_random_layers_have_their_seeds():
    """Dropout draws for each replica what it draws for that seed alone."""
    made, given = problem(models.dropout), data(models.dropout)
    (found,) = train(ReplicatedTrainer(StackedTrainer(made, given, size=4), 2), MEMBERS[:1])
    (expected,) = train(ReplicatedTrainer(FitTrainer(made, given), 2), MEMBERS[:1])
    assert_same([found], [expected])


def test_a_member_is_stopped_with_its_replicas():
    """Told to stop after an epoch it is pruned there, and the others are not."""
    trainer = ReplicatedTrainer(StackedTrainer(problem(), data(), size=9), SEEDS)
    results = train(trainer, report=lambda place, report: (place, report.epoch) != (1, 1))
    assert [r.outcome.name for r in results] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert [report.epoch for report in results[1].reports] == [0, 1]
    assert results[1].reason == "stopped after epoch 1"


def test_a_replica_that_diverges_ends_its_member():
    """The seed that went is named, and no mean hides it."""
    made = problem(optimizer=keras.optimizers.SGD(1e30))
    (result,) = train(ReplicatedTrainer(FitTrainer(made, data()), 2), MEMBERS[:1])
    assert result.outcome is Outcome.DIVERGED
    assert f"(seed {SEED})" in result.reason
    assert result.reports[-1].bad is not None
