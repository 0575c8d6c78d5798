"""What can be a term, what cannot, and how a mistake is answered."""

import copy
import functools
from dataclasses import dataclass

import keras
import numpy as np
import pytest
from keras import ops

from lossweights import CombinedLoss
from lossweights.base.errors import TermError
from lossweights.terms import (
    CustomLoss,
    KerasLoss,
    Pinball,
    Underestimation,
    as_term,
    describe,
)
from lossweights.terms._foreign import BUILTINS, OWN, builtin_functions

Y = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
P = np.array([[1.5, 2.0], [1.0, 8.0]], "float32")


class OwnLoss(keras.losses.Loss):
    """A Keras loss as a user writes one, with a reduction that is not the term's business."""

    def call(self, y_true, y_pred):
        """The largest error of each sample."""
        return ops.max(ops.abs(y_true - y_pred), axis=-1)


def own_function(y_true, y_pred):
    """A value for each element."""
    return ops.abs(y_true - y_pred)


def by_sample(term):
    """The value of each sample."""
    return ops.convert_to_numpy(term.per_sample(Y, P)).tolist()


@pytest.mark.parametrize(
    "identifier",
    [
        "mse",
        "MSE",
        "mean_squared_error",
        "MeanSquaredError",
        keras.losses.MeanSquaredError,
        keras.losses.MeanSquaredError(),
        keras.losses.mean_squared_error,
        keras.losses.get("mse"),
        lambda y, p: ops.mean(ops.square(y - p), axis=-1),
        lambda y, p: ops.square(y - p),
        functools.partial(lambda power, y, p: ops.abs(y - p) ** power, 2),
    ],
    ids=[
        "short name",
        "short name in capitals",
        "name of a function",
        "name of a class",
        "class",
        "instance",
        "function",
        "found by Keras",
        "lambda",
        "lambda by element",
        "partial",
    ],
)
def test_every_form_of_one_loss(identifier):
    """Name, class, instance, function and lambda of the squared error are the same term."""
    assert by_sample(as_term(identifier, "accuracy")) == [0.125, 10.0]


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_every_builtin_by_name(name):
    """Each loss class of Keras is found by its name and by the name of its function."""
    (function,) = [f for f, loss in builtin_functions().items() if loss == name]
    forms = (name, function.__name__, function, BUILTINS[name], BUILTINS[name]())
    forms += (KerasLoss(name),) if name in ("Dice", "Tversky") else ()
    if name in ("Dice", "Tversky"):
        for form in forms:
            with pytest.raises(TermError, match=rf"'x'.*whole batch. Take lw.terms.{name}\("):
                as_term(form, "x")
        return
    for term in map(as_term, forms, "x" * len(forms)):
        assert isinstance(term, OWN.get(name, KerasLoss))
        assert describe(term) == describe(as_term(name, "x"))
        assert not isinstance(term, KerasLoss) or term.loss == name


def test_own_losses():
    """A loss class of the user's, as class or instance, and a function are terms."""
    for identifier in (OwnLoss, OwnLoss(reduction=None)):
        term = as_term(identifier, "largest")
        assert isinstance(term, CustomLoss)
        assert by_sample(term) == [0.5, 4.0]
    assert by_sample(as_term(own_function, "mae")) == [0.25, 3.0]


def test_terms_stay_as_they_are():
    """A term is not wrapped, and its class is instantiated."""
    term = Underestimation(3.0)
    assert as_term(term, "under") is term
    assert isinstance(as_term(Underestimation, "under"), Underestimation)


@pytest.mark.parametrize(
    "identifier",
    [["mse", "mae"], ("mse",), {"class_name": "MeanSquaredError"}, None, 1.0, int, np.zeros(3)],
    ids=str,
)
def test_what_is_no_term(identifier):
    """Lists of losses, numbers and other things are refused with the term's name."""
    with pytest.raises(TermError, match=r"Expected the term 'shape' to be.*Found"):
        as_term(identifier, "shape")


