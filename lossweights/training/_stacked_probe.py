"""Magnitudes and metrics of all members of a stack, by forward passes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops, tree
from numpy.typing import NDArray

from lossweights.loss.combined import CombinedLoss
from lossweights.metrics import Metric
from lossweights.terms.summands import elements_known
from lossweights.training._after_outputs import compiled_after
from lossweights.training._rows import Chunks
from lossweights.training._stacked_gradients import Form, State, map_members, merge
from lossweights.training._stacked_layout import Layout
from lossweights.training._stacked_loss import Called, MemberLoss, Tensor


class StackedProbe:
    """Measures the members of a stack in inference mode.

    Sums over rows are taken in the graph, and what they mean on the host in float64: the numbers
    are those of `lossweights.watch.probe.Probe`, member by member.

    Args:
        member: The loss of one member; its weights play no part.
        loss: The combined loss whose terms are measured.
        metrics: Weight-independent metrics by name.
        is_common: For each non-trainable variable of the model, whether all members share it.
        layout: How the trainable variables lie.
        form: What XLA compiles.
    """

    def __init__(
        self,
        member: MemberLoss,
        loss: CombinedLoss,
        metrics: Mapping[str, Metric],
        is_common: Sequence[bool],
        layout: Layout,
        form: Form,
    ) -> None:
        self._member, self._is_common, self._layout = member, list(is_common), layout
        self._terms, self._names = loss.terms, list(loss.terms)
        self._streamed = {name: metric for name, metric in metrics.items() if metric.in_graph}
        self._whole = {name: metric for name, metric in metrics.items() if not metric.in_graph}
        self._of_outputs = compiled_after(self._of_called) if form.xla_after else self._of_called
        self._sums_of_chunk = tf.function(
            partial(self._sums_of_members), autograph=False, jit_compile=form.xla or None
        )
        self._outputs_of_chunk = tf.function(
            partial(self._outputs_of_members), autograph=False, jit_compile=form.xla or None
        )

    def sums(self, trainable: list[Tensor], state: State, read: Tensor, chunks: Chunks) -> Tensor:
        """The sums of each term and of the statistics of each metric over all rows, in the graph.

        Args:
            trainable: Values of the trainable variables as they lie.
            state: Values of the non-trainable variables.
            read: What the terms read beside, shape ``(members, terms + dials)``.
            chunks: The data.

        Returns:
            float64 of shape ``(members, sums)``.
        """
        members = read.shape[0]
        width = len(self._names) + sum(m.n_statistics + 1 for m in self._streamed.values())

        def add(index: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
            part = self._sums_of_chunk(
                trainable, state.own, state.common, read, chunks.chunk(index)
            )
            return index + 1, total + tf.cast(part, tf.float64)

        start = (tf.constant(0), tf.zeros((members, width), tf.float64))
        return tf.while_loop(
            lambda index, _: index < len(chunks), add, start, parallel_iterations=1
        )[1]

    def magnitudes(self, sums: NDArray[np.float64], chunks: Chunks) -> list[dict[str, float]]:
        """The magnitude of each term, for each member, from what `sums` gave."""
        counts = elements_known(self._terms, chunks.split.y)
        over = [
            chunks.rows if c is None else float(ops.convert_to_numpy(c)) for c in counts.values()
        ]
        ordered = dict(zip(counts, over, strict=True))
        means = sums[:, : len(self._names)] / [ordered[name] for name in self._names]
        return [dict(zip(self._names, row, strict=True)) for row in means.tolist()]

    def metrics(
        self, sums: NDArray[np.float64], trainable: list[Tensor], state: State, chunks: Chunks
    ) -> list[dict[str, float]]:
        """The value of each metric, for each member.

        Args:
            sums: What `sums` gave.
            trainable: Values of the trainable variables as they lie, and as they were there.
            state: Values of the non-trainable variables, as they were there.
            chunks: The data.
        """
        values: list[dict[str, float]] = [{} for _ in sums]
        start = len(self._names)
        for name, metric in self._streamed.items():
            stop = start + metric.n_statistics + 1  # the last one is the weight of the samples
            column = np.asarray(metric.value(sums[:, start:stop]), dtype=float).tolist()
            for member, value in zip(values, column, strict=True):
                member[name] = value
            start = stop
        if self._whole:
            self._add_whole(values, self._outputs(trainable, state, chunks), chunks)
        return values

    def _add_whole(self, values: list[dict[str, float]], outputs: Any, chunks: Chunks) -> None:
        """The metrics that no graph can sum, from the outputs for all rows."""
        for k, member in enumerate(values):
            y_pred = tree.map_structure(lambda output, k=k: output[k, : chunks.rows], outputs)
            for name, metric in self._whole.items():
                member[name] = metric.evaluate(chunks.split.y, y_pred, chunks.split.sample_weight)

    def _outputs(self, trainable: list[Tensor], state: State, chunks: Chunks) -> Any:
        """The outputs of all members for all rows, on the host, each ``(members, rows, ...)``."""
        parts = [
            self._outputs_of_chunk(trainable, state.own, state.common, chunks.chunk(index)[0])
            for index in range(len(chunks))
        ]
        return tree.map_structure(
            lambda *tensors: np.concatenate([ops.convert_to_numpy(t) for t in tensors], axis=1),
            *parts,
        )

    def _sums_of_members(
        self,
        trainable: list[Tensor],
        own: list[Tensor],
        common: list[Tensor],
        read: Tensor,
        chunk: Any,
    ) -> Tensor:
        def member(values: tuple[list[Tensor], list[Tensor], Tensor]) -> Tensor:
            trainable, own, read = values
            return self._sums(trainable, merge(own, common, self._is_common), read, *chunk)

        values = (self._layout.turned(trainable), own, read)
        return map_members(member, values, members=read.shape[0])

    def _outputs_of_members(
        self, trainable: list[Tensor], own: list[Tensor], common: list[Tensor], x: Any
    ) -> Any:
        def member(values: tuple[list[Tensor], list[Tensor]]) -> Any:
            trainable, own = values
            return self._member.predict(trainable, merge(own, common, self._is_common), x).outputs

        trainable = self._layout.turned(trainable)
        return map_members(member, (trainable, own), members=trainable[0].shape[0])

    def _sums(
        self,
        trainable: list[Tensor],
        state: list[Tensor],
        read: Tensor,
        x: Any,
        y: Any,
        weight: Any,
    ) -> Tensor:
        """Sums over the rows of a chunk for one member; rows of weight 0 have no part in them."""
        called = self._member.predict(trainable, state, x)
        summed: Tensor = self._of_outputs(called.outputs, called.added, read, y, weight)
        return summed

    def _of_called(
        self, outputs: Any, added: dict[str, Tensor], read: Tensor, y: Any, weight: Any
    ) -> Tensor:
        """These sums of what the model gave."""
        called = Called(outputs, added)
        rows, known = ops.shape(tree.flatten(weight)[0])[0], elements_known(self._terms, y)
        over = [rows if known[name] is None else known[name] for name in self._names]
        sums = [
            ops.reshape(mean * ops.cast(count, mean.dtype), (1,))
            for mean, count in zip(self._member.means(read, y, called, weight), over, strict=True)
        ]
        for metric in self._streamed.values():
            sums.append(ops.reshape(metric.sums(y, called.outputs, weight), (-1,)))
        wide = keras.backend.result_type(*(value.dtype for value in sums))
        return ops.concatenate([ops.cast(value, wide) for value in sums])
