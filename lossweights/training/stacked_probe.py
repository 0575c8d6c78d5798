"""Magnitudes and metrics of all members of a stack, by forward passes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops, tree
from numpy.typing import NDArray

from lossweights.loss import CombinedLoss
from lossweights.metrics import Metric
from lossweights.training.rows import Chunks
from lossweights.training.stacked_gradients import State, map_members, merge
from lossweights.training.stacked_loss import Tensor, call_model


class StackedProbe:
    """Measures the members of a stack in inference mode.

    Sums over rows are taken in the graph, and what they mean on the host in float64: the numbers
    are those of `lossweights.probe.Probe`, member by member.

    Args:
        model: The model, built.
        loss: The combined loss whose terms are measured; its weights play no part.
        metrics: Weight-independent metrics by name.
        is_common: For each non-trainable variable of the model, whether all members share it.
        xla: Whether XLA compiles the forward pass.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: CombinedLoss,
        metrics: Mapping[str, Metric],
        is_common: Sequence[bool],
        *,
        xla: bool,
    ) -> None:
        self._model, self._loss, self._is_common = model, loss, list(is_common)
        self._streamed = {name: metric for name, metric in metrics.items() if metric.in_graph}
        self._whole = {name: metric for name, metric in metrics.items() if not metric.in_graph}
        self._sums_of_chunk = tf.function(
            self._sums_of_members, autograph=False, jit_compile=xla or None
        )
        self._outputs_of_chunk = tf.function(
            self._outputs_of_members, autograph=False, jit_compile=xla or None
        )

    def sums(self, trainable: list[Tensor], state: State, chunks: Chunks) -> Tensor:
        """The sums of each term and of the statistics of each metric over all rows, in the graph.

        Args:
            trainable: Values of the trainable variables, each ``(members, ...)``.
            state: Values of the non-trainable variables.
            chunks: The data.

        Returns:
            float64 of shape ``(members, sums)``.
        """
        members = trainable[0].shape[0]
        width = len(self._loss.terms) + sum(m.n_statistics + 1 for m in self._streamed.values())

        def add(index: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
            part = self._sums_of_chunk(trainable, state.own, state.common, chunks.chunk(index))
            return index + 1, total + tf.cast(part, tf.float64)

        start = (tf.constant(0), tf.zeros((members, width), tf.float64))
        return tf.while_loop(
            lambda index, _: index < len(chunks), add, start, parallel_iterations=1
        )[1]

    def magnitudes(self, sums: NDArray[np.float64], chunks: Chunks) -> list[dict[str, float]]:
        """The magnitude of each term, for each member, from what `sums` gave."""
        names = list(self._loss.terms)
        means = sums[:, : len(names)] / chunks.rows
        return [dict(zip(names, row, strict=True)) for row in means.tolist()]

    def metrics(
        self, sums: NDArray[np.float64], trainable: list[Tensor], state: State, chunks: Chunks
    ) -> list[dict[str, float]]:
        """The value of each metric, for each member; those that no graph can sum come from scipy.

        Args:
            sums: What `sums` gave.
            trainable: Values of the trainable variables, as they were there.
            state: Values of the non-trainable variables, as they were there.
            chunks: The data.
        """
        values: list[dict[str, float]] = [{} for _ in sums]
        start = len(self._loss.terms)
        for name, metric in self._streamed.items():
            stop = start + metric.n_statistics + 1  # the last one is the weight of the samples
            column = np.asarray(metric.value(sums[:, start:stop]), dtype=float).tolist()
            for member, value in zip(values, column, strict=True):
                member[name] = value
            start = stop
        if self._whole:
            outputs = self._outputs(trainable, state, chunks)
            for k, member in enumerate(values):
                y_pred = tree.map_structure(lambda output, k=k: output[k, : chunks.rows], outputs)
                for name, metric in self._whole.items():
                    member[name] = metric.evaluate(
                        chunks.split.y, y_pred, chunks.split.sample_weight
                    )
        return values

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
        self, trainable: list[Tensor], own: list[Tensor], common: list[Tensor], chunk: Any
    ) -> Tensor:
        x, y, weight, real = chunk

        def member(values: tuple[list[Tensor], list[Tensor]]) -> Tensor:
            trainable, own = values
            y_pred = self._forward(trainable, merge(own, common, self._is_common), x)
            return self._sums(y, y_pred, ops.where(real, weight, 0.0))

        return map_members(member, (trainable, own), members=trainable[0].shape[0])

    def _outputs_of_members(
        self, trainable: list[Tensor], own: list[Tensor], common: list[Tensor], x: Any
    ) -> Any:
        def member(values: tuple[list[Tensor], list[Tensor]]) -> Any:
            trainable, own = values
            return self._forward(trainable, merge(own, common, self._is_common), x)

        return map_members(member, (trainable, own), members=trainable[0].shape[0])

    def _forward(self, trainable: list[Tensor], state: list[Tensor], x: Any) -> Any:
        return call_model(self._model, trainable, state, x, training=False)[0]

    def _sums(self, y: Any, y_pred: Any, weight: Tensor) -> Tensor:
        """Sums over the rows of a chunk for one member; rows of weight 0 have no part in them."""
        sums = []
        for values in self._loss.per_sample_terms(y, y_pred).values():
            weighted = values * ops.cast(weight, values.dtype)
            counted = ops.where(ops.equal(weight, 0.0), 0.0, weighted)
            sums.append(ops.reshape(ops.sum(counted), (1,)))
        for metric in self._streamed.values():
            sums.append(ops.reshape(metric.sums(y, y_pred, weight), (-1,)))
        wide = keras.backend.result_type(*(value.dtype for value in sums))
        return ops.concatenate([ops.cast(value, wide) for value in sums])
