"""The stacked trainer: many members of one model in one compiled graph."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from lossweights.data import Data
from lossweights.foreign.keras_names import is_random_state
from lossweights.records import EpochReport, TrialResult
from lossweights.training._contract import NO_HALTS, Halts, Member, ReportFunction, Trainer
from lossweights.training._history import MemberHistory, halt
from lossweights.training._on_test import OnTest
from lossweights.training._parity import check_parity
from lossweights.training._placed import Placed
from lossweights.training._runs import Run, Slots, groups
from lossweights.training._sizes import bucket, cached_members, member_bytes, smaller_size
from lossweights.training._stack import Stack
from lossweights.training._stackable import NotStackable, forms, why_not_stackable
from lossweights.training._stacked_convolution import vectorize_convolutions
from lossweights.training._stacked_gradients import Form
from lossweights.training._stacked_variables import ModelValues
from lossweights.training._start import is_large, start_values
from lossweights.training.problem import Problem

log = logging.getLogger("lossweights")

# What TensorFlow says of an operation that XLA does not know.
XLA_ERRORS = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)


class StackedTrainer(Trainer):
    """Trains many members at once, side by side in one graph.

    The members of a stack are at the same epoch of the same data, so one read of a batch serves
    all. Members of one seed visit the rows in one order; members of differing seeds have a batch
    each. When members end early the rest moves to a smaller stack once that is half the size.

    Before anything is trained, the gradients of a stack are compared with those of Keras' own
    training step: a model that would not be trained as by `model.fit` is refused.

    Args:
        problem: What is trained.
        data: The data.
        size: Members of a stack; by default so many that their training stays in the cache.
        placed: The data on the device, if they are there already.
        form: The form of the graph; by default the fastest one that agrees with Keras.

    Raises:
        NotStackable: The model would not be trained as by `model.fit`; the message says why.
        ValueError: ``size`` is below 1.
    """

    name = "stacked"

    def __init__(
        self,
        problem: Problem,
        data: Data,
        *,
        size: int | None = None,
        placed: Placed | None = None,
        form: Form | None = None,
    ) -> None:
        if size is not None and size < 1:
            raise ValueError(f"Expected a stack of at least one member. Found {size}.")
        self._problem, self._epochs = problem, problem.epochs
        self._example = data.train.head(1).x  # for models that learn their shapes from data
        self._model = problem.make_model(seed=0, x=self._example)
        self._is_random = any(map(is_random_state, self._model.non_trainable_variables))
        self._size = size or cached_members(self._model, problem)
        self._is_single = self._size == 1
        if not self._is_single:
            vectorize_convolutions(self._model)
        self._placed = placed or Placed.of(problem, data, self._model)
        self._on_test = OnTest(problem, data)
        self._stacks: dict[tuple[int, bool, bool], Stack] = {}
        self._learns = False  # whether the weights of some of the members are trained with them
        self._starts: dict[int, ModelValues] = {}
        self._parameters: dict[int, ModelValues] = {}
        self._form = form or self._find_form()

    @property
    def capacity(self) -> int:
        """The number of members of a stack."""
        return self._size

    @property
    def form(self) -> Form:
        """The form of the graph that was chosen."""
        return self._form

    def warm_up(self) -> None:
        """Compile a full stack of one seed, whose members have fixed weights."""
        stack, start = self._stack_of(self._size), self._start(seed=0)
        weights = dict.fromkeys(self._problem.terms, 1.0)
        stack.start([start] * stack.size, [weights] * stack.size)
        try:
            stack.warm_up(self._placed.train.begin()([0] * stack.size, 1))
        except XLA_ERRORS as error:
            self._do_without_xla(error)

    def train(
        self, members: Sequence[Member], report: ReportFunction, halts: Halts = NO_HALTS
    ) -> list[TrialResult]:
        """Train the members, a stack at a time from halt to halt; see `Trainer.train`."""
        seeds = {member.seed for member in members}
        self._starts = {seed: start for seed, start in self._starts.items() if seed in seeds}
        self._parameters.clear()
        histories = [
            MemberHistory(position, member, self._problem, report)
            for position, member in enumerate(members)
        ]
        runs = [Run(history) for history in histories]
        self._learns = any(each.weighing.learning is not None for each in histories)
        for leg in halts.legs(self._epochs):
            # The state of random generators is common to a stack: one seed, one stack.
            for group in groups(runs, self._size, one_seed=self._is_random):
                self._forget(histories)
                self._train_stack(group, leg)
                self._test(group)
            runs = [run for run in runs if not run.history.is_over]
            if not runs:
                break
            for stopped in halt(histories, leg[1], halts):
                self._parameters.pop(stopped.position, None)
            runs = [run for run in runs if not run.history.is_over]
        return [history.result(self.name) for history in histories]

    def _forget(self, histories: Sequence[MemberHistory]) -> None:
        """Keep no parameters but the best so far of members that wait."""
        for history in histories:
            if history.is_over:
                self._parameters.pop(history.position, None)

    def _test(self, runs: Sequence[Run]) -> None:
        """Measure those on the test data that are to be, while their parameters are there."""
        for history in (run.history for run in runs):
            if history.is_to_test and history.position in self._parameters:
                history.test = self._on_test.metrics(self.parameters(history.position))

    def parameters(self, position: int) -> list[NDArray[Any]]:
        """The parameters that a member ended with; see `Trainer.parameters`."""
        if position not in self._parameters:
            raise LookupError(
                f"Expected a member of the last stack that trained to its end, one of "
                f"{sorted(self._parameters)}. Found {position}."
            )
        trainable, state = self._parameters[position]
        variables = [*self._model.trainable_variables, *self._model.non_trainable_variables]
        values = {id(v): value for v, value in zip(variables, [*trainable, *state], strict=True)}
        return [values[id(weight)] for weight in self._model.weights]

    def resize(self, size: int) -> None:
        """Train so many members at once from now on; stacks of other sizes are forgotten.

        Raises:
            ValueError: More than one, of a trainer that was made, and checked, for one.
        """
        self._check_size(size)
        self._size = size
        self._stacks = {key: stack for key, stack in self._stacks.items() if key[0] == size}

    def give_up_stacks(self) -> None:
        """Free what stacks hold; they are made and compiled again when they are needed."""
        self._stacks.clear()
        self._starts.clear()

    def seconds_a_step(self, steps: int, size: int | None = None) -> float:
        """How long a training step takes a stack, measured in at most so many steps.

        Args:
            steps: How many, if an epoch has so many full batches.
            size: Members of the stack; by default as many as are trained at once.

        Raises:
            ValueError: More than one member, of a trainer that was made, and checked, for one.
        """
        size = self._size if size is None else size
        self._check_size(size)
        stack, feed = self._stack_of(size), self._placed.train
        steps = max(1, min(steps, len(feed) // self._problem.batch_size))
        values, weights = self._start(seed=0), dict.fromkeys(self._problem.terms, 1.0)
        stack.start([values] * size, [weights] * size)
        source = feed.sample(steps)
        started = time.monotonic()
        try:
            stack.train_epoch(source, steps)
        except XLA_ERRORS as error:
            self._do_without_xla(error)
            return self.seconds_a_step(steps, size)
        stack.variables.of_member(0)  # waits until it is done
        return (time.monotonic() - started) / steps

    def _check_size(self, size: int) -> None:
        if self._is_single and size > 1:
            raise ValueError(f"Expected one member, for which this was made. Found {size}.")

    def _find_form(self) -> Form:
        """The fastest form of graph in which a stack does what Keras does."""
        reason = why_not_stackable(self._problem, self._model)
        candidates = [] if reason else forms(self._model, self._size)
        for form in candidates:
            self._form = form
            reason = check_parity(self._problem, self._stack_of(self._size), self._placed.train)
            if reason is None:
                return form
            self._stacks.clear()
        raise NotStackable(reason or "there is no form of graph for it")

    def _train_stack(self, runs: Sequence[Run], leg: tuple[int, int]) -> None:
        """Train members on from one epoch to another, or to their ends."""
        first, last = leg
        several = len({run.member.seed for run in runs}) > 1
        own_order = several and self._placed.train.has_own_orders
        size = bucket(len(runs), self._size)
        if first:
            now = max(run.size for run in runs)
            size = self._smaller(len(runs), now, own_order, self._epochs - first)
        stack = self._started(runs, size, own_order)
        slots: Slots = [*runs, *[None] * (stack.size - len(runs))]
        seeds = [(run or runs[-1]).member.seed for run in slots]
        sources = self._placed.train.begin(own_orders=own_order, done=first)
        for epoch in range(first + 1 if first else 0, last + 1):
            started = time.monotonic()
            if epoch:
                going_on = {p: run.history for p, run in enumerate(slots) if run is not None}
                stack.move(going_on)
                stack.train_epoch(sources(seeds, epoch))
                stack.note(going_on)
            reports = stack.measure(epoch)
            share = (time.monotonic() - started) / sum(run is not None for run in slots)
            for place, run in enumerate(slots):
                if run is not None and not self._go_on(run, reports[place], share, stack, place):
                    slots[place] = None
            running = [place for place, run in enumerate(slots) if run is not None]
            if not running:
                return
            if epoch < last:
                stack, places = self._compact(stack, running, own_order, self._epochs - epoch)
                slots, seeds = [slots[p] for p in places], [seeds[p] for p in places]
        if last < self._epochs:
            for values, place in zip(stack.variables.copies(running), running, strict=True):
                if (run := slots[place]) is not None:
                    run.values, run.size = values, stack.size

    def _go_on(self, run: Run, report: EpochReport, share: float, stack: Stack, place: int) -> bool:
        """Take up a member's report; whether its training goes on."""
        history = run.history
        history.seconds += share
        go_on = history.add(report)
        if history.is_kept:
            self._parameters[history.position] = stack.variables.of_member(place)
        elif history.has_failed:
            self._parameters.pop(history.position, None)
        return go_on

    def _started(self, runs: Sequence[Run], size: int, own_order: bool) -> Stack:
        """A stack with members where their training begins, or waits, that is known to compile."""
        stack = self._stack_of(size, own_order)
        spare = stack.size - len(runs)  # places that train a copy of the last member
        members = [*runs, *[runs[-1]] * spare]
        if self._form.compiles and not stack.is_compiled:
            self._put(stack, members)
            try:
                seeds = [run.member.seed for run in members]
                stack.warm_up(self._placed.train.begin(own_orders=own_order)(seeds, 1))
            except XLA_ERRORS as error:
                self._do_without_xla(error)
                return self._started(runs, size, own_order)
        self._put(stack, members)
        return stack

    def _put(self, stack: Stack, runs: Sequence[Run]) -> None:
        waiting = [run.values for run in runs if run.values is not None]
        if waiting:  # all of them, since all are at the same epoch
            stack.variables.put(waiting)
        else:
            values = [self._start(run.member.seed) for run in runs]
            weighings = [run.history.weighing for run in runs]
            weights, learning = [w.weights for w in weighings], [w.learning for w in weighings]
            stack.start(values, weights, [run.member.chosen for run in runs], learning)
            if is_large(values[0]):
                self._starts.clear()  # to make a model again is little, beside its training

    def _do_without_xla(self, error: tf.errors.OpError) -> None:
        """Go on in the same form of graph without XLA; where that is off already, fail."""
        if not self._form.compiles:
            raise error
        log.info("XLA cannot compile this model, goes on without: %s", error.message[:200])
        self._form = self._form.plain
        self._stacks.clear()

    def _compact(
        self, stack: Stack, running: list[int], own_order: bool, epochs: int
    ) -> tuple[Stack, list[int]]:
        """Move the running members to a smaller stack if they fit in one.

        Args:
            stack: Where they are.
            running: Their places.
            own_order: Whether each visits the rows in an order of its own.
            epochs: How many are left.

        Returns:
            The stack that goes on, and the place in the old one that each of its places had.
        """
        size = self._smaller(len(running), stack.size, own_order, epochs)
        if size == stack.size:
            return stack, list(range(stack.size))
        smaller = self._stack_of(size, own_order)
        ended = [place for place in range(stack.size) if place not in running]
        places = [*running, *ended[: size - len(running)]]
        smaller.variables.take(stack.variables, places)
        return smaller, places

    def _smaller(self, members: int, now: int, own_order: bool, epochs: int) -> int:
        """The size of the stack in which members go on, for so many epochs at most."""
        problem, rows = self._problem, len(self._placed.train)
        step = member_bytes(self._model, problem.batch_size)
        compiled = {size for size, *kind in self._stacks if kind == [own_order, self._learns]}
        left = float(epochs) * problem.steps_per_epoch(rows) * step
        return smaller_size(members, now, self._size, left, compiled)

    def _start(self, seed: int) -> ModelValues:
        """Where a fresh model of this seed starts."""
        if seed not in self._starts:
            self._starts[seed] = start_values(self._problem, seed, self._example)
        return self._starts[seed]

    def _stack_of(self, size: int, own_order: bool = False) -> Stack:
        """The stack of that size, compiled at its first use."""
        key = (size, own_order, self._learns)
        if key not in self._stacks:
            self._stacks[key] = Stack(
                self._problem,
                self._model,
                self._placed,
                size,
                self._form,
                own_order=own_order,
                learns=self._learns,
            )
        return self._stacks[key]
