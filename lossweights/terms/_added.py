"""Terms that are losses which the model adds itself."""

from typing import Any, Unpack

import keras

from lossweights.base.names import check_name
from lossweights.terms._added_loss import values_added
from lossweights.terms._tensors import Tensor
from lossweights.terms.per_sample import HostArguments, Term


@keras.saving.register_keras_serializable(package="lossweights")
class Added(Term):
    """A loss that the model adds itself, as a term: what `AddedLoss` is given, not ``y_pred``.

    See `added`, which makes it.

    Shapes: ``y_true`` and ``y_pred`` anything; the value is ``(batch,)``, the mean over all other
    axes of what the layer was given. Units: those of that. Range: that of that.
    """

    def __init__(self, loss: str, **host: Unpack[HostArguments]) -> None:
        self.loss = check_name(loss, "added loss")
        host["name"] = host.get("name") or loss
        super().__init__(**host)

    def per_sample(self, y_true: Any, y_pred: Any, element_weight: Tensor | None = None) -> Tensor:
        """What the model added for each sample, shape ``(batch,)``; elements have no part in it."""
        return values_added(self.loss, keras.tree.flatten(y_pred)[0])


def added(loss: str) -> Added:
    """What the model adds under a name by `AddedLoss`, as a term with a weight of its own.

    It is about no ``y_true``: the KL of a variational autoencoder, the residual of a differential
    equation, a penalty on activations. Samples weigh as in the other terms; weights and unknown
    labels of single elements do not concern it. Where the targets give the other terms a scale, it
    has the scale 1: its weight is in its own units. A weight of 0 switches it off where its values
    and their gradients are finite, as they are computed in the model.

    On JAX, where Keras counts what a model adds before it computes the loss, training refuses it.

    Args:
        loss: The name that the model's `AddedLoss` has.

    Raises:
        InvalidName: The name is not a plain one.
        TermError: When it is called: no model has been called just before that adds such a loss.

    >>> from lossweights.terms import AddedLoss
    >>> x, y = keras.ops.ones((2, 1)), keras.ops.zeros((2, 1))
    >>> p = AddedLoss("kl")(x, keras.ops.convert_to_tensor([1.0, 3.0]))  # in a model's call
    >>> float(added("kl")(y, p))
    2.0
    """
    return Added(loss)
