"""A check that a stack computes what Keras would: a few steps of both, before training.

Gradients are compared first, since they tell a mistake from rounding best. Then both take a step
of the optimizer, with the constraints of the variables.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops, tree
from numpy.typing import NDArray

from lossweights.base.logs import log_level
from lossweights.base.sampled import HYPER, Value
from lossweights.terms.chosen import dials_of, turn
from lossweights.training._compiled import keras_loss
from lossweights.training._feed import Feed
from lossweights.training._stack import Stack
from lossweights.training._stacked_variables import ModelValues, model_values
from lossweights.training.problem import Problem

log = logging.getLogger("lossweights")

STEPS = 2  # the second one sees the state that the first one left
TOLERANCE = 1e-3  # of the length of all gradients: rounding is far below, mistakes are far above
# Of the length of a step. Where gradients are nothing but rounding, as those of a bias before a
# normalisation are, Adam makes a step of them.
STEP_TOLERANCE = 0.1
NUMBERS = 1 << 20  # numbers that are compared at once: in double precision they take room


class GradientRecorder(keras.optimizers.Optimizer):
    """Keeps the gradients it is given, and changes nothing."""

    def __init__(self) -> None:
        super().__init__(learning_rate=0.0, name="gradient_recorder")
        self.gradients: list[Any] = []

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Keep the gradients of the variables that the loss depends on."""
        self.gradients = [gradient for gradient in grads if gradient is not None]


def check_parity(problem: Problem, stack: Stack, feed: Feed, seed: int = 0) -> str | None:
    """Compare the gradients of a stack with those of Keras' own `train_step`.

    Keras runs its step without a graph, so that this takes moments. Both see the same rows twice:
    a state that is lost in between, such as that of dropout or a moving average, shows.

    Args:
        problem: What is to be trained.
        stack: A stack in one order of rows; it is left with other values.
        feed: Where the training batches come from.
        seed: Seed of the model that is compared.

    Returns:
        What is wrong, as the end of a sentence, or ``None``.
    """
    batch = feed.first(len(feed) % problem.batch_size or problem.batch_size)  # an epoch's last
    model = problem.make_model(seed, x=batch[0])
    start = model_values(model)
    places = sorted({0, stack.size - 1})
    try:
        with _quiet():
            found = _of_stack(problem, stack, start, batch, places)
            impure = stack.why_impure(batch)
    except Exception as error:  # a model's code may raise anything when it is traced
        return _said(error)
    if impure is not None:
        return impure
    for place in places:
        expected = _of_keras(problem, model, start, place, batch)
        for step in range(STEPS):
            difference = _difference(found[place][step], expected[step])
            if not difference <= TOLERANCE:
                return f"gradients differ by {difference:.2g} of their length in step {step + 1}"
    del found, expected  # of a large model they take much memory
    try:
        with _quiet():
            moved = _step_of_stack(problem, stack, start, batch, places)
    except Exception as error:
        return _said(error)
    for place in places:
        by_keras = _step_of_keras(problem, model, start, place, batch)
        difference = _difference(moved[place], by_keras)
        if not difference <= STEP_TOLERANCE:
            return f"a step of the optimizer differs by {difference:.2g} of its length"
    return None


def _quiet() -> AbstractContextManager[None]:
    """TensorFlow would print pages on every operation that it cannot vectorise."""
    return log_level("tensorflow", logging.CRITICAL)


def _said(error: Exception) -> str:
    log.debug("a stack cannot be traced", exc_info=True)
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")


def _weights(problem: Problem, place: int) -> dict[str, float]:
    """Weights that differ from term to term and from place to place."""
    return {name: 1.0 + ((i + place) % 3) / 2 for i, name in enumerate(problem.terms)}


def _numbers(problem: Problem, place: int) -> dict[str, float]:
    """Numbers of the optimizer that differ from place to place; none goes above its usual value."""
    return {name: usual * (1 - (place % 3) / 8) for name, usual in problem.hyper.items()}


def _chosen(problem: Problem, place: int) -> dict[str, Value]:
    """These, and what terms read beside."""
    read = {dial.key: dial.example(place) for dial in dials_of(problem.terms.values())}
    return {**read, **{f"{HYPER}{n}": value for n, value in _numbers(problem, place).items()}}


def _all_chosen(problem: Problem, size: int) -> list[dict[str, Value]]:
    return [_chosen(problem, place) for place in range(size)]


