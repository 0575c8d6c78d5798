"""When and on what the gradients of the terms are measured: the same in every trainer."""

from __future__ import annotations

import numpy as np

from lossweights.problem import Problem
from lossweights.split import Split
from lossweights.stream import Stream

GRADIENT_ROWS = 256  # training rows on which gradients of single terms are measured
GRADIENT_MEASUREMENTS = 5  # of them in a training, beside the one before it


def gradient_epochs(epochs: int) -> frozenset[int]:
    """The epochs after which gradients are measured: evenly spread, with the first and the last.

    >>> sorted(gradient_epochs(20))
    [0, 4, 8, 12, 16, 20]
    """
    spread = np.linspace(0, epochs, GRADIENT_MEASUREMENTS + 1).round()
    return frozenset(int(epoch) for epoch in spread)


def gradient_rows(problem: Problem, train: Split | Stream) -> Split:
    """The training rows on which gradients of single terms are measured."""
    return train.spread(min(GRADIENT_ROWS, problem.probe_size))
