"""Classes that are left out, such as the background, by `ignore=` and `classes=`."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn import metrics as sk

import lossweights as lw
from lossweights.base.errors import MetricError, TermError
from lossweights.data import Data
from lossweights.loss.plain_code import plain_code
from lossweights.metrics import (
    HD95,
    BoundaryF1,
    BoundaryIoU,
    Dice,
    IoU,
    SurfaceDice,
    counts_missing,
)
from lossweights.terms import describe, from_description, reading
from lossweights.training import FitTrainer, Member, StackedTrainer

from .parity import SEED, assert_same, problem, train

RNG = np.random.default_rng(2)
LABELS = RNG.integers(0, 3, (14, 8, 9)) * (RNG.uniform(size=(14, 8, 9)) < 0.5)
Y = np.eye(3, dtype="float32")[LABELS]
P = RNG.dirichlet([2.0, 1.0, 1.0], LABELS.shape).astype("float32")
W = RNG.uniform(0.1, 2.0, LABELS.shape).astype("float32")
TERMS = {
    "Dice": lw.terms.Dice,
    "Tversky": lambda **c: lw.terms.Tversky(0.3, 0.7, **c),
    "Focal": lw.terms.Focal,
    "SoftBoundaryDice": lambda **c: lw.terms.SoftBoundaryDice((1, 2), **c),
    "BoundaryF1": lambda **c: lw.terms.BoundaryF1((1, 2), **c),
    "DistanceBoundary": lambda **c: lw.terms.DistanceBoundary((1, 2), **c),
    "HausdorffDistance": lambda **c: lw.terms.HausdorffDistance((1, 2), **c),
}
MAPPED = ("DistanceBoundary", "HausdorffDistance")
CHOSEN = {"ignore=0": ({"ignore": 0}, [1, 2]), "classes=(2, 0)": ({"classes": (2, 0)}, [0, 2])}


def target(name, masks):
    """What a term reads."""
    return lw.terms.with_distance_map(masks, (1, 2)) if name in MAPPED else masks


def nothing_found():
    """Certain of the background everywhere."""
    return np.broadcast_to(np.array([0.98, 0.01, 0.01], "float32"), Y.shape)


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize("name", TERMS)
def test_a_term_without_a_class_is_that_of_the_others(name, chosen):
    """Its value is that of the term on the other channels, with weights and in plain code too."""
    given, left = CHOSEN[chosen]
    term, alone = TERMS[name](**given), TERMS[name]()
    y, some = target(name, Y), target(name, Y[..., left])
    for weight in (None, W, np.stack([W, 2 * W, 3 * W], -1)):
        picked = weight[..., left] if weight is not None and weight.ndim == 4 else weight
        expected = keras.ops.convert_to_numpy(alone.per_sample(some, P[..., left], picked))
        found = keras.ops.convert_to_numpy(term.per_sample(y, P, weight))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    for again in (from_description(describe(term)), type(term).from_config(term.get_config())):
        assert describe(again) == describe(term)
        assert repr(again) == repr(term)
        assert float(again(y, P)) == float(term(y, P))
    weights = lw.WeightSet({"a": 1.0}, terms={"a": describe(term)})
    names = {}
    exec(plain_code(weights), names)
    np.testing.assert_allclose(names["loss"](y, P), weights.loss().per_sample(y, P), rtol=2e-6)


def test_nothing_found_has_no_overlap():
    """Without the background a model that finds nothing has a Dice of 0."""
    y = np.eye(3, dtype="float32")[LABELS % 2 * 2]  # background and class 2
    p = nothing_found()
    assert Dice(threshold=None, ignore=0).evaluate(y, p) == 0.0
    assert Dice(threshold=None).evaluate(y, p) > 0.3
    assert float(lw.terms.Dice(ignore=0)(y, p)) > 0.95 > float(lw.terms.Dice()(y, p)) + 0.3


@pytest.mark.parametrize("threshold", [None, 0.4])
def test_overlap_of_some_classes_is_that_of_scikit_learn(threshold):
    """Dice and IoU over all images are micro F1 and Jaccard score over these labels."""
    pred = np.eye(3)[P.argmax(-1)] if threshold is None else np.greater(P, threshold)
    true, pred = (each.reshape(-1, 3)[:, 1:].astype(int) for each in (Y, pred))
    shared = {"threshold": threshold, "average": "dataset", "ignore": 0}
    assert Dice(**shared).evaluate(Y, P) == pytest.approx(
        sk.f1_score(true, pred, average="micro"), rel=1e-12
    )
    assert IoU(**shared).evaluate(Y, P) == pytest.approx(
        sk.jaccard_score(true, pred, average="micro"), rel=1e-12
    )
    assert float(IoU(**shared).value(np.asarray(IoU(**shared).sums(Y, P)))) == pytest.approx(
        sk.jaccard_score(true, pred, average="micro"), rel=1e-6
    )


@pytest.mark.parametrize(
    "metric", [Dice, IoU, BoundaryIoU, BoundaryF1, SurfaceDice, lambda **c: HD95("pooled", **c)]
)
def test_a_metric_without_a_class_is_that_of_the_others(metric):
    """Thresholds act on each channel, so the value is that of the metric on the others."""
    for given, left in CHOSEN.values():
        found = metric(**given).evaluate(Y, P)
        assert found == metric().evaluate(Y[..., left], P[..., left])
        again = type(metric()).from_config(metric(**given).get_config())
        assert again.evaluate(Y, P) == found
    beside = counts_missing(HD95(empty_distance="apart", ignore=0))
    assert beside is None or beside.ignore == 0


def test_functions_of_metrics_leave_classes_out():
    """The functions take what the classes take."""
    assert lw.metrics.dice(Y, P, ignore=0) == Dice(ignore=0).evaluate(Y, P)
    assert lw.metrics.hd95(Y, P, classes=1) == HD95(classes=1).evaluate(Y, P)


def test_what_leaves_nothing_out_is_described_as_before():
    """Files and sweeps from before there was a choice say the same, and build the same."""
    assert describe(lw.terms.Dice()) == {"class": "Dice"}
    assert describe(lw.terms.Tversky()) == {"class": "Tversky", "alpha": 0.5, "beta": 0.5}
    assert describe(lw.terms.DistanceBoundary()) == {"class": "DistanceBoundary", "axes": None} or (
        set(describe(lw.terms.DistanceBoundary())) == {"class", "axes"}
    )
    for each in (Dice(), HD95(), lw.terms.Dice(), lw.terms.Focal()):
        assert not {"ignore", "classes"} & set(each.get_config())
    described = describe(lw.terms.Dice(classes=(1, 2)))
    assert described == {"class": "Dice", "classes": [1, 2]}
    assert from_description(described).classes == (1, 2)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ignore": 0, "classes": 1}, "not both"),
        ({"ignore": -1}, "counted from 0"),
        ({"classes": []}, "counted from 0"),
        ({"classes": (1, 1)}, "counted from 0"),
        ({"ignore": True}, "counted from 0"),
    ],
)
def test_what_is_no_class_is_refused(given, says):
    """When it is made, by terms and metrics alike."""
    with pytest.raises(TermError, match=says):
        lw.terms.Dice(**given)
    with pytest.raises(MetricError, match=says):
        Dice(**given)


def test_classes_that_are_not_there_are_refused():
    """When it is called: no such channel, none left, or no channels at all."""
    for given, shape in ((3, Y.shape), ((0, 1, 2), Y.shape), (0, (4, 6, 6, 1))):
        y = np.ones(shape, "float32")
        with pytest.raises(TermError, match="classes on the last axis"):
            lw.terms.Dice(ignore=given)(y, y)
        with pytest.raises(MetricError, match="classes on the last axis"):
            Dice(ignore=given).evaluate(y, y)
    masks = np.ones((4, 6, 6), "float32")
    with pytest.raises(TermError, match="one of the axes"):
        lw.terms.SoftBoundaryDice((1, 2), ignore=0)(masks, masks)
    with pytest.raises(MetricError, match="classes on the last axis"):
        Dice(ignore=0).evaluate(masks, masks)


def test_a_stack_without_the_background():
    """Terms and metrics without it are trained and measured in a stack as by `fit`."""
    y = lw.terms.with_distance_map(Y, (1, 2))
    terms = {
        "dice": reading(lw.terms.Dice(ignore=0)),
        "distance": lw.terms.DistanceBoundary((1, 2), ignore=0),
    }
    made = problem(
        pixels,
        terms,
        metrics={"dice": lw.metrics.reading(Dice(threshold=None, ignore=0))},
        epochs=1,
    )
    members = [Member({"dice": w, "distance": 0.1}, SEED) for w in (0.1, 3.0)]
    given = Data((P, y), (P[:9], y[:9]))
    expected = train(FitTrainer(made, given), members)
    assert_same(train(StackedTrainer(made, given, size=2), members), expected)


def test_a_weight_set_keeps_what_is_left_out(tmp_path):
    """Its file says it, and the loss that is loaded elsewhere leaves it out."""
    term = lw.terms.Tversky(0.3, 0.7, ignore=(0, 2))
    path = lw.WeightSet({"a": 2.0}, terms={"a": describe(term)}).save(tmp_path / "set.json")
    loaded = lw.load(path)
    assert loaded.terms["a"]["ignore"] == [0, 2]
    assert float(loaded.loss()(Y, P)) == pytest.approx(2 * float(term(Y, P)), rel=1e-6)


def pixels():
    """A model that gives each pixel a class."""
    return keras.Sequential(
        [keras.Input((8, 9, 3)), layers.Conv2D(3, 3, padding="same", activation="softmax")]
    )