def test_misspelt_name():
    """A name that Keras does not know is answered with those that are near."""
    with pytest.raises(TermError, match=r"Found 'mze'. Did you mean \['mse'"):
        as_term("mze", "accuracy")
    with pytest.raises(TermError, match=r"Found 'mean_square_error'.*mean_squared_error"):
        as_term("mean_square_error", "accuracy")


def test_class_that_needs_arguments():
    """A class that cannot be made without arguments is answered with how to pass an instance."""
    with pytest.raises(TermError, match=r"tau.*Pass an instance: Pinball\(...\)"):
        as_term(Pinball, "quantile")


def test_a_sum_is_no_term():
    """A combined loss inside another is refused with the reason."""
    inner = CombinedLoss({"mse": "mse"})
    with pytest.raises(TermError, match=r"'both'.*is a sum of terms"):
        as_term(inner, "both")
    with pytest.raises(TermError, match="is a sum of terms"):
        CombinedLoss({"mae": "mae", "both": inner})


@dataclass
class Power:
    """A loss with a setting, compared by value and so without a hash."""

    exponent: float

    def __call__(self, y_true, y_pred):
        """A value for each element."""
        return ops.abs(y_true - y_pred) ** self.exponent

    def method(self, y_true, y_pred):
        """The same."""
        return self(y_true, y_pred)


CALLABLES = {
    "dataclass": Power(2.0),
    "method": Power(2.0).method,
    "partial of a dataclass": functools.partial(Power(2.0)),
}


@pytest.mark.parametrize("kind", CALLABLES)
def test_whatever_can_be_called_is_a_function(kind):
    """Its values count, and it is copied, pickled and trained with."""
    term = as_term(CALLABLES[kind], "own")
    assert isinstance(term, CustomLoss)
    assert by_sample(term) == [0.125, 10.0]
    assert by_sample(copy.deepcopy(term)) == [0.125, 10.0]
    loss = CombinedLoss({"own": CALLABLES[kind], "mae": "mae"}, {"own": 1.0, "mae": 0.0})
    assert float(loss(Y, P)) == pytest.approx((0.125 + 10.0) / 2)


def test_a_model_with_a_callable_object_is_saved_and_loaded(tmp_path):
    """It is passed again under the name of its class, as Keras has it of functions."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", loss=CombinedLoss({"own": Power(3.0), "part": CALLABLES["dataclass"]}))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Power": Power(3.0)})
    assert again.loss.terms["own"].loss == Power(3.0)


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.MeanSquaredError(reduction="sum"),
        keras.losses.MeanAbsoluteError(reduction="mean_with_sample_weight"),
        OwnLoss(reduction="sum"),
        Underestimation(reduction="sum"),
        keras.losses.Dice(axis=(1,), reduction="sum"),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_a_reduction_that_a_term_cannot_keep_is_refused(loss):
    """Not silently dropped: the message says what to write instead."""
    with pytest.raises(TermError, match=r"'total'.*reduction='(sum|mean_).*CombinedLoss\(\.\.\., "):
        CombinedLoss({"total": loss})


@pytest.mark.parametrize("reduction", [None, "none", "mean", "sum_over_batch_size"])
def test_reductions_that_change_nothing_are_taken(reduction):
    """A value per sample, or its part of the mean, is what a term is."""
    loss = CombinedLoss({"mse": keras.losses.MeanSquaredError(reduction=reduction)})
    assert float(loss(Y, P)) == pytest.approx((0.125 + 10.0) / 2)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("boundary_loss", r"lw.terms.DistanceBoundary\(\).*lw.terms.Boundary.*gradient matching"),
        ("Boundary", "lw.terms.DistanceBoundary"),
        ("pinball", r"lw.terms.Pinball\(\.\.\.\)"),
        ("soft_boundary_dice", r"lw.terms.SoftBoundaryDice\("),
    ],
)
def test_names_of_ours_are_pointed_to(name, own):
    """A name that Keras does not have, and lossweights has, is answered with how to write it."""
    with pytest.raises(TermError, match=own):
        as_term(name, "x")
