"""Terms between outputs in `model.fit`, which calls one loss for each output.

Keras gives a loss nothing but the arrays of its own output. So each output's loss leaves here what
it was given, and the last one to be called has them all. They are called one after another for
every batch, or once where the step is compiled.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple


class Given(NamedTuple):
    """What the losses of several outputs were given, by output."""

    y_true: dict[str, Any]
    y_pred: dict[str, Any]
    sample_weight: Any


class Gathering:
    """What the losses of the outputs have been given so far, of the batch that is under way."""

    def __init__(self) -> None:
        # Replicas of a distributed training are traced by a thread each.
        self._by_thread: dict[int, dict[str, tuple[Any, Any, Any]]] = {}

    def add(
        self, outputs: Sequence[str], output: str, y_true: Any, y_pred: Any, sample_weight: Any
    ) -> Given | None:
        """Take up what one output's loss was given; all of it, if this was the last one.

        Args:
            outputs: The outputs that are waited for.
            output: The output.
            y_true: Its targets.
            y_pred: Its predictions.
            sample_weight: Its weights, or ``None``.
        """
        thread = threading.get_ident()
        so_far = self._by_thread.pop(thread, {})
        if output in so_far:
            so_far = {}  # of a batch that was broken off
        so_far[output] = y_true, y_pred, sample_weight
        if not so_far.keys() >= set(outputs):
            self._by_thread[thread] = so_far
            return None
        true, pred, weights = ({each: so_far[each][part] for each in outputs} for part in range(3))
        shared = next(iter(weights.values()))
        one_for_all = all(weight is shared for weight in weights.values())
        return Given(true, pred, shared if one_for_all else weights)
