"""Cutting along named axes."""

import numpy as np
import pytest
import tensorflow as tf

from lossweights.terms._axes import cut

BORDERS = [
    (1, None),
    (None, -1),
    (2, None),
    (None, -2),
    (1, -1),
    (None, 1),
    (-1, None),
    (None, None),
]


@pytest.mark.parametrize(("start", "stop"), BORDERS)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_cut_is_a_slice(start, stop, size, axis):
    """Whatever is left of the axis, and also where nothing is."""
    x = np.arange(2 * size * size * 2, dtype="float32").reshape(2, size, size, 2)
    index = [slice(None)] * 4
    index[axis] = slice(start, stop)
    np.testing.assert_array_equal(
        np.asarray(cut(tf.constant(x), axis, start, stop)), x[tuple(index)]
    )


@pytest.mark.parametrize(("start", "stop"), BORDERS)
def test_a_cut_of_unknown_size_is_a_slice_too(start, stop):
    """A series of any length, in a graph that is traced once."""
    traced = tf.function(
        lambda x: cut(x, 1, start, stop), input_signature=[tf.TensorSpec([None, None])]
    )
    x = np.arange(10, dtype="float32").reshape(2, 5)
    np.testing.assert_array_equal(traced(x), x[:, start:stop])
