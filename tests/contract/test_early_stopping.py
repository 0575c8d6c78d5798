"""Early stopping: every trainer ends at the same epoch and keeps the same epoch's parameters."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.metrics import Metric
from lossweights.records import Outcome
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer
from lossweights.training.early_stopping import EarlyStopping

from .parity import SEED, assert_same, data, problem, train

pytestmark = pytest.mark.usefixtures("without_xla")

TRAINERS = {"stacked": lambda *given: StackedTrainer(*given, size=4), "serial": SerialTrainer}
EPOCHS = 9
DEFINED_ABOVE = 0.75  # one member begins below it
MEMBERS = [Member({"mse": weight, "log_cosh": 0.1}, SEED) for weight in (0.1, 0.4, 1.5)]


class Nearness(Metric):
    """Better the larger, and undefined until predictions are near: not for the first epochs."""

    direction, unit, default_name, n_statistics = "maximize", "fraction", "nearness", 1

    def statistics(self, xp, y_true, y_pred):
        """One over one plus the squared error of each sample."""
        return [1 / (1 + xp.mean(xp.square(y_true - y_pred), axis=-1))]

    def value(self, sums):
        """The mean, if it is above a threshold."""
        mean = sums[..., 0] / sums[..., 1]
        return np.where(mean > DEFINED_ABOVE, mean, np.nan)


RULES = {
    "minimize": EarlyStopping("rmse", patience=2),
    "maximize": EarlyStopping("nearness", "maximize", patience=1),
    "patient": EarlyStopping("rmse", patience=99),
}


def restless(rule):
    """A problem whose metrics go up and down, for each member in its own way."""
    return problem(
        optimizer=keras.optimizers.SGD(0.12, momentum=0.9),
        metrics={"rmse": lw.metrics.RMSE(), "nearness": Nearness()},
        epochs=EPOCHS,
        early_stopping=RULES[rule],
    )


@pytest.mark.parametrize(
    ("trainer", "rule"),
    [("stacked", "minimize"), ("stacked", "maximize"), ("stacked", "patient"),
     ("serial", "minimize")],
)  # fmt: skip
def test_every_trainer_keeps_the_best_epoch_of_fit(trainer, rule):
    """Ends, best epochs and the parameters that are kept are those of `fit`, member by member."""
    made, given = restless(rule), data()
    fit, other = FitTrainer(made, given), TRAINERS[trainer](made, given)
    expected, kept = [], []
    for member in MEMBERS:
        expected += train(fit, [member])
        kept.append(fit.parameters(0))
    assert len({(result.best_epoch, len(result.reports)) for result in expected}) > 1
    found = train(other, MEMBERS)
    assert_same(found, expected)
    for position in range(len(MEMBERS)) if trainer == "stacked" else [len(MEMBERS) - 1]:
        for mine, theirs in zip(other.parameters(position), kept[position], strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_the_best_epoch_is_what_is_left():
    """Results and the model that is left are of the best epoch, not of the last."""
    made, given = restless("minimize"), data()
    fit = FitTrainer(made, given)
    (result,) = train(fit, MEMBERS[:1])
    values = [report.metrics["rmse"] for report in result.reports]
    assert result.best_epoch == 1 + int(np.argmin(values[1:])) < len(values) - 1
    assert result.metrics["rmse"] == values[result.best_epoch]
    assert fit.measure_on(given.val).metrics["rmse"] == pytest.approx(result.metrics["rmse"])
    assert result.reason == ""


def test_undefined_values_are_waited_for():
    """A member whose metric has no value at first is complete, with an epoch that has one."""
    fit = FitTrainer(restless("maximize"), data())
    (result,) = train(fit, MEMBERS[:1])
    values = np.array([report.metrics["nearness"] for report in result.reports])
    assert np.isnan(values[1])
    assert result.outcome is Outcome.COMPLETE
    assert result.best_epoch == np.nanargmax(values)


def test_a_member_that_diverges_or_is_stopped_has_no_best_epoch():
    """Only trainings that come to their end keep parameters."""
    fit = FitTrainer(restless("patient"), data())
    huge = Member({"mse": 1e30, "log_cosh": 0.1}, SEED)
    for member, stop in ((huge, 99), (MEMBERS[0], 2)):
        (result,) = train(fit, [member], lambda _, report, stop=stop: report.epoch < stop)
        assert result.outcome in (Outcome.DIVERGED, Outcome.PRUNED)
        assert result.best_epoch is None
