"""What terms say about themselves before any training: links, axes, maps, and best constants."""

import keras
import numpy as np
import pytest

from lossweights import reference_scales
from lossweights.base.errors import TermError
from lossweights.terms import (
    Boundary,
    BoundaryF1,
    CustomLoss,
    Dice,
    DistanceBoundary,
    Focal,
    HausdorffDistance,
    Huber,
    KerasLoss,
    MeanAbsoluteError,
    MeanSquaredError,
    Newsvendor,
    Overestimation,
    Pinball,
    SoftBoundaryDice,
    Term,
    TotalVariation,
    Tversky,
    Underestimation,
    as_term,
    on,
    reading,
)
from lossweights.terms._foreign import BUILTINS
from lossweights.terms.targets import Targets

IMAGES = Targets(np.arange(2 * 3 * 4 * 2).reshape(2, 3, 4, 2) % 7, term="x")
BY_MEAN = [
    "BinaryCrossentropy", "CategoricalCrossentropy", "KLDivergence", "MeanAbsoluteError",
    "MeanSquaredError", "Poisson",
]  # fmt: skip  # the median of the targets here is their mean
WITH_LOGITS = ["CategoricalCrossentropy", "CategoricalFocalCrossentropy"]


class Own(Term):
    """A term of the user's that says nothing about itself."""

    def per_sample(self, y_true, y_pred, element_weight=None):
        """The squared error of the first column."""
        return (y_true[:, 0] - y_pred[:, 0]) ** 2


@pytest.mark.parametrize("term", [Own(), Huber(), CustomLoss(abs), KerasLoss("Hinge")])
def test_defaults(term):
    """A term reads any values, along no axes, without maps, and knows no formula of a constant."""
    assert (term.link, term.axes, term.mapped) == ("identity", (), False)
    assert term.best_constant(IMAGES) is None


@pytest.mark.parametrize("term", [Dice(), Tversky(), Focal()])
def test_masks_of_probabilities(term):
    """Terms that read probabilities say so, and have their constant searched for."""
    assert (term.link, term.best_constant(IMAGES)) == ("probability", None)


@pytest.mark.parametrize(
    ("term", "level"),
    [
        (MeanAbsoluteError(), 0.5),
        (KerasLoss("MeanAbsoluteError"), 0.5),
        (Pinball(0.9), 0.9),
        (Newsvendor(3.0, 1.0), 0.75),
    ],
)
def test_quantiles(term, level):
    """Absolute errors, weighed by their sign, have a quantile as their constant."""
    np.testing.assert_array_equal(term.best_constant(IMAGES), IMAGES.quantile(level))


@pytest.mark.parametrize(
    "term", [MeanSquaredError(), Underestimation(), Overestimation(power=2), Boundary(axes=1)]
)
def test_means(term):
    """Squared errors have the mean as their constant, and what has none of its own is given it."""
    np.testing.assert_array_equal(term.best_constant(IMAGES), IMAGES.mean())


@pytest.mark.parametrize(
    "make", [Boundary, TotalVariation, SoftBoundaryDice, BoundaryF1, DistanceBoundary]
)
def test_axes_are_the_argument(make):
    """Terms that look at neighbours name the axes that they were given."""
    assert make(axes=(2, -3)).axes == (2, -3)
    assert make(axes=1).axes == (1,)


def test_who_reads_maps():
    """The terms of distance maps, and what stands beside them, know of the maps."""
    assert DistanceBoundary().mapped
    assert HausdorffDistance().mapped
    assert reading("mse").mapped
    assert on("mask", reading("mse")).mapped
    assert not on("mask", "mse").mapped


@pytest.mark.parametrize(
    ("term", "link"),
    [
        (Focal(from_logits=True), "logit"),
        (KerasLoss("BinaryCrossentropy", {"from_logits": True}), "logit"),
        (KerasLoss("BinaryFocalCrossentropy", {"from_logits": True}), "logit"),
        (KerasLoss("BinaryCrossentropy", {"from_logits": False}), "identity"),
        (KerasLoss("SparseCategoricalCrossentropy", {"from_logits": True}), "softmax"),
        *((KerasLoss(name, {"from_logits": True}), "softmax") for name in WITH_LOGITS),
        *((KerasLoss(name), "identity") for name in WITH_LOGITS),
    ],
)
def test_links_and_their_wrappers(term, link):
    """Log-odds and log-probabilities are told apart; a wrapper says what its term says."""
    assert term.link == reading(term).link == on("a", term).link == on("a", reading(term)).link
    assert term.link == link


