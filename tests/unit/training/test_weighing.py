"""The weights of a member: fixed, or moved in units by a method."""

import logging
import math

import numpy as np
import pytest

from lossweights.base.errors import WeightError
from lossweights.loss.adaptive import DWA, EnCodec, Uncertainty
from lossweights.records import EpochReport
from lossweights.training import Adaptive, Member
from lossweights.training._weighing import Weighing, _say

UNITS = {"a": 0.5, "b": 10.0, "off": 1.0}


def weighing(method, a=1.0, b=30.0, off=0.0):
    """Of three terms, one of them off; relative weights of 2 and 3."""
    return Weighing(Member({"a": a, "b": b, "off": off}, 0, Adaptive(method, UNITS)))


def report(a, b, off=math.nan, **others):
    """What was measured; the term that is off may be anything."""
    train = {"a": a, "b": b, "off": off, **others}
    return EpochReport(1, train, train, {})


def test_fixed_weights_stay():
    """And ask for nothing."""
    fixed = Weighing(Member({"a": 1.0, "b": 30.0}, 0))
    fixed.move(report(1.0, 2.0), None)
    assert (fixed.weights, fixed.moves, fixed.gradients) == ({"a": 1.0, "b": 30.0}, False, None)


def test_magnitudes_are_read_and_weights_given_in_units():
    """Inverse magnitudes by hand: of 2 and 1 in units, of sum 5; the model's own are left."""
    each = weighing(Uncertainty())
    assert each.moves
    assert each.weights == pytest.approx({"a": 1.25, "b": 25.0, "off": 0.0})
    each.move(report(4.0, 0.1, model=7.0), None)
    assert each.weights == pytest.approx({"a": 5 / 3 * 0.5, "b": 10 / 3 * 10.0, "off": 0.0})


def test_gradients_are_read_in_units():
    """Lengths of 2 and 1 in units, and shares of 2 to 3."""
    each = weighing(EnCodec())
    assert each.gradients == "output"
    gram = np.diag([16.0, 0.01, math.nan])
    each.move(report(1.0, 1.0), gram)
    lengths = np.array([4.0, 0.1]) * [each.weights["a"], each.weights["b"]]
    assert lengths[1] / lengths[0] == pytest.approx(3 / 2)


def test_a_magnitude_without_an_answer_is_told_once(caplog):
    """Not after every epoch; the weights stay."""
    _say.cache_clear()
    each = weighing(DWA())
    with caplog.at_level(logging.WARNING, "lossweights"):
        for _ in range(5):
            each.move(report(-1.0, 1.0), None)
    assert len(caplog.records) == 1
    assert "dwa" in caplog.text
    assert "magnitude of a is not above 0" in caplog.text
    assert each.weights == pytest.approx({"a": 1.25, "b": 25.0, "off": 0.0})


def test_what_a_method_cannot_begin_with_is_refused():
    """When the training begins."""
    with pytest.raises(WeightError, match="share above 0"):
        weighing(EnCodec(shares={"a": 1.0}))