def _of_stack(
    problem: Problem, stack: Stack, start: ModelValues, batch: Any, places: Sequence[int]
) -> dict[int, list[list[NDArray[Any]]]]:
    """The gradients at these places in each step; parameters stay where they are."""
    weights = [_weights(problem, place) for place in range(stack.size)]
    stack.start([start] * stack.size, weights, _all_chosen(problem, stack.size))
    variables = stack.variables
    found: dict[int, list[list[NDArray[Any]]]] = {place: [] for place in places}
    for _ in range(STEPS):
        gradients, state = stack.plain_gradients(
            variables.as_they_lie, variables.state, variables.read, batch
        )
        variables.set_state(state)
        gradients = variables.layout.turned(gradients, stack.plain_gradients.indices)
        arrays = [ops.convert_to_numpy(value) for value in tree.flatten(list(gradients))]
        for place in places:
            found[place].append([array[place].copy() for array in arrays])
    return found


def _step_of_stack(
    problem: Problem, stack: Stack, start: ModelValues, batch: Any, places: Sequence[int]
) -> dict[int, list[NDArray[Any]]]:
    """How far one step of the optimizer moves the parameters at these places."""
    weights = [_weights(problem, place) for place in range(stack.size)]
    stack.start([start] * stack.size, weights, _all_chosen(problem, stack.size))
    stack.step_once(batch)
    ends = {place: stack.variables.of_member(place)[0] for place in places}
    return {
        place: [end - begin for end, begin in zip(values, start[0], strict=True)]
        for place, values in ends.items()
    }


def _step_of_keras(
    problem: Problem, model: keras.Model, start: ModelValues, place: int, batch: Any
) -> list[NDArray[Any]]:
    """How far Keras' own training step moves the parameters of one member."""
    _put(model, start)
    loss = problem.make_loss()
    loss.set_weights(_weights(problem, place))
    optimizer = problem.make_optimizer()
    for name, value in _numbers(problem, place).items():
        setattr(optimizer, name, value)
    turn(problem.terms.values(), _chosen(problem, place))
    model.compile(optimizer=optimizer, loss=keras_loss(loss, model), run_eagerly=True)
    model.train_step(batch)
    return [
        ops.convert_to_numpy(variable) - begin
        for variable, begin in zip(model.trainable_variables, start[0], strict=True)
    ]


def _put(model: keras.Model, start: ModelValues) -> None:
    for variable, value in zip(model.trainable_variables, start[0], strict=True):
        variable.assign(value)
    for variable, value in zip(model.non_trainable_variables, start[1], strict=True):
        variable.assign(value)


def _of_keras(
    problem: Problem,
    model: keras.Model,
    start: ModelValues,
    place: int,
    batch: Any,
) -> list[list[NDArray[Any]]]:
    """The gradients of one member in each step, from Keras' own training step."""
    _put(model, start)
    recorder, loss = GradientRecorder(), problem.make_loss()
    loss.set_weights(_weights(problem, place))
    turn(problem.terms.values(), _chosen(problem, place))
    model.compile(optimizer=recorder, loss=keras_loss(loss, model), run_eagerly=True)
    steps = []
    for _ in range(STEPS):
        recorder.gradients = []
        model.train_step(batch)
        steps.append(tree.flatten([_plain(gradient) for gradient in recorder.gradients]))
    recorder.gradients = []  # the model holds on to its optimizer
    return steps


def _plain(gradient: Any) -> Any:
    if isinstance(gradient, tf.IndexedSlices):
        return gradient.values.numpy(), gradient.indices.numpy()
    return ops.convert_to_numpy(gradient)


def _difference(found: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> float:
    """The distance of two lists of gradients, over the length of the second."""
    if [g.shape for g in found] != [g.shape for g in expected]:
        return float("inf")
    distance = length = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # what explodes is told below
        for mine, theirs in zip(found, expected, strict=True):
            mine, theirs = mine.reshape(-1), theirs.reshape(-1)
            for first in range(0, mine.size, NUMBERS):
                a, b = (np.float64(part[first : first + NUMBERS]) for part in (mine, theirs))
                distance += float(np.sum((a - b) ** 2.0))
                length += float(np.sum(b**2.0))
    if not np.isfinite(length):
        return float("inf") if np.isfinite(distance) else 0.0  # one is lost, or both are
    return float(np.sqrt(distance / length)) if length > 0 else float(distance > 0)
