"""Which optimizers do not see a common factor of all weights, by what they do."""

import keras
import numpy as np
import pytest

from lossweights.training.factor import is_blind_to_factor

make = keras.optimizers
BLIND = {
    "Adam": lambda: make.Adam(0.1),
    "Adam, AMSGrad": lambda: make.Adam(0.1, amsgrad=True),
    "AdamW": lambda: make.AdamW(0.1, weight_decay=0.1),
    "Adam, decay": lambda: make.Adam(0.1, weight_decay=0.1),
    "Nadam": lambda: make.Nadam(0.1),
    "Adamax": lambda: make.Adamax(0.1),
    "Lion": lambda: make.Lion(0.1),
    "Lamb": lambda: make.Lamb(0.1),
    "Muon": lambda: make.Muon(0.1),
    "Adafactor": lambda: make.Adafactor(0.1),
    "RMSprop, small epsilon": lambda: make.RMSprop(0.1, epsilon=1e-14),
    "Adagrad from 0": lambda: make.Adagrad(0.1, initial_accumulator_value=0.0, epsilon=1e-14),
    "scaled loss": lambda: make.LossScaleOptimizer(make.Adam(0.1)),
}
SEEING = {
    "SGD": lambda: make.SGD(0.1),
    "SGD, momentum": lambda: make.SGD(0.1, momentum=0.9),
    "RMSprop": lambda: make.RMSprop(0.1),
    "Adagrad": lambda: make.Adagrad(0.1),
    "Adadelta": lambda: make.Adadelta(1.0),
    "Ftrl": lambda: make.Ftrl(0.1),
    "Adam, large epsilon": lambda: make.Adam(0.1, epsilon=1e-2),
    "Adam, clipped by value": lambda: make.Adam(0.1, clipvalue=0.002),
    "Adam, clipped by norm": lambda: make.Adam(0.1, clipnorm=0.004),
    "Adam, clipped together": lambda: make.Adam(0.1, global_clipnorm=0.004),
}


def steps(optimizer, factor):
    """Where five steps lead whose gradients, of 0.01 and less, differ by a factor."""
    rng = np.random.default_rng(0)
    variables = [keras.Variable(np.full(shape, 0.5, "float32")) for shape in ((4, 3), (3,))]
    optimizer.build(variables)
    scale = float(keras.ops.convert_to_numpy(optimizer.scale_loss(1.0)))
    for step in range(5):
        sizes = 10.0 ** (-2 - step % 3)
        gradients = [sizes * rng.normal(size=v.shape) + sizes for v in variables]
        optimizer.apply([(factor * scale * g).astype("float32") for g in gradients], variables)
    return np.concatenate([np.ravel(v) for v in variables]) - 0.5


@pytest.mark.parametrize("name", BLIND)
def test_blind_ones_make_the_same_steps(name):
    """To a thousandth of their length, under a factor of 16."""
    one, other = (steps(BLIND[name](), factor) for factor in (1.0, 16.0))
    assert np.linalg.norm(one - other) < 1e-3 * np.linalg.norm(one)
    assert is_blind_to_factor(BLIND[name]())


@pytest.mark.parametrize("name", SEEING)
def test_those_that_see_it_make_other_steps(name):
    """Nothing is claimed of them."""
    one, other = (steps(SEEING[name](), factor) for factor in (1.0, 16.0))
    assert np.linalg.norm(one - other) > 1e-3 * np.linalg.norm(one)
    assert not is_blind_to_factor(SEEING[name]())


def test_of_a_class_of_ones_own_nothing_is_claimed():
    """It may do anything."""

    class Own(make.Adam):
        pass

    assert not is_blind_to_factor(Own())
