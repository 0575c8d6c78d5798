"""A loss is one term under all its names, and says what it cannot be."""

import functools
from dataclasses import dataclass

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights import terms
from lossweights.base.errors import SpaceError, TermError, WeightError
from lossweights.store.manifest import check_same
from lossweights.sweep._describe import describe_problem
from lossweights.training.problem import Problem

pytestmark = pytest.mark.science

RNG = np.random.default_rng(0)
Y, P = RNG.normal(size=(2, 6, 3)).astype("float32")

FORMS = {
    "mse": [
        "mse", "MSE", "mean_squared_error", "MeanSquaredError", keras.losses.MeanSquaredError,
        keras.losses.MeanSquaredError(), keras.losses.mean_squared_error, terms.MeanSquaredError,
        terms.MeanSquaredError(), terms.KerasLoss("MeanSquaredError"),
    ],
    "mae": [
        "mae", "MAE", "mean_absolute_error", keras.losses.MeanAbsoluteError(),
        keras.losses.mean_absolute_error, terms.MeanAbsoluteError(),
    ],
    "huber": [
        "huber", "Huber", keras.losses.Huber(), keras.losses.Huber(delta=np.float32(1)),
        keras.losses.huber, terms.Huber(), terms.KerasLoss("Huber", {"delta": 1.0}),
    ],
    "bce": [
        "bce", "binary_crossentropy", "BinaryCrossentropy", keras.losses.BinaryCrossentropy,
        keras.losses.BinaryCrossentropy(), keras.losses.binary_crossentropy,
        terms.KerasLoss("BinaryCrossentropy", {"from_logits": False, "label_smoothing": 0}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_one_description_and_one_scale(name):
    """Whatever a loss is given as, its description, magnitude and reference scale are the same."""
    y = (Y > 0).astype("float32") if name == "bce" else Y
    p = 1 / (1 + np.exp(-P)) if name == "bce" else P
    found = [terms.as_term(form, "x") for form in FORMS[name]]
    assert all(terms.describe(term) == terms.describe(found[0]) for term in found)
    magnitudes = {float(term(y, p)) for term in found}
    assert max(magnitudes) == pytest.approx(min(magnitudes), rel=1e-6)
    scales = [lw.reference_scales({"x": form}, y)["x"] for form in FORMS[name]]
    assert scales == pytest.approx([scales[0]] * len(scales), rel=1e-6)


def test_one_class():
    """By its short name and as an instance of Keras a squared error is `MeanSquaredError`."""
    loss = lw.CombinedLoss({"a": "mse", "b": keras.losses.MeanSquaredError()})
    assert {type(term) for term in loss.terms.values()} == {terms.MeanSquaredError}


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({"class": "keras:MeanSquaredError"}, "mse"),
        ({"class": "keras:Huber", "delta": 2.0}, keras.losses.Huber(2.0)),
        ({"class": "keras:Huber"}, "huber"),
        (
            {"class": "keras:Poisson"},
            keras.losses.Poisson(),
        ),
    ],
)
def test_older_sweeps_are_gone_on_with(was, now):
    """A manifest that describes a term as earlier versions did is that of the same sweep."""
    term = terms.as_term(now, "x")
    assert type(terms.from_description(was)) is type(term)
    assert check_same({"terms": {"x": was}}, {"terms": {"x": terms.describe(term)}}) == []


def test_what_is_refused_says_what_to_do():
    """A batch scalar of Keras, a reduction of its own and a name of ours are told from a term."""
    with pytest.raises(TermError, match=r"lw.terms.Dice\(\)"):
        lw.CombinedLoss({"x": "dice"})
    with pytest.raises(TermError, match=r"lw.terms.Tversky\(alpha="):
        lw.CombinedLoss({"x": keras.losses.Tversky()})
    with pytest.raises(TermError, match="reduction='sum'"):
        lw.CombinedLoss({"x": keras.losses.MeanSquaredError(reduction="sum")})
    with pytest.raises(TermError, match=r"Kervadec.*DistanceBoundary"):
        lw.CombinedLoss({"x": "boundary_loss"})


@dataclass
class Power:
    """A loss with a setting, which is compared by value and so has no hash."""

    exponent: float

    def __call__(self, y_true, y_pred):
        """A value for each element."""
        return keras.ops.abs(y_true - y_pred) ** self.exponent


def test_a_callable_object_is_a_function_with_settings():
    """It is a term like any function, and its settings are part of what a sweep is."""
    y, p = Y, P
    loss = lw.CombinedLoss({"own": Power(3.0)})
    assert float(loss(y, p)) == pytest.approx(float(np.mean(np.abs(y - p) ** 3)), rel=1e-5)

    def code(function):
        problem = Problem(
            build_model=lambda: None,
            terms={"own": terms.as_term(function, "own")},
            metrics={},
        )
        return describe_problem(problem, lw.Data(train=(Y, Y), val=(Y, Y)))["code"]["terms"]["own"]

    assert code(Power(3.0)) == code(Power(3.0))
    assert code(Power(3.0)) != code(Power(2.0))
    assert code(Power(3.0).__call__) != code(Power(2.0).__call__)
    assert code(functools.partial(Power(3.0))) != code(functools.partial(Power(2.0)))


def test_a_weight_that_float32_takes_for_zero_is_refused():
    """TensorFlow computes with it as with 0: refused at every door, after division as well."""
    loss = lw.CombinedLoss({"mse": "mse", "mae": "mae"})
    for tiny in (1e-60, 1e-45, 1e-39, np.float64(1e-40)):
        for make in (
            lambda w=tiny: lw.CombinedLoss({"mse": "mse", "mae": "mae"}, {"mse": 1, "mae": w}),
            lambda w=tiny: loss.set_weights({"mse": 1, "mae": w}),
            lambda w=tiny: lw.CombinedLoss({"m": "mse"}, {"m": 1.0}, scales={"m": 1 / w}),
        ):
            with pytest.raises(WeightError, match="counts as 0 in float32"):
                make()
        for bad in (lambda w=tiny: lw.Fixed(w), lambda w=tiny: lw.LogUniform(w, 1.0)):
            with pytest.raises(SpaceError, match="float32"):
                bad()
    assert loss.weights == {"mse": 1.0, "mae": 1.0}
    multiplied = keras.Variable(np.float32(1e-39)) * np.float32(1e30)
    assert float(multiplied) == 0.0  # and not 1e-9: why such weights are refused


def test_a_perfect_prediction_is_not_moved():
    """The slope of every term on errors is 0 where there is none."""
    import tensorflow as tf

    masks = terms.with_distance_map((Y[:, :, None] > 0).astype("float32"), axes=1)
    for term, y in {
        terms.MeanAbsoluteError(): Y,
        terms.as_term("mape", "x"): Y,
        terms.Huber(0.5): Y,
        terms.Pinball(0.2): Y,
        terms.Boundary(axes=1): Y,
        terms.DistanceBoundary(axes=1): masks,
    }.items():
        p = tf.constant(y[..., : y.shape[-1] // 2] if y is masks else y)
        with tf.GradientTape() as tape:
            tape.watch(p)
            value = term(y, p)
        assert not np.any(tape.gradient(value, p))
