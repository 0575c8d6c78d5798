"""A stack: so many members of one model, trained in lockstep by one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from lossweights.gram import named
from lossweights.problem import Problem, Split
from lossweights.records import EpochReport
from lossweights.training.rows import Chunks, Rows
from lossweights.training.schedule import gradient_epochs
from lossweights.training.stacked_gradients import Form, StackedGradients, State, merge, split
from lossweights.training.stacked_gram import StackedGram
from lossweights.training.stacked_loss import MemberLoss, Tensor
from lossweights.training.stacked_optimizers import StackedOptimizer
from lossweights.training.stacked_probe import StackedProbe

# Values of the trainable and of the non-trainable variables of one model.
ModelValues: TypeAlias = "tuple[list[NDArray[Any]], list[NDArray[Any]]]"


class Stack:
    """The variables of so many members, side by side on a leading axis, and what trains them.

    Args:
        problem: What is trained.
        model: A built model of the problem; it lends its structure, its own values stay.
        size: How many members.
        form: The form of the graph that computes gradients.
        train: The training rows.
        probe: The rows on which magnitudes are measured.
        val: The validation rows.
        gradient_rows: The rows on which gradients of single terms are measured.
        own_order: Whether each member visits the rows in an order of its own.
    """

    def __init__(
        self,
        problem: Problem,
        model: keras.Model,
        size: int,
        form: Form,
        train: Rows,
        probe: Chunks,
        val: Chunks,
        gradient_rows: Split,
        *,
        own_order: bool = False,
    ) -> None:
        self.size = size
        self._batch_size, self._rows = problem.batch_size, train
        self._probe_rows, self._val_rows = probe, val
        self._is_common = [is_random_state(v) for v in model.non_trainable_variables]
        loss = problem.make_loss()
        self._terms = list(loss.terms)
        self._weights = tf.Variable(tf.ones((size, len(self._terms)), keras.config.floatx()))
        self._trainable = [_stacked(v, size) for v in model.trainable_variables]
        own, common = split(model.non_trainable_variables, self._is_common)
        self._own = [_stacked(variable, size) for variable in own]
        self._common = [_copy(variable) for variable in common]
        self._optimizer = StackedOptimizer(
            problem.make_optimizer(),
            self._trainable,
            [variable.constraint for variable in model.trainable_variables],
        )
        member_loss = MemberLoss(model, loss)
        self.gradients = StackedGradients(member_loss, self._is_common, form, own_batches=own_order)
        # The last, smaller batch of an epoch is a single step: compiling it would cost more.
        self._last_gradients = StackedGradients(
            member_loss, self._is_common, Form(form.tape, xla=False), own_batches=own_order
        )
        self._probe = StackedProbe(
            member_loss, loss, problem.metrics, self._is_common, xla=form.xla
        )
        self._gram = StackedGram(member_loss, model, gradient_rows, self._is_common)
        self._gradient_epochs, self._epochs = gradient_epochs(problem.epochs), problem.epochs
        order = tf.TensorSpec((size, len(train)) if own_order else (len(train),), tf.int64)
        self._epoch = tf.function(self._train_epoch, autograph=False, input_signature=[order])
        self._sums = tf.function(self._measure, autograph=False, input_signature=[])
        self._grams = tf.function(self._measure_gradients, autograph=False, input_signature=[])

    def start(self, fresh: Sequence[ModelValues], weights: Sequence[Mapping[str, float]]) -> None:
        """Put members where fresh models start.

        Args:
            fresh: The values that each member starts with.
            weights: The effective weights of each member.
        """
        self._weights.assign([[float(w[name]) for name in self._terms] for w in weights])
        for index, variable in enumerate(self._trainable):
            variable.assign(np.stack([trainable[index] for trainable, _ in fresh]))
        states = [split(state, self._is_common) for _, state in fresh]
        for index, variable in enumerate(self._own):
            variable.assign(np.stack([own[index] for own, _ in states]))
        for index, variable in enumerate(self._common):
            variable.assign(states[0][1][index])
        self._optimizer.restart()

    def train_epoch(self, order: NDArray[np.int64]) -> None:
        """Train all members for one pass over the rows.

        Args:
            order: The rows in the order in which they are visited, ``(rows,)``, or
                ``(members, rows)`` if each member has its own.
        """
        self._epoch(tf.convert_to_tensor(order))

    def measure(self, epoch: int) -> list[EpochReport]:
        """The report of each member as it is now."""
        probe_sums, val_sums, finite = (ops.convert_to_numpy(value) for value in self._sums())
        columns = zip(
            self._probe.magnitudes(probe_sums, self._probe_rows),
            self._probe.magnitudes(val_sums, self._val_rows),
            self._probe.metrics(val_sums, *self._values(), self._val_rows),
            finite.tolist(),
            strict=True,
        )
        reports = []
        for train, val, metrics, is_finite in columns:
            report = EpochReport(epoch, train, val, metrics)
            bad = report.first_bad() or (None if is_finite else "a parameter of the model")
            reports.append(replace(report, bad=bad))
        return self._with_gradients(reports) if epoch in self._gradient_epochs else reports

    def _with_gradients(self, reports: list[EpochReport]) -> list[EpochReport]:
        """The reports of members that are well, with what is measured of their gradients."""
        grams, residuals = (ops.convert_to_numpy(value) for value in self._grams())
        found = []
        for report, gram, residual in zip(reports, grams, residuals.tolist(), strict=True):
            if report.bad is None:
                report = replace(report, gram=named(self._terms, gram))
                if report.epoch == self._epochs and self._gram.is_calibrated:
                    report = replace(report, calibration=residual)
            found.append(report)
        return found

    def take(self, other: Stack, members: Sequence[int]) -> None:
        """Take over members of another stack, with all that their training has reached.

        Args:
            other: A stack of the same problem.
            members: As many of its members as this stack has.
        """
        for mine, theirs in zip(self._variables(), other._variables(), strict=True):
            value = tf.convert_to_tensor(theirs)
            mine.assign(tf.gather(value, members) if value.shape.rank else value)
        for mine, theirs in zip(self._common, other._common, strict=True):
            mine.assign(theirs)

    def values_of(self, member: int) -> ModelValues:
        """Copies of the values that a member has reached."""

        def member_of(variable: keras.Variable) -> NDArray[Any]:
            return ops.convert_to_numpy(variable)[member].copy()

        own = [member_of(variable) for variable in self._own]
        common = [ops.convert_to_numpy(variable).copy() for variable in self._common]
        return [member_of(v) for v in self._trainable], merge(own, common, self._is_common)

    def _variables(self) -> list[Any]:
        """Everything with a leading axis of members, and the scalars of the optimizer."""
        return [self._weights, *self._trainable, *self._own, *self._optimizer.variables]

    def _values(self) -> tuple[list[Tensor], State]:
        return (
            [tf.convert_to_tensor(variable) for variable in self._trainable],
            State(
                [tf.convert_to_tensor(variable) for variable in self._own],
                [tf.convert_to_tensor(variable) for variable in self._common],
            ),
        )

    def _train_epoch(self, order: Tensor) -> None:
        steps, rest = divmod(len(self._rows), self._batch_size)

        def step(index: Tensor) -> Tensor:
            first = index * self._batch_size
            self._step(self.gradients, order[..., first : first + self._batch_size])
            return index + 1

        tf.while_loop(lambda index: index < steps, step, [tf.constant(0)], parallel_iterations=1)
        if rest:
            self._step(self._last_gradients, order[..., -rest:])

    def _step(self, gradients: StackedGradients, rows: Tensor) -> None:
        rows = tf.ensure_shape(rows, (*rows.shape[:-1], rows.shape[-1] or self._batch_size))
        trainable, state = self._values()
        slopes, state = gradients(
            trainable, state, tf.convert_to_tensor(self._weights), self._rows.batch(rows)
        )
        self._optimizer.apply(slopes, gradients.connected)
        for variable, value in zip(self._own, state.own, strict=True):
            variable.assign(value)
        for variable, value in zip(self._common, state.common, strict=True):
            variable.assign(value)

    def _measure_gradients(self) -> tuple[Tensor, Tensor]:
        trainable, state = self._values()
        return self._gram.measure(trainable, state, tf.convert_to_tensor(self._weights))

    def _measure(self) -> tuple[Tensor, Tensor, Tensor]:
        trainable, state = self._values()
        finite = [
            tf.reduce_all(tf.math.is_finite(tf.reshape(value, (self.size, -1))), axis=1)
            for value in trainable
        ]
        return (
            self._probe.sums(trainable, state, self._probe_rows),
            self._probe.sums(trainable, state, self._val_rows),
            tf.reduce_all(tf.stack(finite), axis=0),
        )


def model_values(model: keras.Model) -> ModelValues:
    """Copies of the values that a model has."""
    return (
        [ops.convert_to_numpy(variable) for variable in model.trainable_variables],
        [ops.convert_to_numpy(variable) for variable in model.non_trainable_variables],
    )


def is_random_state(variable: keras.Variable) -> bool:
    """Whether a variable is the state of a `keras.random.SeedGenerator`."""
    return variable.name == "seed_generator_state"


def _stacked(variable: keras.Variable, size: int) -> keras.Variable:
    return keras.Variable(
        "zeros",
        shape=(size, *variable.shape),
        dtype=variable.dtype,
        trainable=variable.trainable,
        name=variable.name,
    )


def _copy(variable: keras.Variable) -> keras.Variable:
    return keras.Variable(
        ops.convert_to_numpy(variable), dtype=variable.dtype, trainable=False, name=variable.name
    )
