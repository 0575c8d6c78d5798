"""The logits that Keras remembers of a softmax or a sigmoid, past a map over members.

Its cross-entropies are computed from them: probabilities of float32 are 0 or 1 long before their
logits tell nothing more. What is left on a tensor does not come through a map.
"""

from __future__ import annotations

from keras import tree

from lossweights.foreign.keras_names import logits_of, set_logits
from lossweights.training._stacked_loss import Called, Tensor


class LogitsPast:
    """Takes logits off what a model gave inside one map, and leaves them on it inside another."""

    def __init__(self) -> None:
        self._have: list[bool] = []  # of the outputs; the same for every member

    def taken(self, called: Called) -> list[Tensor]:
        """The logits of those outputs that have any."""
        logits = [logits_of(output) for output in tree.flatten(called.outputs)]
        self._have = [each is not None for each in logits]
        return [each for each in logits if each is not None]

    def left_on(self, called: Called, logits: list[Tensor]) -> Called:
        """The same call with its logits, as `taken` gave them."""
        known = iter(logits)
        for output, has in zip(tree.flatten(called.outputs), self._have, strict=True):
            if has:
                set_logits(output, next(known))
        return called
