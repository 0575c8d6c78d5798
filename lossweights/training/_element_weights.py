"""Whether the terms of a loss read weights of elements, tried before any training."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from keras import ops, tree

from lossweights.base.errors import TermError
from lossweights.loss.combined import CombinedLoss


def refuse_unread_weights(
    loss: CombinedLoss, y: Any, y_pred: Any, weight: Any, off: Collection[str] = ()
) -> None:
    """Refuse weights of elements where a term has one value a sample, or leaves them unread.

    Args:
        loss: The combined loss.
        y: Some targets, as the terms read them.
        y_pred: Predictions, alike.
        weight: Their weights, alike, or ``None``.
        off: Terms that need not be defined.

    Raises:
        TermError: A term cannot be weighed so; the message names it.
    """
    arrays = [each for each in tree.flatten(weight) if each is not None]
    if all(each.ndim < 2 for each in arrays):
        return
    nothing = tree.map_structure(ops.zeros_like, weight)
    for name, mean in loss.components(y, y_pred, nothing).items():
        if name not in off and float(mean) != 0.0:
            shapes = tree.map_structure(lambda each: tuple(each.shape[1:]), weight)
            raise TermError(
                f"Expected the term {name!r} to weigh elements, as the data have weights of the "
                f"shape {shapes} per sample. Found one that does not read them: where all are 0 "
                f"it is {float(mean):.3g}. Multiply its values by element_weight before their "
                f"mean, or give one weight for each row."
            )
