"""The reference trainer: Keras' own `model.fit`, one member after another, one compiled model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lossweights.base.names import MODEL
from lossweights.data import Data, Split, Stream
from lossweights.dominance.gram import gram_table
from lossweights.loss.combined import CombinedLoss
from lossweights.records import EpochReport, TrialResult
from lossweights.terms.chosen import turn
from lossweights.terms.model_losses import losses_read
from lossweights.training._compiled import keras_loss
from lossweights.training._contract import NO_HALTS, Halts, Member, ReportFunction, Trainer
from lossweights.training._epochs import epochs_of
from lossweights.training._feed import first_of
from lossweights.training._fit_weights import FitWeights
from lossweights.training._history import MemberHistory, halt
from lossweights.training._schedule import gradient_epochs, gradient_rows, weighing_rows
from lossweights.training.numbers import adjust, adjustable, numbers_of
from lossweights.training.problem import Problem
from lossweights.watch.gradients import GradientProbe, Wrt, calibration_residual
from lossweights.watch.inference import STATISTICS_ROWS, OwnLosses
from lossweights.watch.probe import Measurement, OwnProbe, Probe


def metrics_probe(problem: Problem, loss: CombinedLoss, split: Split, model: keras.Model) -> Probe:
    """What measures magnitudes and metrics of a model on a split."""
    return Probe(model, loss, split.x, split.y, split.sample_weight, problem.metrics)


class FitTrainer(Trainer):
    """Trains with `model.fit`, reusing one compiled model for all members.

    Compiling a Keras model costs more than training a small one for an epoch, so the graph is
    traced once. For each member the parameters, random states and optimizer variables are put
    back in place; the weights of the loss are variables. The numbers are those of a fresh model.
    Where the user's own callbacks may change anything of a model, each member has a fresh one; and
    one that chose another model than the member before it.
    """

    name = "fit"

    def __init__(self, problem: Problem, data: Data) -> None:
        self._problem, self._data = problem, data
        self._rows = len(data.train)
        self._example = data.train.head(1).x  # for models that learn their shapes from data
        self._epochs = epochs_of(problem, data.train)
        self._is_streamed = isinstance(data.train, Stream)
        self._gradient_epochs = gradient_epochs(problem.epochs)
        self._parameters: dict[int, list[NDArray[Any]]] = {}
        self._compile(problem)

    def _compile(self, problem: Problem) -> None:
        """Make the one model that is trained, and what measures it."""
        self._problem, data = problem, self._data
        self._is_used = False
        self._loss = problem.make_loss()
        self._model = problem.make_model(seed=0, x=self._example)
        self._model.compile(
            optimizer=adjustable(problem.make_optimizer(), problem.hyper),
            loss=keras_loss(self._loss, self._model),
            # A whole epoch in one graph call: the batches, and so the numbers, are the same. Only
            # callbacks want to hear of each batch.
            steps_per_execution=(
                problem.steps_per_epoch(self._rows) if problem.callbacks is None else 1
            ),
            jit_compile=False,  # XLA compiles longer than most small models train
        )
        self._weights = FitWeights(
            self._model, self._loss, problem, are_seen=problem.callbacks is not None
        )
        optimizer = self._model.optimizer
        optimizer.build(self._model.trainable_variables)
        self._optimizer_start = [_values(variable) for variable in optimizer.variables]
        probe = data.train.spread(problem.probe_size)
        self._train_probe = Probe(
            self._model, self._loss, probe.x, probe.y, probe.sample_weight, as_trained=True
        )
        taken = losses_read(problem.terms.values())
        own = OwnLosses(self._model, probe.head(2).x, taken)
        self._own_probes = [
            OwnProbe(own, split.spread(STATISTICS_ROWS).x, as_trained=split is probe)
            for split in (probe, data.val)
            if own.exist
        ]
        self._val_probe = metrics_probe(problem, self._loss, data.val, self._model)
        self._rows_of_gradients = gradient_rows(problem, data.train)
        rows = self._rows_of_gradients
        self._gradients = GradientProbe(
            self._model, self._loss, rows.x, rows.y, rows.sample_weight, own=own
        )
        # Made when the first member needs them: most need neither.
        self._weighed_by: dict[Wrt, GradientProbe] = {}
        self._test_probe: Probe | None = None

    def measure_on(self, split: Split) -> Measurement:
        """Magnitudes and metrics of the model as it is."""
        return metrics_probe(self._problem, self._loss, split, self._model).measure()

    @property
    def capacity(self) -> int:
        """One: members are trained one after another."""
        return 1

    @property
    def model(self) -> keras.Model:
        """The model as the last member left it: after its best epoch, with early stopping."""
        return self._model

    def train(
        self, members: Sequence[Member], report: ReportFunction, halts: Halts = NO_HALTS
    ) -> list[TrialResult]:
        """Train the members one after another, from halt to halt; see `Trainer.train`.

        Raises:
            ValueError: There are halts, and callbacks, which would be told of several trainings.
        """
        if halts.at and self._problem.callbacks is not None:
            raise ValueError("Expected no halts beside callbacks. Found both.")
        runs = [
            _Run(MemberHistory(position, member, self._problem, report))
            for position, member in enumerate(members)
        ]
        histories = [run.history for run in runs]
        self._parameters.clear()
        for first, last in halts.legs(self._problem.epochs):
            for run in runs:
                if not run.history.is_over:
                    # Only those of the last member to end, and the best so far of those that wait.
                    for history in histories:
                        if history.is_over:
                            self._parameters.pop(history.position, None)
                    self._train_one(run, first, last)
            if all(history.is_over for history in histories):
                break
            for stopped in halt(histories, last, halts):
                self._parameters.pop(stopped.position, None)
                runs[stopped.position].state = []
        return [history.result(self.name) for history in histories]

    def parameters(self, position: int) -> list[NDArray[Any]]:
        """The parameters that the last member ended with; see `Trainer.parameters`."""
        if position not in self._parameters:
            raise LookupError(
                f"Expected the last member, if it trained to its end: one of "
                f"{list(self._parameters)}. Found {position}."
            )
        return self._parameters[position]

    def seconds_a_step(self, steps: int) -> float:
        """How long a training step takes in Keras' own graph, measured in at most so many.

        The model is left with other parameters; each training begins with fresh ones.
        """
        steps = max(1, min(steps, self._rows // self._problem.batch_size))
        streamed = self._is_streamed
        batches = self._first_batch.repeat(steps) if streamed else self._epochs(0, 0).take(steps)
        iterator = iter(batches)
        self._model.make_train_function()
        started = time.monotonic()
        logs = self._model.train_function(iterator)
        keras.tree.map_structure(np.asarray, logs)  # waits until it is done
        return (time.monotonic() - started) / steps

    @cached_property
    def _first_batch(self) -> tf.data.Dataset:
        return first_of(self._epochs(0, 0))

    def _train_one(self, run: _Run, first: int, last: int) -> None:
        """Train a member on from one epoch to another, or to its end."""
        started = time.monotonic()
        history, position = run.history, run.history.position
        self._put(history, run.state)
        run.state = []

        def look(epoch: int, is_last: bool) -> bool:
            go_on = self._look(history, epoch, is_last=is_last)
            if go_on and epoch == last:
                # Before `fit` ends: it would put moving averages in the place of the parameters.
                run.state = [np.array(variable) for variable in self._variables]
            return go_on

        if first or self._look(history, epoch=0):
            self._model.fit(
                self._epochs(history.member.seed, first),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=self._problem.steps_per_epoch(self._rows),
                # Ours is last, so that what the others do to the model is measured.
                callbacks=[*self._problem.make_callbacks(), _Watch(look, self._weights)],
                shuffle=False,  # the batches come in the documented order
                verbose=0,
            )
            if history.is_over and position in self._parameters:
                self._model.set_weights(self._parameters[position])
                if history.is_to_test and self._data.test is not None:
                    history.test = self._tested(self._data.test)
        history.seconds += time.monotonic() - started

    def _look(self, history: MemberHistory, epoch: int, *, is_last: bool = False) -> bool:
        """Measure and report; False if the training is to stop, or has been stopped."""
        if is_last or epoch == self._problem.epochs:
            # As `fit` does when it ends: moving averages of the parameters become the parameters.
            self._model.optimizer.finalize_variable_values(self._model.trainable_variables)
        weights = self._weights.taken()
        if weights is not None:
            history.weighing.saw(weights)
        go_on = history.add(self.measure(epoch), is_last=is_last)
        if history.is_kept:
            self._parameters[history.position] = self._model.get_weights()
        elif history.has_failed:
            self._parameters.pop(history.position, None)
        if (
            go_on and history.weighing.moves
        ):  # at the very end of an epoch, so that whoever measures reads what was in force
            history.move(self._gram(history.weighing.gradients))
            self._loss.set_weights(history.weighing.weights)
        return go_on

    def _gram(self, wrt: Wrt | None) -> NDArray[np.float64] | None:
        """The Gram matrix of the terms as they are now, for a method that weighs by it."""
        if wrt is None:
            return None
        if wrt not in self._weighed_by:
            rows = weighing_rows(self._problem, self._data.train)
            self._weighed_by[wrt] = GradientProbe(
                self._model, self._loss, rows.x, rows.y, rows.sample_weight, wrt=wrt
            )
        return self._weighed_by[wrt].measure()

    def _tested(self, test: Split) -> dict[str, float]:
        """The metrics of the model as it is on the test data."""
        if self._test_probe is None:
            self._test_probe = metrics_probe(self._problem, self._loss, test, self._model)
        return self._test_probe.measure().metrics

    def _put(self, history: MemberHistory, state: Sequence[NDArray[Any]]) -> None:
        """Put parameters, random states, optimizer and weights where a training waits, or, without
        a state, where a fresh model has them.
        """
        problem = self._problem.of(history.member.chosen)
        if (self._is_used and problem.callbacks is not None) or problem is not self._problem:
            self._compile(problem)  # callbacks may have changed anything: a rate, what is trained
        self._is_used = True
        variables = [*self._model.variables, *self._model.optimizer.variables]
        count = len(variables)
        self._weights.start(history.member, history.weighing, state[count:])
        if not state:
            fresh = self._problem.make_model(history.member.seed, x=self._example)
            state = [*fresh.variables, *self._optimizer_start]
        for variable, value in zip(variables, state[:count], strict=True):
            variable.assign(value)
        adjust(self._model.optimizer, numbers_of(history.member, self._problem.hyper))
        turn(self._problem.terms.values(), history.member.chosen)

    @property
    def _variables(self) -> list[Any]:
        """All that a training changes."""
        model = [*self._model.variables, *self._model.optimizer.variables]
        return [*model, *self._weights.variables]

    def measure(self, epoch: int) -> EpochReport:
        """Magnitudes on probe and validation data, metrics, and the first thing not finite."""
        train, val = self._train_probe.measure(), self._val_probe.measure()
        own_train, own_val = self._own_losses()
        report = EpochReport(
            epoch, {**train.magnitudes, **own_train}, {**val.magnitudes, **own_val}, val.metrics
        )
        bad = report.first_bad(self._loss.effective_weights)
        if bad is None and not self._parameters_finite():
            bad = "a parameter of the model"
        if bad is None and epoch in self._gradient_epochs:
            gram = self._gradients.measure(self._problem.batch_size)
            report = replace(report, gram=gram_table(list(report.train), gram))
        if bad is None and epoch == self._problem.epochs:
            rows = self._rows_of_gradients
            residual = calibration_residual(
                self._model, self._loss, rows.x, rows.y, rows.sample_weight
            )
            report = replace(report, calibration=residual)
        return replace(report, bad=bad)

    def _own_losses(self) -> list[dict[str, float]]:
        """What the model adds to the loss of a batch by itself, on probe and validation data."""
        if not self._own_probes:
            return [{}, {}]
        for probe in self._own_probes:
            probe.measure()
        return [{MODEL: probe.of_batch(self._problem.batch_size)} for probe in self._own_probes]

    def _parameters_finite(self) -> bool:
        return all(
            bool(keras.ops.all(keras.ops.isfinite(variable)))
            for variable in self._model.trainable_variables
        )


def _values(variable: keras.Variable) -> NDArray[Any]:
    """A copy of the values of a variable; if all are one number, as of most, of that alone."""
    values = np.asarray(variable)
    first = values.reshape(-1)[:1].copy()
    if values.size and (values == first).all():
        return np.broadcast_to(first.reshape(()), values.shape)
    return values.copy()


@dataclass
class _Run:
    """A member, and where its training waits: the values of all that the training changes."""

    history: MemberHistory
    state: list[NDArray[Any]] = field(default_factory=list)


class _Watch(keras.callbacks.Callback):
    """Looks at the member after each epoch, and stops the training if told to."""

    def __init__(self, look: Callable[[int, bool], bool], weights: FitWeights) -> None:
        super().__init__()
        self._look, self._weights = look, weights

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._weights.look()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._weights.tell()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        stopped = bool(self.model.stop_training)  # by a callback before this one
        if not self._look(epoch + 1, stopped):
            self.model.stop_training = True
