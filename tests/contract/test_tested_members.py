"""Test data in every trainer: read for members that are to be tested, and for nothing else."""

from dataclasses import replace

import numpy as np
import pytest

import lossweights as lw
from lossweights.data import Data
from lossweights.training import (
    Adaptive,
    FitTrainer,
    Halts,
    Member,
    ReplicatedTrainer,
    SerialTrainer,
    StackedTrainer,
)
from lossweights.training.early_stopping import EarlyStopping

from . import models
from .parity import METRICS, SEED, data, problem, train

pytestmark = pytest.mark.usefixtures("without_xla")

TRAINERS = {
    "fit": FitTrainer,
    "serial": SerialTrainer,
    "stacked": lambda *given: StackedTrainer(*given, size=8),
    "several stacks": lambda *given: StackedTrainer(*given, size=2),
    "replicated": lambda *given: ReplicatedTrainer(StackedTrainer(*given, size=8), 2),
}
SINGLE = [name for name in TRAINERS if name != "replicated"]
PLAIN = [Member({"mse": 1.0, "log_cosh": w}, SEED) for w in (0.0, 0.3, 4.0)]
TESTED = [replace(member, tested=True) for member in PLAIN]
STOPPING = EarlyStopping("rmse", patience=1)


class Outputs:
    """The mean of the outputs, with a note of how many rows were looked at."""

    in_graph = False

    def __init__(self):
        self.rows = []

    def evaluate(self, y, y_pred, sample_weight=None):
        """The mean, and the note."""
        self.rows.append(len(y_pred))
        return float(np.mean(y_pred))


class Guarded:
    """Data that count how often the test data are asked for."""

    def __init__(self, given):
        self._given, self.reads = given, 0

    def __getattr__(self, name):
        self.reads += name == "test"
        return getattr(self._given, name)


def given(build_model=models.dense):
    """Data whose test part has 23 rows, of another spread than the others."""
    parts, rng = data(build_model), np.random.default_rng(5)
    x, y = models.data_for(build_model(), 23, rng)
    weight = rng.uniform(0.1, 2.0, len(y))
    return Data(train=parts.train, val=parts.val, test=(2 * x, y + 1, weight))


@pytest.mark.parametrize("name", TRAINERS)
def test_test_data_are_read_for_tested_members_alone(name):
    """Not when a trainer is made, nor for others of the batch, nor for one that is pruned."""
    parts = Guarded(given())
    rows = Outputs()
    trainer = TRAINERS[name](problem(metrics={"mean": rows, **METRICS}), parts)
    results = train(trainer, PLAIN)
    assert parts.reads == 0
    assert [result.test for result in results] == [{}] * 3
    stopped = train(trainer, TESTED, report=lambda place, report: report.epoch < 1)
    assert parts.reads == 0
    assert [result.test for result in stopped] == [{}] * 3
    assert 23 not in rows.rows
    results = train(trainer, [PLAIN[0], TESTED[1], PLAIN[2]])
    assert parts.reads > 0
    assert [sorted(result.test) for result in results] == [[], ["bias", "mean", "rmse"], []]
    assert rows.rows.count(23) == (2 if name == "replicated" else 1)


@pytest.mark.parametrize("name", SINGLE)
def test_metrics_are_those_of_the_parameters_that_are_kept(name):
    """With early stopping those of the best epoch; weights of test samples count."""
    parts, epochs = given(models.batch_normalization), 6
    made = problem(models.batch_normalization, epochs=epochs, early_stopping=STOPPING)
    moving = Adaptive(lw.adaptive.Uncertainty(), {"mse": 1.0, "log_cosh": 1.0})
    members = [*TESTED, replace(TESTED[1], adaptive=moving)]
    trainer = TRAINERS[name](made, parts)
    results = train(trainer, members)
    model, checked = made.make_model(0), []
    for place, result in enumerate(results):
        try:
            model.set_weights(trainer.parameters(place))
        except LookupError:  # of a stack before
            continue
        predicted = np.asarray(model(parts.test.x))
        expected = {
            key: metric.evaluate(parts.test.y, predicted, parts.test.sample_weight)
            for key, metric in METRICS.items()
        }
        assert result.test == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert abs(result.test["rmse"] - result.metrics["rmse"]) > 1e-3
        checked.append(place)
    assert checked[-1] == 3
    reference = train(FitTrainer(made, parts), members)
    for found, expected in zip(results, reference, strict=True):
        assert found.test == pytest.approx(expected.test, rel=1e-4, abs=1e-5)


def test_replicas_have_the_mean():
    """Over the seeds, as validation metrics have."""
    parts, made = given(), problem()
    (found,) = train(ReplicatedTrainer(FitTrainer(made, parts), 2), TESTED[:1])
    alone = train(FitTrainer(made, parts), [replace(TESTED[0], seed=SEED + i) for i in (0, 1)])
    assert found.test["rmse"] == pytest.approx(np.mean([each.test["rmse"] for each in alone]))


@pytest.mark.parametrize("make", [FitTrainer, SerialTrainer])
def test_without_test_data_there_is_nothing_to_test(make):
    """No error: the other metrics are there all the same."""
    results = train(make(problem(), data()), TESTED[:1])
    assert results[0].test == {}
    assert results[0].metrics


@pytest.mark.parametrize("name", ["fit", "stacked"])
def test_who_is_stopped_at_a_halt_is_not_tested(name):
    """The others are, though they waited."""
    parts = given()
    halts = Halts(frozenset({1}), lambda epoch, standings: [0])
    results = TRAINERS[name](problem(), parts).train(TESTED, lambda *_: True, halts)
    assert [bool(result.test) for result in results] == [False, True, True]
    straight = train(FitTrainer(problem(), parts), TESTED)
    assert results[2].test == pytest.approx(straight[2].test, rel=1e-4, abs=1e-5)
