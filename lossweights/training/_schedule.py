"""When and on what the gradients of the terms are measured: the same in every trainer."""

from __future__ import annotations

import numpy as np

from lossweights.data import Split, Stream
from lossweights.training.problem import Problem

# Training rows on which gradients of single terms are measured: so many that this takes about a
# twentieth of what training does, counted in rows that are differentiated, within these bounds.
GRADIENT_SHARE = 0.05
FEWEST_ROWS, MOST_ROWS = 16, 256
GRADIENT_MEASUREMENTS = 5  # of them in a training, beside the one before it


def gradient_epochs(epochs: int) -> frozenset[int]:
    """The epochs after which gradients are measured: evenly spread, with the first and the last.

    >>> sorted(gradient_epochs(20))
    [0, 4, 8, 12, 16, 20]
    """
    spread = np.linspace(0, epochs, GRADIENT_MEASUREMENTS + 1).round()
    return frozenset(int(epoch) for epoch in spread)


def gradient_rows(problem: Problem, train: Split | Stream) -> Split:
    """The training rows on which gradients of single terms are measured.

    How many follows from the recipe alone, so that every machine and trainer measures the same.
    """
    trained = problem.epochs * len(train)
    differentiated = len(gradient_epochs(problem.epochs)) * len(problem.terms)  # times a row
    affordable = int(GRADIENT_SHARE * trained / differentiated)
    return train.spread(min(max(affordable, FEWEST_ROWS), MOST_ROWS, problem.probe_size))


def weighing_rows(problem: Problem, train: Split | Stream) -> Split:
    """The training rows on whose gradients methods of adaptive weighting go, as in plain Keras."""
    return train.spread(problem.probe_size).spread(MOST_ROWS)
