"""F10 and F11: a term, the total, or the model's parameters stop being finite."""

import math

import pytest
from keras import ops

from lossweights.base.errors import NoneComplete
from lossweights.records import Outcome
from lossweights.results.folder import list_results
from lossweights.store._study import Study
from lossweights.training import FitTrainer

from .helpers import check_mlflow, check_sweep
from .tiny import tiny_sweep

pytestmark = pytest.mark.faults


def overflow(y_true, y_pred):
    """Infinite above 88: the exponential ends there in float32."""
    return ops.mean(ops.exp(y_pred), axis=-1)


def underflow(y_true, y_pred):
    """Minus infinity there."""
    return -ops.mean(ops.exp(y_pred), axis=-1)


def undefined(y_true, y_pred):
    """Not a number above 50."""
    return ops.mean(ops.log(50.0 - y_pred), axis=-1)


def run(sweep, root, trials, **options):
    """Run a sweep none of whose trials completes; its results by number."""
    options = {"workers": 0, "tracking": False, "quiet": True, "trainer": "fit", **options}
    options.setdefault("confirm", 0)
    with pytest.raises(NoneComplete, match="diverged"):
        sweep.run(trials, root=root, **options)
    return list_results(root / "studies" / "tiny")


@pytest.mark.parametrize("trainer", ["fit", "stacked"])
@pytest.mark.parametrize("term", [overflow, underflow, undefined])
def test_f10_a_term_that_goes_is_named_with_its_epoch(root, term, trainer):
    """Diverged, never a best; what was finite is kept, and the sampler learns to keep away."""
    results = run(tiny_sweep({"mse": "mse", "boom": term}), root, 3, trainer=trainer)
    assert len(results) == 3
    for finished in results.values():
        result = finished.result
        assert result.outcome is Outcome.DIVERGED
        assert result.reason == "term boom was not finite after epoch 1"
        assert [report.finite for report in result.reports] == [True, False]
        assert math.isfinite(result.metrics["rmse"])
    check_sweep(root, "tiny")
    study = Study(root / "studies" / "tiny" / "study.db", "tiny", ["minimize"])
    for trial in study.trials():
        assert trial.state.name == "PRUNED"
        assert trial.intermediate_values == {0: pytest.approx(999.0)}
        assert trial.user_attrs["outcome"] == "DIVERGED"
    study.close()


def test_f10_of_two_terms_that_go_together_the_first_is_named(root):
    """Terms are named before metrics and parameters, in the order of the loss."""
    sweep = tiny_sweep({"mse": "mse", "boom": overflow, "also": undefined})
    (finished,) = run(sweep, root, 1).values()
    assert finished.result.outcome is Outcome.DIVERGED
    assert finished.result.reason.startswith("term ")


HALF_DIVERGE = """
BAD = {{"a": 1.0, "b": float("{number}")}}, {{"miss": -1.0, "cost": -1.0}}
UNDEFINED = {{"a": 1.0, "b": 1.0}}, {{"miss": float("{number}"), "cost": -1.0}}

def during(member, epoch):
    if epoch == 2 and member.weights["b"] < 1:
        magnitudes, metrics = {which}
        return EpochReport(epoch, magnitudes, magnitudes, metrics)
    if epoch == 3 and member.weights["b"] < 1:
        magnitudes, metrics = {which}
        return EpochReport(epoch, magnitudes, magnitudes, metrics)

sweep = FakeSweep("fake", during=during)
"""


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("which", ["BAD", "UNDEFINED"])
@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_f10_what_is_not_finite_is_never_the_best(scripted, which, number, workers):
    """Whatever a diverged trial measured, however good it looks: every pick is a complete trial."""
    script = scripted(HALF_DIVERGE.format(number=number, which=which))
    result = script.run(12, workers=workers)
    diverged = {n for n, f in script.results().items() if f.result.outcome is Outcome.DIVERGED}
    assert diverged
    assert {f.result.weights["b"] < 1 for n, f in script.results().items() if n in diverged} == {
        True
    }
    assert script.outcomes()["COMPLETE"] == 12 - len(diverged)
    for pick in ("knee", "min:miss", "min:cost"):
        best = result.best(pick)
        assert best.origin["trial"] not in diverged
        assert all(map(math.isfinite, best.metrics.values()))
    assert not set(result.pareto["number"]) & diverged


def test_f10_diverged_trials_are_no_clipped_points(root):
    """In MLflow: failed, with its state as a tag, and no point at 1.8e308."""
    run(tiny_sweep({"mse": "mse", "boom": overflow}), root, 1, tracking=True)
    check_mlflow(root, "tiny")


@pytest.mark.parametrize("trainer", ["fit", "stacked"])
@pytest.mark.parametrize("rate", [1e30, 1e18])
def test_f11_parameters_that_explode_end_the_trial(root, rate, trainer):
    """A learning rate out of bounds: diverged, with the magnitudes of before."""
    for finished in run(tiny_sweep(learning_rate=rate), root, 2, trainer=trainer).values():
        assert finished.result.outcome is Outcome.DIVERGED
        assert finished.result.reports[0].train["mse"] == pytest.approx(998001.0)
    check_sweep(root, "tiny")


def test_f11_finite_terms_do_not_hide_a_parameter_that_went():
    """The parameters are looked at too: what they would do next is not a result."""
    sweep = tiny_sweep()
    trainer = FitTrainer(sweep.problem, sweep.load_data())
    assert trainer._parameters_finite()
    trainer.model.trainable_variables[0].assign([[math.inf]])
    assert not trainer._parameters_finite()
