"""A stack: so many members of one model, trained in lockstep by one graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import ops, tree
from numpy.typing import NDArray

from lossweights.base.names import MODEL
from lossweights.base.sampled import Value
from lossweights.dominance.gram import gram_table
from lossweights.records import EpochReport
from lossweights.training._feed import Source
from lossweights.training._history import MemberHistory
from lossweights.training._placed import Placed
from lossweights.training._purity import side_effects
from lossweights.training._rows import Rows
from lossweights.training._schedule import MOST_ROWS, gradient_epochs
from lossweights.training._stacked_gradients import Form, StackedGradients
from lossweights.training._stacked_gram import StackedGram
from lossweights.training._stacked_inference import StackedInference, measured_inputs
from lossweights.training._stacked_layout import layout_of
from lossweights.training._stacked_loss import Batch, MemberLoss, Tensor
from lossweights.training._stacked_probe import StackedProbe
from lossweights.training._stacked_variables import ModelValues, StackedVariables
from lossweights.training._stacked_weighing import WeighingGram
from lossweights.training.problem import Problem
from lossweights.watch.gradients import Wrt
from lossweights.watch.learned import Learning


class Stack:
    """The variables of so many members, and the graphs that train and measure them.

    Args:
        problem: What is trained.
        model: A built model of the problem; it lends its structure, its own values stay.
        placed: The data.
        size: How many members.
        form: The form of the graph that computes gradients.
        own_order: Whether each member visits the rows in an order of its own.
        learns: Whether the weights of some members are trained with them.
    """

    def __init__(
        self,
        problem: Problem,
        model: keras.Model,
        placed: Placed,
        size: int,
        form: Form,
        *,
        own_order: bool = False,
        learns: bool = False,
    ) -> None:
        self.size, self.form, self.is_compiled = size, form, False
        # Members that read rows of their own, or one that is alone, share no product.
        one_batch = form.xla and not own_order and size > 1
        layout = layout_of(problem, model, one_batch=one_batch)
        self.variables = StackedVariables(problem, model, size, layout, learns=learns)
        self._batch_size, self._placed = problem.batch_size, placed
        loss, is_common = problem.make_loss(), self.variables.is_common
        self._member = MemberLoss(model, loss)
        trained = MemberLoss(model, loss, xla_after=True) if form.xla_after else self._member
        self._gradients = StackedGradients(
            trained, is_common, form, own_batches=own_order, by_weights=learns, layout=layout
        )
        # Without XLA: the last, smaller batch of an epoch is one step, and compiling it would cost
        # more than it saves.
        self.plain_gradients = StackedGradients(
            self._member,
            is_common,
            form.plain,
            own_batches=own_order,
            by_weights=learns,
            layout=layout,
        )
        self._probe = StackedProbe(self._member, loss, problem.metrics, is_common, layout, form)
        self._rows = [measured_inputs(chunks.split) for chunks in (placed.probe, placed.val)]
        example = tree.map_structure(lambda array: array[:2], self._rows[0])
        self._inference = StackedInference(self._member, model, is_common, example)
        self._gram = StackedGram(
            self._member, model, placed.gradients, is_common, self._inference, problem
        )
        self._weighed_by: dict[Wrt, WeighingGram] = {}  # made when the first member needs it
        self._terms, self._epochs = list(loss.terms), problem.epochs
        self._gradient_epochs = gradient_epochs(problem.epochs)
        source = placed.train.source_spec(size if own_order else None)
        signature = [source, tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.bool)]
        # Partials, as in `lossweights.watch.probe`: several folds are stacks of one process.
        self._epoch = tf.function(partial(self._train), autograph=False, input_signature=signature)
        self._sums = tf.function(partial(self._measure), autograph=False, input_signature=[])
        gradients = partial(self._measure_gradients)
        self._grams = tf.function(gradients, autograph=False, input_signature=[])

    def why_impure(self, batch: Batch) -> str | None:
        """Why the loss on such a batch is no pure function of what the stack gives it, if so.

        Args:
            batch: A batch that gradients were computed for.
        """
        if self._member.is_masked:
            return "its outputs carry a mask, whose weight depends on the whole batch"
        if self._member.has_foreign_state:
            return "it changes a variable that is not its own, such as Keras' global random state"
        variables = self.variables
        kinds = self.plain_gradients.operations(
            variables.as_they_lie, variables.state, variables.read, batch
        )
        effects = side_effects(kinds)
        if effects:
            return f"it does more than compute its outputs: {', '.join(effects)}"
        if self.form.xla and any("Random" in kind for kind in kinds):
            return "it draws random numbers, which XLA does in another way than Keras"
        return None

    def start(
        self,
        values: Sequence[ModelValues],
        weights: Sequence[Mapping[str, float]],
        chosen: Sequence[Mapping[str, Value]] = (),
        learning: Sequence[Learning | None] = (),
    ) -> None:
        """Put members where fresh models start; see `StackedVariables.start`."""
        self.variables.start(values, weights, chosen, learning)

    def warm_up(self, source: Source) -> None:
        """Compile what trains and measures, by a step of training; values change.

        Args:
            source: As for `train_epoch`.

        Raises:
            tf.errors.InvalidArgumentError, tf.errors.UnimplementedError: XLA does not know an
                operation.
        """
        self._sums()
        if 0 in self._gradient_epochs:
            self._grams()
        self.train_epoch(source, steps=1)
        self.is_compiled = True

    def train_epoch(self, source: Source, steps: int | None = None) -> None:
        """Train all members for one pass over the rows.

        Args:
            source: What the batches are taken from; see `lossweights.training._feed.Feed`.
            steps: Full batches to train on, of those there are; by default all, and the smaller
                last one, which is also taken if it is the only one.
        """
        full = len(self._placed.train) // self._batch_size
        count = full if steps is None else min(steps, full)
        self._epoch(source, tf.constant(count), tf.constant(steps is None or not full))

    def step_once(self, batch: Batch) -> None:
        """Train all members on one batch, without XLA; values change."""
        tf.function(self._step, autograph=False)(self.plain_gradients, batch)

    def measure(self, epoch: int) -> list[EpochReport]:
        """The report of each member as it is now."""
        probe_sums, val_sums, finite, own = tree.map_structure(ops.convert_to_numpy, self._sums())
        placed, variables = self._placed, self.variables
        columns = zip(
            ops.convert_to_numpy(variables.weights).tolist(),
            self._with_own(self._probe.magnitudes(probe_sums, placed.probe), own[:1]),
            self._with_own(self._probe.magnitudes(val_sums, placed.val), own[1:]),
            self._probe.metrics(val_sums, variables.as_they_lie, variables.state, placed.val),
            finite.tolist(),
            strict=True,
        )
        reports = []
        for weights, train, val, metrics, is_finite in columns:
            report = EpochReport(epoch, train, val, metrics)
            bad = report.first_bad(dict(zip(self._terms, weights, strict=True)))
            bad = bad or (None if is_finite else "a parameter of the model")
            reports.append(replace(report, bad=bad))
        return self._with_gradients(reports) if epoch in self._gradient_epochs else reports

    def move(self, members: Mapping[int, MemberHistory]) -> None:
        """Move the weights of those whose weights move, by what was measured last.

        Args:
            members: Those that go on, by their places.
        """
        moving = {place: each for place, each in members.items() if each.weighing.moves}
        kinds = {each.weighing.gradients for each in moving.values()}
        grams = {wrt: self._weighing_gram(wrt).measure() for wrt in kinds if wrt is not None}
        for place, each in moving.items():
            wrt = each.weighing.gradients
            each.move(None if wrt is None else grams[wrt][place])
        if moving:
            self.variables.weigh({place: each.weighing.weights for place, each in moving.items()})

    def note(self, members: Mapping[int, MemberHistory]) -> None:
        """Tell those whose weights are trained what was in force in the epoch that ended.

        Args:
            members: Those that go on, by their places.
        """
        learning = self.variables.learning
        steps = -(-len(self._placed.train) // self._batch_size)
        for place, each in members.items():
            if learning is not None and each.weighing.learning is not None:
                each.weighing.saw(learning.in_force(place, steps))

    def _weighing_gram(self, wrt: Wrt) -> WeighingGram:
        if wrt not in self._weighed_by:
            self._weighed_by[wrt] = WeighingGram(
                self._member,
                Rows(self._placed.probe.split.spread(MOST_ROWS)),
                self.variables.is_common,
                self._inference,
                self.variables,
                wrt,
            )
        return self._weighed_by[wrt]

    def _with_own(
        self, magnitudes: list[dict[str, float]], own: Sequence[NDArray[np.float64]]
    ) -> list[dict[str, float]]:
        """Magnitudes with those of the model's own losses, if it has any."""
        if not self._inference.has_own_losses:
            return magnitudes
        added = own[0].astype(np.float64).tolist()
        return [{**row, MODEL: value} for row, value in zip(magnitudes, added, strict=True)]

    def _with_gradients(self, reports: list[EpochReport]) -> list[EpochReport]:
        """The reports of members that are well, with what is measured of their gradients."""
        grams, residuals = (ops.convert_to_numpy(value) for value in self._grams())
        found = []
        for report, gram, residual in zip(reports, grams, residuals.tolist(), strict=True):
            if report.bad is None:
                report = replace(report, gram=gram_table(list(report.train), gram))
                if report.epoch == self._epochs and self._gram.is_calibrated:
                    report = replace(report, calibration=residual)
            found.append(report)
        return found

    def _train(self, source: Source, steps: Tensor, to_the_end: Tensor) -> None:
        feed, size = self._placed.train, self._batch_size
        if self.variables.learning is not None:
            self.variables.learning.begin_epoch()

        def step(index: Tensor) -> Tensor:
            self._step(self._gradients, feed.batch(source, index * size, size))
            return index + 1

        def last() -> Tensor:
            self._step(self.plain_gradients, feed.batch(source, full * size, rest))
            return steps

        full, rest = divmod(len(feed), size)
        tf.while_loop(lambda index: index < steps, step, [tf.constant(0)], parallel_iterations=1)
        if rest:
            tf.cond(to_the_end, last, lambda: steps)

    def _step(self, gradients: StackedGradients, batch: Batch) -> None:
        variables = self.variables
        slopes, state = gradients(variables.as_they_lie, variables.state, variables.read, batch)
        count = len(gradients.indices)  # behind them is the gradient by the weights, if they learn
        variables.optimizer.apply(slopes[:count], gradients.indices)
        variables.set_state(state)
        for by_weights in slopes[count:]:
            variables.learn(by_weights)

    def _measure(self) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        trainable, state = self.variables.trainable, self.variables.state
        read = self.variables.read
        as_they_lie = self.variables.as_they_lie
        # Nothing is turned around: TensorFlow would do so with what is true or not, and complains.
        members = [int(beside) for beside in self.variables.layout.beside]
        finite = [
            tf.reduce_all(
                tf.math.is_finite(value), axis=[a for a in range(len(value.shape)) if a != at]
            )
            for value, at in zip(as_they_lie, members, strict=True)
        ]
        seen = self._inference.as_trained(trainable, state, self._rows[0])
        own = [
            self._inference.own_losses(trainable, values, x, self._batch_size)
            for x, values in zip(self._rows, (seen, state), strict=True)
        ]
        return (
            self._probe.sums(as_they_lie, seen, read, self._placed.probe),
            self._probe.sums(as_they_lie, state, read, self._placed.val),
            tf.reduce_all(tf.stack(finite), axis=0),
            [losses for losses in own if losses is not None],
        )

    def _measure_gradients(self) -> tuple[Tensor, Tensor]:
        variables = self.variables
        return self._gram.measure(variables.trainable, variables.state, variables.read)
