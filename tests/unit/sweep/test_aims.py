"""Wish and constraints of a sweep are checked when it is declared."""

import keras
import pytest

import lossweights as lw
from lossweights.base.errors import LossweightsError, ObjectiveError, RecipeError
from lossweights.sweep._aims import declared_aims

METRICS = {
    "rmse": lw.metrics.RMSE(),
    "shortfall": lw.metrics.Shortfall(),
    "bias": lw.metrics.Bias(),
    "dice": lw.metrics.Dice(),
}


def sweep(**changes):
    """A sweep that is not run."""
    return lw.Sweep(
        **{
            "name": "declared",
            "build_model": lambda: keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]),
            "load_data": lambda: None,
            "terms": {"mse": "mse", "under": lw.terms.Underestimation()},
            "space": {"mse": 1.0, "under": lw.LogUniform(0.01, 100.0)},
            "metrics": METRICS,
            "objectives": {"rmse": "minimize", "shortfall": "minimize"},
            **changes,
        }
    )


def test_aims_are_what_was_declared():
    """Each metric in its own direction; limits in the words of picks."""
    made = sweep(wish=lw.Wish(rmse=55, dice=0.9), constraints={"bias": " >= -1 and <=1 "})
    assert made.aims.to_json() == {
        "wish": {"rmse": "<=55", "dice": ">=0.9"},
        "constraints": {"bias": ">=-1 and <=1"},
    }
    assert made._tracked_params()["constraints"] == "{'bias': '>=-1 and <=1'}"
    assert not sweep().aims
    assert "wish" not in sweep()._tracked_params()


@pytest.mark.parametrize("effect", [-0.1, 1.0, float("nan"), "0.01", None, True])
def test_a_least_effect_that_is_none(effect):
    """It is a part of a metric."""
    with pytest.raises(RecipeError, match="Expected min_effect as a part of a metric"):
        sweep(min_effect=effect)
    assert sweep().min_effect == 0.005
    assert sweep(min_effect=0).min_effect == 0.0


@pytest.mark.parametrize(
    "limit", ["5", "=5", "==5", "<=x", "", None, 5, "<=5 and", "rmse<=5", "<=5 or <=4", "<=nan"]
)
def test_limits_that_cannot_be_read(limit):
    """They are read as strictly as the conditions of picks."""
    with pytest.raises(ObjectiveError, match="Write a sign and a number"):
        declared_aims(None, {"rmse": limit}, METRICS)


@pytest.mark.parametrize(
    ("wish", "constraints", "words"),
    [
        (lw.Wish(nope=1), {}, "among the metrics"),
        (lw.Wish(bias=1), {}, "neither end is better"),
        (55, {}, r"lw.Wish\(rmse=55\)"),
        ({"rmse": 55}, {}, r"lw.Wish\(rmse=55\)"),
        (None, {"nope": "<=1"}, "Add it to metrics="),
        (None, ["rmse<=1"], "Name the metric"),
        (None, {"rmse": ">=5 and <=4"}, "rmse>=5 and rmse<=4. Loosen"),
        (None, {"rmse": ">=5 and <5"}, "Loosen"),
        (lw.Wish(rmse=4), {"rmse": ">=5"}, "rmse>=5 and rmse<=4. Loosen"),
        (lw.Wish(dice=0.9), {"dice": "<=0.5"}, "Loosen"),
    ],
)
def test_aims_that_cannot_be(wish, constraints, words):
    """Before any training, with what to do."""
    with pytest.raises(ObjectiveError, match=words):
        declared_aims(wish, constraints, METRICS)


@pytest.mark.parametrize("name", ["loss", "val_loss", "total", "total_loss", "weighted_loss"])
def test_no_weighted_loss_is_aimed_at(name):
    """Neither as an objective, a constraint or a wish, nor does a training stop on one."""
    why = "smallest weights would win"
    with pytest.raises(ObjectiveError, match=why):
        sweep(constraints={name: "<=1"})
    with pytest.raises(ObjectiveError, match=why):
        sweep(wish=lw.Wish({name: 1.0}))
    with pytest.raises(ObjectiveError, match=why):
        sweep(objectives={name: "minimize"})
    with pytest.raises(LossweightsError) as raised:
        sweep(early_stopping=lw.EarlyStopping(name, patience=3))
    assert isinstance(raised.value, ObjectiveError | RecipeError)
