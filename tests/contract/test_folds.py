"""Each weight set on every fold: means and worst cases of trainings that are each one of fit's."""

import numpy as np
import pytest

from lossweights.data import Data, Folds
from lossweights.records import Outcome, TrialResult
from lossweights.training import FitTrainer, Halts, Member, Trainers
from lossweights.training._replicas import ReplicatedTrainer

from . import models
from .parity import EPOCHS, MEMBERS, SEED, problem, train

SEEDS = 2


def folds():
    """Three divisions of one data set, of differing lengths."""
    rng = np.random.default_rng(1)
    x, y = models.data_for(models.dense, models.ROWS, rng)
    return Folds(
        [Data(train=(x[:n], y[:n]), val=(x[n : n + 9], y[n : n + 9]), test=(x[:5], y[:5]))
         for n in (20, 25, 30)]
    )  # fmt: skip


@pytest.fixture(scope="module")
def alone():
    """Every training by itself: fold, member, seed."""
    members = [Member(m.weights, SEED + i, tested=True) for m in MEMBERS for i in range(SEEDS)]
    found = [train(FitTrainer(problem(), data), members) for data in folds()]
    return np.array(found, dtype=object).reshape(3, len(MEMBERS), SEEDS)


def test_metrics_are_over_all_folds_and_seeds(alone):
    """Means with standard errors, or what else counts; of test data and reports too."""
    trainers = Trainers(problem(), folds(), SEEDS, stats={"rmse": "max"})
    members = [Member(m.weights, SEED, tested=True) for m in MEMBERS]
    heard = []
    results = trainers.make("stacked").train(members, lambda *told: heard.append(told) or True)
    for place, result in enumerate(results):
        own = alone[:, place].reshape(-1)
        assert result.outcome is Outcome.COMPLETE
        assert {(r.fold, r.seed) for r in result.replicas} == {
            (fold, SEED + i) for fold in range(3) for i in range(SEEDS)
        }
        assert (result.replicas[0].fold, result.replicas[0].seed) == (2, SEED)
        rmse, bias = ([r.metrics[key] for r in own] for key in ("rmse", "bias"))
        assert result.metrics["rmse"] == pytest.approx(max(rmse), rel=1e-5)
        assert result.metrics["bias"] == pytest.approx(np.mean(bias), rel=1e-4)
        error = np.std(bias, ddof=1) / 6**0.5
        assert result.standard_errors == {"bias": pytest.approx(error, rel=1e-3)}
        assert result.test["rmse"] == pytest.approx(max(r.test["rmse"] for r in own), rel=1e-5)
        for epoch, report in enumerate(result.reports):
            mse = [r.reports[epoch].train["mse"] for r in own]
            assert report.train["mse"] == pytest.approx(np.mean(mse), rel=1e-5)
            worst = max(r.reports[epoch].metrics["rmse"] for r in own)
            assert report.metrics["rmse"] == pytest.approx(worst, rel=1e-5)
        assert result.metrics["rmse"] == result.reports[-1].metrics["rmse"]
        assert tuple(report for at, report in heard if at == place) == result.reports
        assert TrialResult.from_json(result.to_json()).metrics == result.metrics


def test_who_stops_at_a_halt_is_decided_on_the_last_fold(alone):
    """What stops there trains on no other; the others count as if nobody had stopped."""
    trainer = Trainers(problem(), folds()).make("fit")
    seen = {}

    def wait(epoch, standings):
        seen.update(standings)
        return [1]

    results = trainer.train(MEMBERS, lambda *_: True, Halts(frozenset({1}), wait))
    for place, standing in seen.items():
        expected = alone[2, place, 0].reports[1].metrics["rmse"]
        assert standing["rmse"] == pytest.approx(expected, rel=1e-5)
    assert [r.outcome.name for r in results] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert [len(r.replicas) for r in results] == [3, 1, 3]
    assert [len(r.reports) for r in results] == [EPOCHS + 1, 2, EPOCHS + 1]
    rmse = np.mean([r.metrics["rmse"] for r in alone[:, 2, 0]])
    assert results[2].metrics["rmse"] == pytest.approx(rmse, rel=1e-5)


def test_what_diverges_on_a_fold_is_trained_on_no_other():
    """The fold is named; the others are not affected."""
    x, y = (
        np.asarray(part) for part in models.data_for(models.dense, 40, np.random.default_rng(0))
    )
    bad = Data(train=(x[:20], 1e30 * y[:20]), val=(x[20:], y[20:]))
    good = Data(train=(x[:20], y[:20]), val=(x[20:], y[20:]))
    first = FitTrainer(problem(optimizer="sgd"), good)
    made = []

    def second():
        made.append(1)
        return FitTrainer(problem(optimizer="sgd"), bad)

    trainer = ReplicatedTrainer(first, 1, others=[second, second])
    (result,) = trainer.train(MEMBERS[1:2], lambda *_: True)
    assert result.outcome is Outcome.DIVERGED
    assert result.reason.endswith(f"(seed {SEED}, fold 1)")
    assert made == [1]
