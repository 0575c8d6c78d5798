"""The stacked trainer: many members of one model in one compiled graph."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lossweights.probe import by_output
from lossweights.problem import Data, Problem, Split
from lossweights.records import TrialResult
from lossweights.training.contract import Member, ReportFunction, Trainer
from lossweights.training.history import MemberHistory
from lossweights.training.order import batch_order
from lossweights.training.rows import Chunks, Rows, chunk_rows
from lossweights.training.schedule import gradient_rows
from lossweights.training.sizes import bucket, cached_members
from lossweights.training.stack import ModelValues, Stack, is_random_state, model_values
from lossweights.training.stacked_gradients import Form

Slots: TypeAlias = "list[MemberHistory | None]"  # what each place of a stack trains, if anything


class StackedTrainer(Trainer):
    """Trains many members at once, side by side in one graph.

    The members of a stack are at the same epoch of the same data, so one read of a batch serves
    all. Members of one seed visit the rows in one order; members of differing seeds have a batch
    each. When members end early the rest moves to a smaller stack, of half the size, a quarter,
    and so on, so that few graphs are ever compiled.

    Args:
        problem: What is trained. Its model must be one that can be stacked: see `unstackable`.
        data: The data, in memory.
        size: Members of a stack; by default so many that their training stays in the cache.
        form: The form of the graph; by default XLA unless the model draws random numbers.

    Raises:
        ValueError: ``size`` is below 1, or an operation of the model cannot be vectorised.
    """

    name = "stacked"

    def __init__(
        self,
        problem: Problem,
        data: Data,
        *,
        size: int | None = None,
        form: Form | None = None,
    ) -> None:
        if size is not None and size < 1:
            raise ValueError(f"Expected a stack of at least one member. Found {size}.")
        self._problem = problem
        self._example = data.train.head(1).x  # for models that learn their shapes from data
        self._model = problem.make_model(seed=0, x=self._example)
        self._is_random = any(map(is_random_state, self._model.non_trainable_variables))
        self._size = size or cached_members(self._model, problem)
        self._form = form or Form(xla=not self._is_random)
        train, val = (self._by_output(split) for split in (data.train, data.val))
        probe = train.spread(problem.probe_size)
        length = chunk_rows([len(probe), len(val)])
        self._train_rows = Rows(train)
        self._probe_rows, self._val_rows = Chunks.of(probe, length), Chunks.of(val, length)
        self._gradient_rows = gradient_rows(problem, train)
        self._stacks: dict[tuple[int, bool], Stack] = {}
        self._starts: dict[int, ModelValues] = {}
        self._parameters: dict[int, ModelValues] = {}

    @property
    def capacity(self) -> int:
        """The number of members of a stack."""
        return self._size

    def train(self, members: Sequence[Member], report: ReportFunction) -> list[TrialResult]:
        """Train the members, a stack at a time; see `Trainer.train`."""
        self._starts.clear()
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

    def _by_output(self, split: Split) -> Split:
        """The split with the targets of several outputs by name."""
        y = by_output(self._model, self._problem.make_loss(), split.y)
        return Split(split.x, y, split.sample_weight)

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
        own_order = len({history.member.seed for history in histories}) > 1
        slots: Slots = list(histories)
        stack = self._stack(len(slots), own_order)
        slots += [None] * (stack.size - len(slots))
        filled = [history or histories[-1] for history in slots]  # spare places train a copy
        stack.start(
            [self._start(history.member.seed) for history in filled],
            [history.member.weights for history in filled],
        )
        seeds = [history.member.seed for history in filled]
        for epoch in range(self._problem.epochs + 1):
            started = time.monotonic()
            if epoch:
                stack.train_epoch(self._order(seeds, epoch, own_order))
            reports = stack.measure(epoch)
            running = [place for place, history in enumerate(slots) if history is not None]
            share = (time.monotonic() - started) / len(running)
            for place in running:
                history = slots[place]
                assert history is not None
                history.seconds += share
                go_on = history.add(reports[place])
                if history.keeps_last:
                    self._parameters[history.position] = stack.values_of(place)
                if not go_on:
                    slots[place] = None
            running = [place for place in running if slots[place] is not None]
            if not running:
                break
            stack, places = self._compact(stack, running, own_order)
            slots, seeds = [slots[p] for p in places], [seeds[p] for p in places]

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
        smaller.take(stack, places)
        return smaller, places

    def _order(self, seeds: Sequence[int], epoch: int, own_order: bool) -> NDArray[np.int64]:
        rows = len(self._train_rows)
        if not own_order:
            return batch_order(rows, seeds[0], epoch)
        orders = {seed: batch_order(rows, seed, epoch) for seed in set(seeds)}
        return np.stack([orders[seed] for seed in seeds])

    def _start(self, seed: int) -> ModelValues:
        """Where a fresh model of this seed starts."""
        if seed not in self._starts:
            self._starts[seed] = model_values(self._problem.make_model(seed, x=self._example))
        return self._starts[seed]

    def _stack(self, members: int, own_order: bool) -> Stack:
        """The stack for so many members, compiled at its first use."""
        size = bucket(members, self._size)
        key = (size, own_order)
        if key not in self._stacks:
            self._stacks[key] = Stack(
                self._problem,
                self._model,
                size,
                self._form,
                self._train_rows,
                self._probe_rows,
                self._val_rows,
                self._gradient_rows,
                own_order=own_order,
            )
        return self._stacks[key]
