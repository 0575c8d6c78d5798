"""Terms that leave out elements whose target is not known, which is NaN there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

import keras
import numpy as np
from keras import ops

from lossweights.base.errors import TermError
from lossweights.base.sampled import Sampled
from lossweights.terms._added import Added
from lossweights.terms._as_term import as_term
from lossweights.terms._channels import OnChannels
from lossweights.terms._foreign import CustomLoss, KerasLoss
from lossweights.terms._output import OnOutput
from lossweights.terms._outputs import OnOutputs
from lossweights.terms._tensors import Tensor, as_float, expand_weight, match_rank, mean_per_sample
from lossweights.terms.per_sample import HostArguments, Term
from lossweights.terms.reduction import shared_weight, split_element_weight
from lossweights.terms.targets import Array, Targets, full_weight


@keras.saving.register_keras_serializable(package="lossweights")
class OnKnown(Term):
    """A term on the elements whose target is known; see `known`, which makes it."""

    leaves_out = True

    def __init__(self, term: Any, **host: Unpack[HostArguments]) -> None:
        self.term = as_term(term, host.get("name") or "known")
        if isinstance(self.term, OnOutput | OnOutputs | OnChannels | OnKnown):
            raise TermError(
                f"Expected a term that reads targets as they are. Found "
                f"{type(self.term).__name__}. Write lw.terms.known(term)."
            )
        host["name"] = host.get("name") or self.term.name
        super().__init__(**host)
        self.link, self.axes, self.mapped = self.term.link, self.term.axes, self.term.mapped

    def per_sample(self, y_true: Any, y_pred: Any, element_weight: Tensor | None = None) -> Tensor:
        """The mean over known elements, times their share of those of the batch: ``(batch,)``."""
        filled = _filled(y_true, y_pred)
        if isinstance(y_true, Mapping):
            left = self.part_known(y_true)
            values = self.term.per_sample(filled, y_pred, element_weight)
        else:
            seen = self._seen(as_float(y_true))
            if len(seen.shape) > 1:
                relative, left = split_element_weight(seen)
                if element_weight is not None:
                    element_weight, relative = match_rank(
                        ops.cast(element_weight, relative.dtype), relative
                    )
                    relative = (
                        relative * expand_weight(element_weight, relative)
                        if len(element_weight.shape) <= len(relative.shape)
                        else element_weight * expand_weight(relative, element_weight)
                    )
                element_weight = relative
            else:
                left = seen
            values = self.term.per_sample(filled, y_pred, element_weight)
        counted = ops.where(left > 0, values, ops.zeros_like(values))
        return counted * shared_weight(left, values.dtype)

    def part_known(self, y_true: Any) -> Tensor:
        """The part of each sample's elements that is known, shape ``(batch,)``."""
        if isinstance(y_true, Mapping):
            parts = [ops.cast(_rows_known(as_float(y)), "float32") for y in y_true.values()]
            return ops.prod(ops.stack(parts), axis=0)
        return mean_per_sample(self._seen(as_float(y_true)))

    def _seen(self, y_true: Tensor) -> Tensor:
        """1 where an element is known and 0 where not, without axes that values do not have."""
        seen = ops.logical_not(ops.isnan(y_true))
        loss = self.term if isinstance(self.term, KerasLoss) else None
        together = loss is not None and not (loss.weighs_channels or loss.reads_class_numbers)
        if len(seen.shape) > 1 and together:
            seen = ops.all(seen, axis=-1)  # one value for all channels of an element
        while len(seen.shape) > 1 and seen.shape[-1] == 1:
            seen = ops.squeeze(seen, -1)
        return ops.cast(seen, y_true.dtype)

    def with_extras(self, extras: Mapping[str, Tensor]) -> "OnKnown":
        """The same term, whose function gets some more arguments by name."""
        assert isinstance(self.term, CustomLoss)
        return OnKnown(self.term.with_extras(extras), name=self.name)

    def best_constant(self, targets: Targets) -> Array | None:
        """That of the term, for the targets that are known."""
        y = np.asarray(targets.y, dtype=np.float64)
        unknown = np.isnan(y)
        weight = full_weight(targets.weight, y)
        weight = ~unknown if weight is None else weight * ~unknown
        y = np.where(unknown, 0.0, y)
        return self.term.best_constant(replace(targets, y=y, weight=weight.astype(np.float32)))


def known(term: Any) -> Term:
    """The ``term`` on elements whose target is known: where it is NaN, nothing is.

    The value of a sample is the mean over its known elements, and samples weigh by how many they
    have, so that the mean over a batch is that over all its known elements. A sample without any
    counts nothing. In a sweep, ``missing="nan"`` says the same for all terms and metrics.

    A loss over several channels, such as a cross-entropy of classes, leaves out an element if one
    of its channels is unknown; a term that reads more than the target, by `reading`, an element of
    which that is unknown; a function between outputs a sample, if anything is. A function of
    arrays has to give one value for each element; where a whole sample is known or unknown, one
    value for each sample will do.

    Args:
        term: A term, or anything that a combined loss takes as one.

    Returns:
        A term whose ``y_true`` may hold NaN; its value is ``(batch,)``.

    Raises:
        TermError: ``term`` cannot be a term; when it is called, its values are none of elements.

    >>> mse = known("mse")
    >>> found = mse([[1.0, float("nan")], [2.0, 3.0]], [[2.0, 9.0], [2.0, 5.0]])
    >>> round(float(found), 5)  # (1 + 0 + 4) / 3
    1.66667
    """
    if isinstance(term, Sampled):
        return OnKnown(term)  # stands for it until a sweep makes it
    return as_term(term, "known").each(_known)


def _known(made: Term) -> Term:
    if isinstance(made, OnOutput):
        return OnOutput(made.output, known(made.term), name=made.name)
    if isinstance(made, OnOutputs):
        return OnOutputs(made.outputs, known(made.term), name=made.name)
    if isinstance(made, OnChannels):
        channels = made.target, made.weight, made.extras
        return OnChannels(known(made.term), *channels, name=made.name)
    return made if isinstance(made, OnKnown | Added) else OnKnown(made, name=made.name)


def _filled(y_true: Any, y_pred: Any) -> Any:
    """Targets without NaN: where one is, the prediction itself, at which errors are 0."""
    if isinstance(y_true, Mapping):
        return {name: _filled(values, y_pred.get(name)) for name, values in y_true.items()}
    y_true = as_float(y_true)
    instead = ops.zeros_like(y_true)
    if y_pred is not None:
        matched = match_rank(as_float(y_pred), y_true)[0]
        if len(matched.shape) == len(y_true.shape) and matched.shape[1:] == y_true.shape[1:]:
            instead = ops.cast(ops.stop_gradient(matched), y_true.dtype)
    return ops.where(ops.isnan(y_true), instead, y_true)


def _rows_known(y: Tensor) -> Tensor:
    flat = ops.reshape(ops.logical_not(ops.isnan(y)), (ops.shape(y)[0], -1))
    return ops.all(flat, axis=-1)