def test_wrappers_hand_axes_and_constants_on():
    """A wrapper differences along the axes of its term, and has its constant or none."""
    for wrap in (reading, lambda term: on("a", term)):
        assert wrap(Boundary((1, 2))).axes == (1, 2)
        labels = Targets(np.array([0, 1, 1, 1]))
        found = wrap("sparse_categorical_crossentropy").best_constant(labels)
        np.testing.assert_array_equal(found, [[0.25, 0.75]])
        with pytest.raises(TermError, match="Found CTC as the term 'x'"):
            wrap("ctc").best_constant(IMAGES)


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_every_loss_of_keras_has_an_answer(name):
    """Each of Keras' losses has a formula, a search, or a refusal."""
    term = KerasLoss(name)
    targets = Targets(np.array([[1], [0], [1], [2]]), term="x")
    if name in ("CTC", "Circle"):
        with pytest.raises(TermError, match=rf"constant prediction.*Found {name} as the term 'x'"):
            term.best_constant(targets)
    elif name == "SparseCategoricalCrossentropy":
        np.testing.assert_array_equal(term.best_constant(targets), [[0.25, 0.5, 0.25]])
    elif name == "CategoricalGeneralizedCrossEntropy":  # 1, 4 and 1 to each other: the squares
        np.testing.assert_allclose(term.best_constant(targets), [[1 / 6, 4 / 6, 1 / 6]])
    elif name in BY_MEAN:
        np.testing.assert_array_equal(term.best_constant(targets), [[1.0]])
    else:
        assert term.best_constant(targets) is None


def test_ignored_class():
    """Elements of the ignored class are not among the rates."""
    ignoring = keras.losses.SparseCategoricalCrossentropy(ignore_class=2)
    labels = np.array([0, 2, 1, 2, 1, 1])
    found = as_term(ignoring, "x").best_constant(Targets(labels, classes=3))
    np.testing.assert_array_equal(found, [[0.25, 0.75, 0.0]])


def test_label_smoothing():
    """Smoothed targets have a smoothed mean."""
    rates = Targets(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    found = KerasLoss("CategoricalCrossentropy", {"label_smoothing": 0.2}).best_constant(rates)
    np.testing.assert_allclose(found, [[0.7, 0.3]])
    found = KerasLoss("BinaryCrossentropy", {"label_smoothing": 0.2}).best_constant(rates)
    np.testing.assert_allclose(found, [[0.7, 0.3]])


def test_quantile_of_targets():
    """For each channel the lowest value with the asked part of the weight at or below it."""
    y = np.array([[1.0, 40.0], [2.0, 30.0], [3.0, 20.0], [4.0, 10.0]])
    np.testing.assert_array_equal(Targets(y).quantile(0.5), [[2.0, 20.0]])
    np.testing.assert_array_equal(Targets(y, axes=[1]).quantile(0.5), [[4.0, 4.0]])
    weighted = Targets(y, weight=np.array([0.0, 0.0, 1.0, 3.0]))
    np.testing.assert_array_equal(weighted.quantile(0.5), [[4.0, 10.0]])
    np.testing.assert_array_equal(Targets(np.array([3.0, 1.0, 2.0])).quantile(0.9), [3.0])


def test_mean_of_targets():
    """One mean for each channel, for all along a differenced last axis, and none for the maps."""
    y = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(Targets(y).mean(), [[[5.0, 6.0]] * 3])
    np.testing.assert_array_equal(Targets(y, axes=[1]).mean(), Targets(y).mean())
    np.testing.assert_array_equal(Targets(y, axes=[-1]).mean(), np.full((1, 3, 2), 5.5))
    np.testing.assert_array_equal(Targets(y, mapped=True).mean(), np.full((1, 3, 1), 5.0))
    np.testing.assert_array_equal(Targets(y, classes=2, mapped=True).mean(), Targets(y).mean())
    first = Targets(y, weight=np.array([1.0, 0.0])).mean()
    np.testing.assert_array_equal(first, [[[2.0, 3.0]] * 3])


class Median(Own):
    """A term whose best constant is not the mean."""

    def best_constant(self, targets):
        """The median of all values."""
        return np.full((1, *targets.y.shape[1:]), np.median(targets.y))


class Misspelt(Own):
    """A term with a link that nobody knows."""

    link = "sigmoid"


def test_own_terms_are_asked():
    """A scale is measured at the constant that the term names, through the link that it names."""
    y = np.array([[0.0], [1.0], [5.0]])
    scales = reference_scales({"own": Own(), "median": Median()}, y)
    assert scales["own"] == pytest.approx(np.var(y), rel=1e-5)
    assert scales["median"] == pytest.approx(np.mean((y - 1.0) ** 2), rel=1e-5)
    with pytest.raises(TermError, match=r"'x' to have a link among \['identity'.*'sigmoid'"):
        reference_scales({"x": Misspelt()}, y)
