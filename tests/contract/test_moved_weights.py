"""Weights that callbacks of the user's own move in a sweep: what counts is what was in force."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.training import Adaptive, FitTrainer, Member, ReplicatedTrainer

from .parity import SEED, data, problem, train

EPOCHS = 3
GIVEN = {"mse": 1.0, "log_cosh": 2.0}
MEMBER = Member(GIVEN, SEED)


class Halving(keras.callbacks.Callback):
    """Halves a weight, when it is told to."""

    def __init__(self, when):
        super().__init__()
        self.when = when

    def _halve(self, when):
        if when == self.when:
            weights = self.model.loss.weights
            self.model.loss.set_weights({**weights, "log_cosh": weights["log_cosh"] / 2})

    def on_epoch_begin(self, epoch, logs=None):
        """Before an epoch, which counts with it."""
        self._halve("epoch begin")

    def on_epoch_end(self, epoch, logs=None):
        """After an epoch, which does not."""
        self._halve("epoch end")

    def on_train_batch_end(self, batch, logs=None):
        """After a batch."""
        self._halve("batch end")


def reports_of(*callbacks, members=(MEMBER,), seeds=1, **options):
    """The reports of a member that is trained with such callbacks."""
    made = problem(epochs=EPOCHS, callbacks=lambda: [make() for make in callbacks], **options)
    trainer = FitTrainer(made, data())
    trainer = trainer if seeds == 1 else ReplicatedTrainer(trainer, seeds)
    results = train(trainer, members)
    return results[-1].reports


def batches():
    """How many an epoch has."""
    made, parts = problem(), data()
    return made.steps_per_epoch(len(parts.train))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("epoch begin", [1.0, 0.5, 0.25]),
        ("epoch end", [2.0, 1.0, 0.5]),
        ("never", [2.0, 2.0, 2.0]),
    ],
)
def test_reports_say_what_each_epoch_was_trained_with(when, expected):
    """Whenever it was moved; nothing of weights that stay."""
    reports = reports_of(lambda: Halving(when))
    if when == "never":
        assert all(report.weights is None for report in reports)
        return
    assert reports[0].weights is None
    assert [report.weights or GIVEN for report in reports[1:]] == [
        {"mse": 1.0, "log_cosh": weight} for weight in expected
    ]


def test_weights_that_move_within_an_epoch_count_with_their_mean():
    """Over its batches."""
    n = batches()
    by_batch = 2.0 * 0.5 ** np.arange(n * EPOCHS).reshape(EPOCHS, n)
    found = [each.weights["log_cosh"] for each in reports_of(lambda: Halving("batch end"))[1:]]
    assert found == pytest.approx(by_batch.mean(axis=1))


def test_one_training_after_another_begins_with_its_own():
    """And says nothing of what the one before was left with."""
    other = Member({"mse": 1.0, "log_cosh": 8.0}, SEED)
    reports = reports_of(lambda: Halving("epoch begin"), members=[other, MEMBER])
    assert [report.weights["log_cosh"] for report in reports[1:]] == [1.0, 0.5, 0.25]


class Once(Halving):
    """Halves in the first training alone."""

    trainings = 0

    def on_train_begin(self, logs=None):
        """Count them."""
        Once.trainings += 1
        self.when = "epoch begin" if Once.trainings == 1 else "never"


def test_of_several_seeds_those_that_stay_count_too():
    """With the weights of the member."""
    Once.trainings = 0
    reports = reports_of(lambda: Once("never"), seeds=2)
    assert [report.weights["log_cosh"] for report in reports[1:]] == [1.5, 1.25, 1.125]


@pytest.mark.parametrize(
    "method", [lw.adaptive.Uncertainty(), lw.adaptive.Uncertainty(learned=True)]
)
def test_a_schedule_among_callbacks_is_that_of_a_member(method):
    """Epoch by epoch, with the loss that the sweep made."""
    parts = data()
    arrays = (parts.train.x, parts.train.y)
    found = reports_of(lambda: lw.adaptive.schedule(None, method, probe=arrays))
    member = Member(GIVEN, SEED, Adaptive(method, dict.fromkeys(GIVEN, 1.0)))
    (expected,) = train(FitTrainer(problem(epochs=EPOCHS), parts), [member])
    for mine, theirs in zip(found[1:], expected.reports[1:], strict=True):
        assert mine.weights == pytest.approx(theirs.weights, rel=1e-4)
        assert mine.train == pytest.approx(theirs.train, rel=1e-4)
    assert found[1].weights != found[3].weights
