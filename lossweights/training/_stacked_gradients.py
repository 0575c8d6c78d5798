"""The gradients of all members of a stack at once: one member's gradient, vectorised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import tensorflow as tf

from lossweights.training._purity import operations
from lossweights.training._stacked_layout import Layout
from lossweights.training._stacked_loss import Batch, Gradient, MemberLoss, Tensor

# The gradients of all members, ``(members, ...)``; or values and indices of the rows of an
# embedding that were looked up, ``(members, lookups, ...)`` and ``(members, lookups)``.
StackedGradient: TypeAlias = "Tensor | tuple[Tensor, Tensor]"

# TensorFlow would write what it maps, translated, into temporary files. There is nothing to
# translate, and a process that is killed leaves them.
_vectorized_map = tf.autograph.experimental.do_not_convert(tf.vectorized_map)


@dataclass(frozen=True)
class Form:
    """The form of the graph that computes the gradients of a stack.

    Attributes:
        tape: ``"member"`` differentiates each member and vectorises the result: the fastest form.
            ``"stack"`` vectorises the forward pass alone and differentiates the whole, which loops
            over time (recurrent layers) need.
        xla: Whether XLA compiles it. Layers that draw random numbers draw others under XLA.
        xla_after: Whether XLA compiles what follows the model's outputs, where it does not compile
            the model; with one member alone.
    """

    tape: Literal["member", "stack"] = "member"
    xla: bool = True
    xla_after: bool = False

    @property
    def compiles(self) -> bool:
        """Whether XLA compiles any of it."""
        return self.xla or self.xla_after

    @property
    def plain(self) -> Form:
        """The same without XLA."""
        return Form(self.tape, xla=False)

    def __str__(self) -> str:
        compiler = "XLA" if self.xla else "XLA after the model" if self.xla_after else "no XLA"
        return f"{compiler}, gradient of the {self.tape}"


@dataclass(frozen=True)
class State:
    """The values of a model's non-trainable variables in a stack.

    Attributes:
        own: Those that each member has for itself, such as moving averages, on a leading axis.
        common: Those that all members share, such as the state of random generators.
    """

    own: list[Tensor]
    common: list[Tensor]


class StackedGradients:
    """Gradients of the losses of all members of a stack.

    A member's gradient is that of its own loss with respect to its own parameters: members know
    nothing of each other. With one member nothing is vectorised, so that any pure model works.

    Args:
        loss: The loss of one member.
        is_common: For each non-trainable variable, whether all members share it.
        form: The form of the graph.
        own_batches: Whether each member has rows of its own, on a leading axis of the batch.
        by_weights: Whether the gradients with respect to the weights are given too, as the last.
        layout: How the trainable variables lie, and so their gradients.
    """

    def __init__(
        self,
        loss: MemberLoss,
        is_common: Sequence[bool],
        form: Form,
        *,
        own_batches: bool = False,
        by_weights: bool = False,
        layout: Layout,
    ) -> None:
        self._loss, self._is_common, self._own_batches = loss, list(is_common), own_batches
        self._by_weights, self._layout = by_weights, layout
        self.indices: list[int] = []  # of the trainable variables that the loss depends on
        function = self._of_members if form.tape == "member" else self._of_stack
        # Not part of the graph around it: XLA compiles the step, not the loop over steps, whose
        # variables it would copy in every turn.
        self._function = tf.function(
            partial(self._as_they_lie, function), autograph=False, jit_compile=form.xla or None
        )

    def __call__(
        self, trainable: list[Tensor], state: State, read: Tensor, batch: Batch
    ) -> tuple[list[StackedGradient], State]:
        """The gradients with respect to the variables of `indices`, and the new state.

        Args:
            trainable: Values of the trainable variables as they lie.
            state: Values of the non-trainable variables.
            read: Effective weights, and what else the terms read: ``(members, terms + dials)``.
            batch: ``(x, y)`` or ``(x, y, sample_weight)`` for all members.
        """
        gradients, own, common = self._function(trainable, state.own, state.common, read, batch)
        return gradients, State(own, common)

    def operations(
        self, trainable: list[Tensor], state: State, read: Tensor, batch: Batch
    ) -> set[str]:
        """The kinds of operation in the graph for these arguments."""
        concrete = self._function.get_concrete_function(
            trainable, state.own, state.common, read, batch
        )
        return operations(concrete.graph)

    def _as_they_lie(self, function: Any, trainable: Any, *rest: Any) -> Any:
        # In the graph that XLA compiles, which takes out what turns a kernel around and back.
        slopes, own, common = function(self._layout.turned(trainable), *rest)
        return self._layout.turned(slopes, self.indices), own, common

    def _of_members(self, trainable: Any, own: Any, common: Any, read: Any, batch: Any) -> Any:
        def gradients(*values: Any) -> tuple[list[StackedGradient], list[Tensor]]:
            found, state = self._loss.gradients(*values, by_weights=self._by_weights)
            return self._connected(found), state

        return self._map(gradients, trainable, own, common, read, batch)

    def _of_stack(self, trainable: Any, own: Any, common: Any, read: Any, batch: Any) -> Any:
        weights, others = self._loss.apart(read)
        sources = [*trainable, weights] if self._by_weights else trainable
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            read = tf.concat([weights, others], axis=-1) if self._by_weights else read
            losses, own, common = self._map(self._loss.value, trainable, own, common, read, batch)
        # The gradient of the sum over members is each member's own gradient in its own slice.
        return self._connected(tape.gradient(losses, sources)), own, common

    def _connected(self, gradients: Sequence[Gradient | None]) -> list[StackedGradient]:
        """The gradients that there are; noted at tracing, when it becomes known."""
        of_trainable = gradients[:-1] if self._by_weights else gradients
        self.indices = [i for i, gradient in enumerate(of_trainable) if gradient is not None]
        return [
            (gradient.values, gradient.indices)
            if isinstance(gradient, tf.IndexedSlices)
            else gradient
            for gradient in gradients
            if gradient is not None
        ]

    def _map(
        self,
        member: Callable[..., Any],
        trainable: list[Tensor],
        own: list[Tensor],
        common: list[Tensor],
        read: Tensor,
        batch: Batch,
    ) -> Any:
        """Map a function of one member's values over all: what it gives, and the state after it.

        Args:
            member: From trainable values, state, what is read and batch of a member to something
                and its state.
            trainable: As `gradients` takes them, and so on.
            own: State that each member has for itself.
            common: State that all members share; it is the same for all after a step, too.
            read: Effective weights, and what else the terms read.
            batch: The batch.
        """
        stacked = (trainable, own, read, batch if self._own_batches else ())

        def one(values: tuple[Any, ...]) -> Any:
            trainable, own, read, own_batch = values
            state = merge(own, common, self._is_common)
            found, state = member(trainable, state, read, own_batch or batch)
            return found, *split(state, self._is_common)

        found, own, common = map_members(one, stacked, members=read.shape[0])
        return found, own, [value[0] for value in common]


def map_members(function: Callable[[Any], Any], values: Any, members: int) -> Any:
    """Apply a function of one member's values to all members, side by side.

    Args:
        function: Takes and gives nested tensors of one member.
        values: The same with a leading axis of members.
        members: How many there are; one needs no vectorisation, and so no support for it.

    Raises:
        ValueError: An operation cannot be vectorised.
    """
    if members == 1:
        result = function(tf.nest.map_structure(lambda value: value[0], values))
        return tf.nest.map_structure(lambda value: tf.expand_dims(value, 0), result)
    return _vectorized_map(function, values, fallback_to_while_loop=False)


def split(values: Sequence[Tensor], is_common: Sequence[bool]) -> tuple[list[Tensor], list[Tensor]]:
    """The values that each member has for itself, and those that all share."""
    pairs = list(zip(values, is_common, strict=True))
    return [v for v, common in pairs if not common], [v for v, common in pairs if common]


def merge(own: Sequence[Tensor], common: Sequence[Tensor], is_common: Sequence[bool]) -> list[Any]:
    """The inverse of `split`: the values in the order of the model's variables."""
    owns, commons = iter(own), iter(common)
    return [next(commons) if shared else next(owns) for shared in is_common]
