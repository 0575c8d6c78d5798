"""What all terms share: shapes that must fit, weights that must fit, and Keras' reduction."""

import copy
import inspect
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms import MeanSquaredError, Term, Underestimation

from .boundary_properties import on_tensorflow


class Plain(Term):
    """A term as a user would write it."""

    def per_sample(self, y_true, y_pred, element_weight=None):
        """The squared error of the first column."""
        return ops.square(y_true[:, 0] - y_pred[:, 0])


@pytest.mark.parametrize(
    ("y", "p"), [((3, 24), (3, 1)), ((3, 4), (3, 4, 2)), ((3,), (3, 2)), ((2, 4), (3, 4))]
)
def test_shapes_that_broadcasting_would_hide(y, p):
    """Shapes that differ are refused with both of them, instead of being broadcast."""
    with pytest.raises(TermError, match=r"y_true of shape .*y_pred of shape"):
        MeanSquaredError()(np.zeros(y), np.zeros(p))


@pytest.mark.parametrize("weight", [(3, 2), (4, 5), (3, 4, 5, 2), (4,), (3, 4, 2)])
def test_weights_that_do_not_fit(weight):
    """Weights that are neither by sample nor by element are refused with both shapes."""
    y = np.zeros((3, 4, 5))
    with pytest.raises(TermError, match=r"Expected weights.*Found weights of shape"):
        MeanSquaredError()(y, y, sample_weight=np.ones(weight))


def test_weights_along_one_axis():
    """A weight of size 1 along an axis counts for all of it."""
    y, p = np.zeros((3, 4)), np.arange(12.0).reshape(3, 4)
    along_time = np.array([[0.0, 1.0, 2.0, 3.0]])
    expected = float(np.mean(along_time * p**2))
    assert float(MeanSquaredError()(y, p, sample_weight=along_time)) == pytest.approx(expected)


def test_a_term_is_abstract():
    """A term without `per_sample` cannot be made."""
    with pytest.raises(TypeError, match="per_sample"):
        Term()


def test_own_term_is_a_keras_loss():
    """A user's term has every reduction and trains a model, with no more than `per_sample`."""
    y, p = np.array([[1.0, 9.0], [2.0, 9.0]]), np.zeros((2, 2))
    assert float(Plain()(y, p)) == 2.5
    assert float(Plain(reduction="sum")(y, p, sample_weight=[1.0, 0.5])) == 3.0
    model = keras.Sequential([keras.layers.Dense(2, kernel_initializer="zeros")])
    model.compile("sgd", loss=Plain())
    assert model.evaluate(np.ones((2, 1)), y, verbose=0) == pytest.approx(2.5)


class Handing(Term):
    """A term of the user's that hands Keras' arguments on."""

    def __init__(self, power, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def per_sample(self, y_true, y_pred, element_weight=None):
        """The first column's error to a power."""
        return ops.abs(y_true[:, 0] - y_pred[:, 0]) ** self.power


def test_own_term_with_keyword_arguments_is_copied():
    """A copy has the arguments of the class and those that it hands on."""
    again = copy.deepcopy(Handing(3, name="cubes", reduction="sum"))
    assert (again.power, again.name, again.reduction) == (3, "cubes", "sum")
    assert float(again(np.array([[2.0], [1.0]]), np.zeros((2, 1)))) == 9.0


def test_unknown_reduction():
    """A reduction that Keras does not know is refused by Keras."""
    with pytest.raises(ValueError, match="reduction"):
        MeanSquaredError(reduction="median")


def test_defaults_are_named_after_the_class():
    """Without a name, the loss is called as Keras calls losses."""
    assert MeanSquaredError().name == "mean_squared_error"
    assert Underestimation().name == "underestimation"


def test_integers_and_lists():
    """Integers, Booleans and lists are data like any other."""
    assert float(MeanSquaredError()([[1, 2]], [[True, False]])) == 2.0
    assert float(ops.sum(Underestimation().per_sample(np.array([[3]]), np.array([[1]])))) == 4.0


@on_tensorflow
def test_works_outside_any_scope():
    """A loss called in a graph of its own, with no scope around it, is no special case."""
    import tensorflow as tf

    assert float(tf.function(MeanSquaredError())(tf.zeros((2, 1)), tf.ones((2, 1)))) == 1.0


REPLICAS = """
import keras, tensorflow as tf
from lossweights.terms import MeanSquaredError
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for loss in (MeanSquaredError(), keras.losses.MeanSquaredError()):
    values = strategy.run(lambda: loss(tf.zeros((2, 1)), tf.ones((2, 1))))
    print([float(value) for value in strategy.experimental_local_results(values)])
"""


@on_tensorflow
def test_scaled_for_several_replicas():
    """Under a distribution strategy the loss is divided by the replicas, as Keras does."""
    # In a process of its own: a device can only be split before its first use.
    run = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.split("\n")[-3:-1] == ["[0.5, 0.5]"] * 2


class Kept(Term):
    """A term of the user's with arguments of every kind, and one that it keeps elsewhere."""

    def __init__(self, inner, sizes=(3, 5), hidden=1, **host):
        super().__init__(**host)
        self.inner, self.sizes, self._hidden = inner, sizes, hidden

    def per_sample(self, y_true, y_pred, element_weight=None):
        """The value of the term within."""
        return self.inner.per_sample(y_true, y_pred, element_weight)


def test_configuration_of_an_own_term():
    """It has the arguments that the term keeps, and makes the term again, terms within included."""
    config = Kept(Underestimation(3.0), name="kept").get_config()
    assert {"name": "kept", "sizes": [3, 5]}.items() <= config.items()
    assert "hidden" not in config
    again = Kept.from_config(config)
    assert (again.name, again.sizes, again.inner.factor) == ("kept", [3, 5], 3.0)


def test_unknown_arguments():
    """An argument that neither the term nor Keras takes is refused, as by any constructor."""
    for make in (
        MeanSquaredError,
        Underestimation,
        lambda **more: Kept(MeanSquaredError(), **more),
    ):
        with pytest.raises(TypeError, match="unexpected keyword argument 'cost'"):
            make(cost=1.0)


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps], ids=["copy", "pickle"])
def test_a_term_that_hides_an_argument_is_not_copied(copied):
    """The copy would have the default in its place, and other values without a word."""
    with pytest.raises(TermError, match="Found no attribute for hidden"):
        copied(Kept(MeanSquaredError(), hidden=3))


def test_signatures():
    """That of a class names all arguments, that of an instance is what it is called with."""
    assert list(inspect.signature(Kept).parameters) == [
        "inner", "sizes", "hidden", "name", "reduction", "dtype"
    ]  # fmt: skip
    called = inspect.signature(Underestimation()).parameters
    assert list(called) == ["y_true", "y_pred", "sample_weight"]
    with pytest.raises(TypeError, match=r"^Underestimation\(\) got an unexpected"):
        Underestimation(cost=1.0)
