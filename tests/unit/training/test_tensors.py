"""Arrays in shared memory are not copied again by TensorFlow; all others are."""

import os

import numpy as np
import pytest
import tensorflow as tf

from lossweights.data import Data, shared
from lossweights.training import _tensors as tensors
from lossweights.training._tensors import as_tensor

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no such files here")


@pytest.fixture
def held(monkeypatch):
    """An array of a type, in shared memory."""
    monkeypatch.setattr(shared, "LARGE", 1)

    def of(dtype):
        x = np.arange(60).reshape(20, 3).astype(dtype)
        given, _ = shared.share(Data(train=(x, x), val=(x, x)))
        return given.train.x

    return of


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint8", "int32", "int64"])
def test_a_shared_array_is_read_where_it_is(held, dtype):
    """What changes in the array changes in the tensor, in a compiled graph too."""
    array = held(dtype)
    tensor = as_tensor(array)
    gathered = tf.function(lambda rows: tf.gather(tensor, rows), jit_compile=True)
    assert (gathered(tf.constant([1, 19])).numpy() == array[[1, 19]]).all()
    array[19] = 7
    assert (gathered(tf.constant([19])).numpy() == 7).all()
    assert (tensor.dtype.name, tuple(tensor.shape)) == (dtype, (20, 3))


@pytest.mark.parametrize(
    "make", [lambda held: held("bool"), lambda held: held("float32")[1:], lambda held: np.zeros(9)]
)
def test_other_arrays_are_copied(held, make):
    """Of a type that TensorFlow takes no other way; a part, which begins anywhere; anybody's."""
    array = make(held)
    tensor = as_tensor(array)
    before = array.copy()
    array[:] = 1 - array if array.dtype.kind == "f" else ~array
    assert (tensor.numpy() == before).all()


def test_beside_a_gpu_arrays_are_copied(held, monkeypatch):
    """To it, once."""
    monkeypatch.setattr(tensors, "_gpu", lambda: True)
    array = held("float32")
    tensor = as_tensor(array)
    array[0] = 7
    assert tensor.numpy()[0, 0] == 0


def test_a_tensor_keeps_its_memory(held):
    """Also when nobody holds the array any more."""
    tensor = as_tensor(held("float32"))
    assert tf.reduce_sum(tensor).numpy() == 59 * 30
