"""What rooms above need of losses that models add themselves: which a loss reads, and their values.

In `model.fit` a term takes what the model has just added. Whoever calls models otherwise, as probes
and stacks do, says so:

>>> import keras
>>> from lossweights.terms import AddedLoss, Added
>>> with gathered({"kl"}) as values:
...     y_pred = AddedLoss("kl")(keras.ops.ones((2, 1)), keras.ops.ones((2, 4)))
>>> with given(values):
...     float(Added("kl")(keras.ops.zeros((2, 1)), y_pred))
1.0
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from lossweights.base.errors import ModelError
from lossweights.foreign.keras_names import layers_of
from lossweights.terms._added import Added
from lossweights.terms._added_loss import AddedLoss, gathering, several
from lossweights.terms._tensors import Tensor
from lossweights.terms.per_sample import Term


def losses_read(terms: Iterable[Term]) -> frozenset[str]:
    """The names of the losses that models add and these terms read."""
    found: set[str] = set()
    for term in terms:
        if isinstance(term, Added):
            found.add(term.loss)
        found |= losses_read(term.alternatives)
        if isinstance(inner := getattr(term, "term", None), Term):
            found |= losses_read([inner])
    return frozenset(found)


def gathered(losses: Collection[str]) -> AbstractContextManager[dict[str, Tensor]]:
    """Let models called meanwhile give the losses of these names to a dict, by name.

    They are then not among the model's own losses. Terms that are computed meanwhile read them from
    there; the last call of a model counts.
    """
    return gathering({}, frozenset(losses))


def given(values: Mapping[str, Tensor]) -> AbstractContextManager[dict[str, Tensor]]:
    """Let terms that are computed meanwhile read these values, by name: ``(batch,)`` each."""
    return gathering(values, frozenset(values))


def check_added(model: Any, terms: Iterable[Term]) -> None:
    """Refuse a model that does not add what the terms read.

    Args:
        model: A Keras model, built.
        terms: The terms of its loss.

    Raises:
        ModelError: It adds no loss of such a name.
        TermError: It adds several.
    """
    wanted = losses_read(terms)
    if not wanted:
        return
    named = [layer.loss for layer in layers_of(model) if isinstance(layer, AddedLoss)]
    missing = sorted(wanted.difference(named))
    if missing:
        raise ModelError(
            f"Expected a model that adds a loss for each of the terms lw.terms.added names: "
            f"{sorted(wanted)}. Found {sorted(set(named)) or 'none'} added by name; what a layer "
            f"gives to add_loss has none. Write x = lw.terms.AddedLoss({missing[0]!r})(x, values) "
            f"in the model."
        )
    for name in sorted(wanted):
        if named.count(name) > 1:
            raise several(name, named.count(name))
