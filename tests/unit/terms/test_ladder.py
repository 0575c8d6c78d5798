"""Every term on every rung of the ladder, and that no term was left out."""

import inspect

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from lossweights import terms

from . import ladder
from .boundary_properties import gradient, on_tensorflow

every_term = pytest.mark.parametrize("rung", ladder.ALL_TERMS.values(), ids=ladder.ALL_TERMS)


@every_term
@pytest.mark.parametrize("climb", ladder.LADDER, ids=lambda climb: climb.__name__)
def test_ladder(rung, climb):
    """The term does what the assertion's sentence says."""
    climb(rung)


@on_tensorflow
@every_term
@pytest.mark.parametrize("climb", ladder.TENSORFLOW_LADDER, ids=lambda climb: climb.__name__)
def test_ladder_on_tensorflow(rung, climb):
    """The term does what the assertion's sentence says, where TensorFlow is needed to see it."""
    climb(rung)


def test_no_term_is_left_out():
    """Every term class that is exported is on the ladder, but what outputs or models give."""
    exported = {
        member
        for member in vars(terms).values()
        if inspect.isclass(member) and issubclass(member, terms.Term)
    }
    climbing = {type(rung.make()) for rung in ladder.ALL_TERMS.values()}
    assert exported - climbing == {terms.Term, terms.OnOutput, terms.OnOutputs, terms.Added}


@pytest.mark.parametrize(("y_shape", "p_shape"), [((5,), (5, 1)), ((5, 1), (5,)), ((5,), (5,))])
@pytest.mark.parametrize("name", ["mse", "under", "pinball", "linex", "keras_mse", "custom"])
def test_lone_trailing_axis(name, y_shape, p_shape):
    """Targets (batch,) fit predictions (batch, 1) and are not broadcast against them."""
    rung = ladder.ALL_TERMS[name]
    y, p = rung.data(shape=(5, 1))
    expected = ladder.per_sample(rung, y, p)
    found = ladder.value(rung.make(reduction=None), y.reshape(y_shape), p.reshape(p_shape))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", [n for n, r in ladder.ALL_TERMS.items() if not r.masks])
def test_large_numbers_in_half_precision(name):
    """A thousand squared is beyond float16; the term computes in float32 and does not care."""
    rung = ladder.ALL_TERMS[name]
    y, p = (ops.cast(1000.0 * x.round(1), "float16") for x in rung.data())
    values = ops.convert_to_numpy(rung.make().per_sample(y, p))
    assert np.isfinite(values).all()


# Few shapes, because each is compiled anew: one sample, one channel, the least that Sobel can do.
sizes = st.sampled_from([(1, 3, 3, 1), (2, 4, 3, 1), (1, 3, 6, 2), (3, 5, 4, 3)])
extremes = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, 1e-7, 1e6, -1e6, 3e9, -3e9])


@pytest.mark.parametrize("name", [n for n, r in ladder.ALL_TERMS.items() if not r.masks])
@settings(max_examples=25, deadline=None)
@given(shape=sizes, dtype=st.sampled_from(["float32", "float64"]), draw=st.data())
def test_finite_on_extreme_numbers(name, shape, dtype, draw):
    """Whatever the shape, dtype and size of the numbers, value and gradient are finite."""
    y = draw.draw(hnp.arrays(dtype, shape, elements=extremes))
    p = draw.draw(hnp.arrays(dtype, shape, elements=extremes))
    term = ladder.ALL_TERMS[name].make()
    values = ops.convert_to_numpy(term.per_sample(y, p))
    assert values.shape == shape[:1]
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    assert np.isfinite(gradient(lambda x: term.per_sample(y, x), p)).all()


@pytest.mark.parametrize("name", [n for n, r in ladder.ALL_TERMS.items() if r.masks])
@settings(max_examples=25, deadline=None)
@given(shape=sizes, dtype=st.sampled_from(["bool", "uint8", "float32"]), draw=st.data())
def test_finite_on_extreme_masks(name, shape, dtype, draw):
    """Masks of any dtype and shape, with probabilities of exactly 0 and 1, give finite numbers."""
    rung = ladder.ALL_TERMS[name]
    y = draw.draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 1))).astype(dtype)
    sure = st.sampled_from([0.0, 1.0, 0.5, 1e-8, 1e-3, 1.0 - 1e-7])
    p = draw.draw(hnp.arrays("float32", shape, elements=sure))
    y = terms.with_distance_map(y) if rung.maps else y
    term = rung.make()
    values = ops.convert_to_numpy(term.per_sample(y, p))
    assert values.shape == shape[:1]
    assert np.isfinite(values).all()
    assert np.isfinite(gradient(lambda x: term.per_sample(y, x), p)).all()


def test_weights_of_a_layer_mask():
    """The mask that a Keras layer leaves on its output reaches the term in training."""
    steps = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    y = np.arange(8.0).reshape(2, 4, 1)
    model = keras.Sequential(
        [
            keras.layers.Embedding(4, 1, mask_zero=True, embeddings_initializer="ones"),
            keras.layers.TimeDistributed(keras.layers.Dense(1, kernel_initializer="zeros")),
        ]
    )
    seen = []
    for loss in (terms.MeanSquaredError(), keras.losses.MeanSquaredError()):
        model.compile("sgd", loss=loss)
        seen.append(model.evaluate(steps, y, verbose=0))
    assert seen[0] == pytest.approx(np.mean([0.0, 1.0, 16.0]))
    assert seen[0] == pytest.approx(seen[1])
