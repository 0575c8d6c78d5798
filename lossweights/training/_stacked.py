"""The stacked trainer: many members of one model in one compiled graph."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any, TypeAlias

import tensorflow as tf
from numpy.typing import NDArray

from lossweights.data import Data
from lossweights.foreign.keras_names import is_random_state
from lossweights.records import TrialResult
from lossweights.training._contract import Member, ReportFunction, Trainer
from lossweights.training._history import MemberHistory
from lossweights.training._parity import check_parity
from lossweights.training._placed import Placed
from lossweights.training._sizes import HELD_BYTES, bucket, cached_members
from lossweights.training._stack import Stack
from lossweights.training._stackable import NotStackable, forms, why_not_stackable
from lossweights.training._stacked_convolution import vectorize_convolutions
from lossweights.training._stacked_gradients import Form
from lossweights.training._stacked_variables import ModelValues
from lossweights.training._start import start_values
from lossweights.training.problem import Problem

log = logging.getLogger("lossweights")

# What TensorFlow says of an operation that XLA does not know.
XLA_ERRORS = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)

Slots: TypeAlias = "list[MemberHistory | None]"  # what each place of a stack trains, if anything


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
        self._problem = problem
        self._example = data.train.head(1).x  # for models that learn their shapes from data
        self._model = problem.make_model(seed=0, x=self._example)
        self._is_random = any(map(is_random_state, self._model.non_trainable_variables))
        self._size = size or cached_members(self._model, problem)
        self._is_single = self._size == 1
        if not self._is_single:
            vectorize_convolutions(self._model)
        self._placed = placed or Placed.of(problem, data, self._model)
        self._stacks: dict[tuple[int, bool], Stack] = {}
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

    def train(self, members: Sequence[Member], report: ReportFunction) -> list[TrialResult]:
        """Train the members, a stack at a time; see `Trainer.train`."""
        seeds = {member.seed for member in members}
        self._starts = {seed: start for seed, start in self._starts.items() if seed in seeds}
        histories = [
            MemberHistory(position, member, self._problem, report)
            for position, member in enumerate(members)
        ]
        for group in self._groups(histories):
            self._parameters.clear()
            self._train_stack(group)
        return [history.result(self.name) for history in histories]

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
            reason = check_parity(self._problem, self._stack(self._size), self._placed.train)
            if reason is None:
                return form
            self._stacks.clear()
        raise NotStackable(reason or "there is no form of graph for it")

    def _groups(self, histories: Sequence[MemberHistory]) -> list[list[MemberHistory]]:
        """The members in groups of one stack; members of one seed together where that can be."""
        by_seed = sorted(histories, key=lambda history: history.member.seed)
        groups: list[list[MemberHistory]] = []
        for history in by_seed:
            full = not groups or len(groups[-1]) >= self._size
            # The state of random generators is common to a stack: one seed, one stack.
            other = self._is_random and groups and groups[-1][0].member.seed != history.member.seed
            if full or other:
                groups.append([])
            groups[-1].append(history)
        return groups

    def _train_stack(self, histories: Sequence[MemberHistory]) -> None:
        """Train members to their ends."""
        several = len({history.member.seed for history in histories}) > 1
        own_order = several and self._placed.train.has_own_orders
        stack = self._started(histories, own_order)
        slots: Slots = [*histories, *[None] * (stack.size - len(histories))]
        seeds = [(history or histories[-1]).member.seed for history in slots]
        sources = self._placed.train.begin(own_orders=own_order)
        for epoch in range(self._problem.epochs + 1):
            started = time.monotonic()
            if epoch:
                stack.train_epoch(sources(seeds, epoch))
            reports = stack.measure(epoch)
            running = [place for place, history in enumerate(slots) if history is not None]
            share = (time.monotonic() - started) / len(running)
            for place in running:
                history = slots[place]
                assert history is not None
                history.seconds += share
                go_on = history.add(reports[place])
                if history.is_kept:
                    self._parameters[history.position] = stack.variables.of_member(place)
                elif history.has_failed:
                    self._parameters.pop(history.position, None)
                if not go_on:
                    slots[place] = None
            running = [place for place in running if slots[place] is not None]
            if not running:
                break
            stack, places = self._compact(stack, running, own_order)
            slots, seeds = [slots[p] for p in places], [seeds[p] for p in places]

    def _started(self, histories: Sequence[MemberHistory], own_order: bool) -> Stack:
        """A stack with these members at their start, and graphs that are known to compile."""
        stack = self._stack(len(histories), own_order)
        spare = stack.size - len(histories)  # places that train a copy of the last member
        members = [history.member for history in [*histories, *[histories[-1]] * spare]]
        values = [self._start(member.seed) for member in members]
        weights = [member.weights for member in members]
        if self._form.xla and not stack.is_compiled:
            stack.start(values, weights)
            try:
                seeds = [member.seed for member in members]
                stack.warm_up(self._placed.train.begin(own_orders=own_order)(seeds, 1))
            except XLA_ERRORS as error:
                self._do_without_xla(error)
                return self._started(histories, own_order)
        stack.start(values, weights)
        if sum(array.nbytes for part in values[0] for array in part) > HELD_BYTES:
            self._starts.clear()  # to make a model again is little, beside its training
        return stack

    def _do_without_xla(self, error: tf.errors.OpError) -> None:
        """Go on in the same form of graph without XLA; where that is off already, fail."""
        if not self._form.xla:
            raise error
        log.info("XLA cannot compile this model, goes on without: %s", error.message[:200])
        self._form = Form(self._form.tape, xla=False)
        self._stacks.clear()

    def _compact(
        self, stack: Stack, running: list[int], own_order: bool
    ) -> tuple[Stack, list[int]]:
        """Move the running members to a smaller stack if they fit in one.

        Returns:
            The stack that goes on, and the place in the old one that each of its places had.
        """
        size = bucket(len(running), self._size)
        if size > stack.size // 2:  # another size costs a compilation: it must be worth it
            return stack, list(range(stack.size))
        smaller = self._stack(len(running), own_order)
        ended = [place for place in range(stack.size) if place not in running]
        places = [*running, *ended[: size - len(running)]]
        smaller.variables.take(stack.variables, places)
        return smaller, places

    def _start(self, seed: int) -> ModelValues:
        """Where a fresh model of this seed starts."""
        if seed not in self._starts:
            self._starts[seed] = start_values(self._problem, seed, self._example)
        return self._starts[seed]

    def _stack(self, members: int, own_order: bool = False) -> Stack:
        """The stack for so many members."""
        return self._stack_of(bucket(members, self._size), own_order)

    def _stack_of(self, size: int, own_order: bool = False) -> Stack:
        """The stack of that size, compiled at its first use."""
        key = (size, own_order)
        if key not in self._stacks:
            self._stacks[key] = Stack(
                self._problem, self._model, self._placed, size, self._form, own_order=own_order
            )
        return self._stacks[key]
