"""The data of a problem on the device, as all stacks use them."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from lossweights.data import Data, Split, Stream
from lossweights.training._feed import ArrayFeed, Feed, StreamFeed
from lossweights.training._rows import Chunks, Rows, chunk_rows
from lossweights.training._schedule import gradient_rows
from lossweights.training.problem import Problem
from lossweights.watch.reading import values_by_output


@dataclass(frozen=True)
class Placed:
    """The data of a problem on the device, for all stacks.

    Attributes:
        train: Where the training batches come from.
        probe: The training rows on which magnitudes are measured.
        val: The validation rows.
        gradients: The training rows on which gradients of single terms are measured.
    """

    train: Feed
    probe: Chunks
    val: Chunks
    gradients: Rows

    @classmethod
    def of(cls, problem: Problem, data: Data, model: keras.Model) -> Placed:
        """Place the data for a model of the problem."""
        loss = problem.make_loss()

        def by_name(split: Split) -> Split:
            """Targets and weights of several outputs by name, as the terms read them."""
            return Split(
                split.x, *(values_by_output(model, loss, v) for v in (split.y, split.sample_weight))
            )

        probe, val = by_name(data.train.spread(problem.probe_size)), by_name(data.val)
        length = chunk_rows([len(probe), len(val)])
        train: Feed
        if isinstance(data.train, Stream):
            train = StreamFeed(data.train, problem, lambda y: values_by_output(model, loss, y))
        else:
            train = ArrayFeed(by_name(data.train))
        return cls(
            train=train,
            probe=Chunks.of(probe, length),
            val=Chunks.of(val, length),
            gradients=Rows(by_name(gradient_rows(problem, data.train))),
        )
