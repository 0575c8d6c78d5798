"""Reading the plain mask where ``y_true`` carries a distance map as well."""

from typing import Any, Unpack

import keras

from lossweights.base.errors import TermError
from lossweights.terms._as_term import as_term
from lossweights.terms._distance_map import DistanceBoundary, HausdorffDistance, first_channels
from lossweights.terms._output import OnOutput
from lossweights.terms._tensors import Tensor
from lossweights.terms.per_sample import HostArguments, Term
from lossweights.terms.targets import Array, Targets


@keras.saving.register_keras_serializable(package="lossweights")
class OnMask(Term):
    """A term that is shown as many channels of ``y_true`` as ``y_pred`` has: the first ones.

    `with_distance_map` puts its maps behind the masks. The terms made for them read both; any other
    term would take the maps for more targets. Wrapped, it sees the masks alone, and plain masks
    just as they are.

    Args:
        term: The term to show the masks to, or anything that a combined loss takes as one, such as
            ``"binary_crossentropy"``.
        name, reduction, dtype: As for every `Term`. The name is by default that of ``term``, whose
            reduction is not used.

    Shapes: ``y_true`` ``(batch, ..., channels or more)``, ``y_pred`` ``(batch, ..., channels)`` or,
    for one channel, without that axis; the value is ``(batch,)``.
    Units: those of ``term``. Range: that of ``term``.

    Raises:
        TermError: ``term`` cannot be a term, reads a distance map or one output of several, or
            ``y_true`` has fewer channels than ``y_pred``.

    >>> import lossweights as lw
    >>> y = lw.terms.with_distance_map([[0, 0, 1, 1, 0]], axes=1)  # shape (1, 5, 2)
    >>> p = [[[0.0], [1.0], [1.0], [1.0], [0.0]]]
    >>> round(float(lw.terms.OnMask("mse")(y, p)), 4)
    0.2
    """

    mapped = True

    def __init__(self, term: Any, **host: Unpack[HostArguments]) -> None:
        self.term = as_term(term, host.get("name") or "on mask")
        if isinstance(self.term, (DistanceBoundary, HausdorffDistance, OnOutput)):
            raise TermError(
                "Expected a term that reads plain masks. "
                f"Found {type(self.term).__name__} {self.term.name!r}. Use terms that read the "
                "distance map as they are, and write lw.terms.on(output, lw.terms.OnMask(term))."
            )
        host["name"] = host.get("name") or self.term.name
        super().__init__(**host)
        self.link, self.axes = self.term.link, self.term.axes

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The value of the term on the first channels of ``y_true``, shape ``(batch,)``."""
        without_axis = len(y_pred.shape) == len(y_true.shape) - 1
        channels = 1 if without_axis else y_pred.shape[-1]
        if y_true.shape[-1] is not None and y_true.shape[-1] < channels:
            raise TermError(
                "Expected y_true to have at least the channels of y_pred. Found y_true of shape "
                f"{tuple(y_true.shape)}, y_pred of shape {tuple(y_pred.shape)}. "
                "Give one mask for each channel that the model predicts."
            )
        masks = y_true[..., :channels]
        if element_weight is not None:
            element_weight = first_channels(element_weight, masks)
        return self.term.per_sample(masks, y_pred, element_weight)

    def best_constant(self, targets: Targets) -> Array | None:
        """That of the term, which sees the masks alone."""
        return self.term.best_constant(targets)
