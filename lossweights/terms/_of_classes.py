"""The frame of terms on masks of classes, of which some may be left out, such as the background."""

from abc import abstractmethod
from typing import Any, Unpack

from lossweights.base.errors import TermError
from lossweights.terms._tensors import Tensor, as_float
from lossweights.terms.channels import pick
from lossweights.terms.classes import (
    ChosenClasses,
    Classes,
    checked_classes,
    kept_channels,
    without_unsaid,
)
from lossweights.terms.per_sample import HostArguments, Term


class MaskHost(HostArguments, ChosenClasses, total=False):
    """The arguments of every `MaskTerm`, which those with further ones hand on."""


class MaskTerm(Term):
    """A term on masks, whose classes are the channels of the last axis where there are several.

    Args:
        ignore: The class that counts nothing, by its number or several: ``ignore=0`` leaves the
            background out, so that a model that finds nothing has no part in common.
        classes: The classes that count, ``classes=(1, 2)``, instead of ``ignore``. By default all.
        name, reduction, dtype: As for every `Term`.

    Raises:
        TermError: Both are given, or are no classes; when it is called, a class is not there.
    """

    def __init__(
        self,
        *,
        ignore: Classes = None,
        classes: Classes = None,
        **host: Unpack[HostArguments],
    ) -> None:
        super().__init__(**host)
        self.ignore, self.classes = checked_classes(ignore, classes)

    @abstractmethod
    def of_masks(self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None) -> Tensor:
        """The value of each sample, of the classes that count: see `Term.per_sample`."""

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The value of each sample, shape ``(batch,)``, of the classes that count."""
        if self.ignore is None and self.classes is None:
            return self.of_masks(y_true, y_pred, element_weight)
        y_true, y_pred = as_float(y_true), as_float(y_pred)
        shape = tuple(y_pred.shape)
        kept, axes = kept_channels(self.ignore, self.classes, shape), self.axes
        if len(shape) - 1 in {axis % len(shape) for axis in axes}:
            raise TermError(
                f"Expected the classes on the last axis, and not one of the axes {axes} of space "
                f"there. Found y_pred of shape {shape}. Leave ignore= and classes= out, or give "
                f"each class a channel."
            )
        if element_weight is not None and len(element_weight.shape) == len(shape):
            element_weight = self._kept(element_weight, kept, shape[-1])
        y_true = self._kept(y_true, kept, shape[-1])
        return self.of_masks(y_true, pick(y_pred, kept), element_weight)

    def _kept(self, values: Tensor, kept: slice | list[int], classes: int | None) -> Tensor:
        """The classes that count, of masks, of the maps behind them, or of weights of either."""
        if values.shape[-1] == 1:  # weights that all classes of an element share
            return values
        if not self.mapped or values.shape[-1] == classes or classes is None:
            return pick(values, kept)
        numbers = list(range(classes))[kept] if isinstance(kept, slice) else kept
        return pick(values, [*numbers, *(each + classes for each in numbers)])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; those of classes if they were said."""
        return without_unsaid(super().get_config())
