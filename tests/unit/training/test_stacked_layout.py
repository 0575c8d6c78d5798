"""How the values of trainable variables lie in a stack."""

import keras
import numpy as np
import pytest
from keras import layers

from lossweights.terms import as_term
from lossweights.training._stacked_layout import Layout, kernels_that_read_data, layout_of
from lossweights.training._stacked_variables import StackedVariables, model_values
from lossweights.training.problem import Problem


def dense():
    """A layer that reads the data, which a layer without variables passes on, and one that not."""
    return keras.Sequential(
        [keras.Input((3,)), layers.Rescaling(2.0), layers.Dense(4), layers.Dense(2)]
    )


def of_several_inputs():
    """Two layers that read the data, in a model that joins them."""
    one, two = keras.Input((3,)), keras.Input((2,))
    joined = layers.Concatenate()([layers.Dense(4)(one), layers.Dense(4)(layers.Flatten()(two))])
    return keras.Model([one, two], layers.Dense(2)(joined))


def of_steps():
    """A layer that reads several rows of each sample."""
    return keras.Sequential([keras.Input((5, 3)), layers.Dense(4), layers.Dense(2)])


def normalized():
    """A layer behind another one that has variables."""
    return keras.Sequential([keras.Input((3,)), layers.BatchNormalization(), layers.Dense(4)])


def problem(build_model=dense, optimizer="adam"):
    """A problem of one term."""
    return Problem(
        build_model=build_model,
        terms={"mse": as_term("mse", "mse")},
        metrics={},
        optimizer=optimizer,
    )


@pytest.mark.parametrize(
    ("build_model", "read"),
    [(dense, [0]), (of_several_inputs, [0, 1]), (of_steps, []), (normalized, [])],
)
def test_kernels_lie_side_by_side_that_multiply_the_data(build_model, read):
    """Those of dense layers whose input is a row of the data, and no others."""
    model = build_model()
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, layers.Dense)]
    assert kernels_that_read_data(model) == {id(kernels[place]) for place in read}


@pytest.mark.parametrize(
    ("optimizer", "one_batch", "beside"),
    [
        ("adam", True, True),
        ("adam", False, False),
        (keras.optimizers.SGD(), True, False),
        (keras.optimizers.Adam(clipnorm=1.0), True, False),
    ],
)
def test_what_looks_at_a_member_as_a_whole_leaves_kernels_one_after_another(
    optimizer, one_batch, beside
):
    """Side by side is what members that read one batch multiply, and Adam's kernel updates."""
    made = problem(optimizer=optimizer)
    layout = layout_of(made, made.make_model(0), one_batch=one_batch)
    assert layout.beside == (beside, False, False, False)


def variables(size, beside):
    """The variables of so many members."""
    made = problem()
    layout = Layout((beside, False, False, False))
    return StackedVariables(made, made.make_model(0), size, layout)


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize(("here", "there"), [(True, True), (True, False), (False, True)])
def test_members_are_the_same_in_any_layout(size, here, there):
    """What is put, taken over and copied is a member's, also of as many members as inputs."""
    starts = [model_values(problem().make_model(seed)) for seed in range(size)]
    first, second, third = variables(size, here), variables(2, there), variables(2, here)
    first.start(starts, [{"mse": 1.0}] * size)
    second.take(first, [2, 0])
    third.put(second.copies([1, 0]))
    for mine, theirs in ((first, range(size)), (second, [2, 0]), (third, [0, 2])):
        for place, seed in enumerate(theirs):
            for found, expected in zip(mine.of_member(place)[0], starts[seed][0], strict=True):
                np.testing.assert_array_equal(found, expected)
    assert first.as_they_lie[0].shape == ((3, size, 4) if here else (size, 3, 4))
    np.testing.assert_array_equal(
        first.layout.turned(first.as_they_lie)[0], np.stack([values[0] for values, _ in starts])
    )
