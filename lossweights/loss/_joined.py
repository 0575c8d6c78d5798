"""Terms between outputs as terms on one array, so that a constant prediction can be found for them.

The outputs are laid side by side: of the targets all elements of a sample, of a prediction one
number for each channel of each output, which is the same all over the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from keras import ops
from numpy.typing import NDArray

from lossweights.base.errors import TermError
from lossweights.loss._constant import sample_sizes
from lossweights.terms.per_sample import Tensor, Term
from lossweights.terms.targets import Targets

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = Sequence[int | None]

_LEVELS = 512  # of its values that stand for a channel


@dataclass(frozen=True)
class Layout:
    """Where each output lies.

    Attributes:
        targets: Shape of the targets of a sample, by output.
        predictions: Shape of the prediction for a sample, by output.
    """

    targets: Mapping[str, tuple[int, ...]]
    predictions: Mapping[str, tuple[int, ...]]

    @property
    def numbers(self) -> int:
        """How many numbers a constant prediction is made of."""
        return sum(map(_channels, self.predictions.values()))

    def split_targets(self, flat: Any) -> dict[str, Any]:
        """The targets by output from all elements of each sample, ``(n, elements)``."""
        found, start = {}, 0
        for output, shape in self.targets.items():
            stop = start + int(np.prod(shape))
            found[output] = ops.reshape(flat[:, start:stop], (-1, *shape))
            start = stop
        return found

    def split_predictions(self, numbers: Any) -> dict[str, Any]:
        """The predictions by output from a number for each channel, ``(n, numbers)``."""
        found, start = {}, 0
        for output, shape in self.predictions.items():
            part = numbers[:, start : start + _channels(shape)]
            inner = (1,) * (len(shape) - 1)
            whole = ops.broadcast_to(
                ops.reshape(part, (-1, *inner, _channels(shape))), (len(part), *(shape or (1,)))
            )
            found[output] = ops.reshape(whole, (-1, *shape))
            start += _channels(shape)
        return found

    def numbers_of(self, predictions: Mapping[str, Array]) -> Array:
        """The numbers of constants by output, each of the shape of a prediction, ``(1, ...)``."""
        parts = [
            np.asarray(predictions[output]).reshape(-1)[-_channels(shape) :]
            for output, shape in self.predictions.items()
        ]
        return np.concatenate(parts)[None]


class Joined(Term):
    """A term between outputs that reads what a `Layout` lays side by side."""

    def __init__(self, term: Term, layout: Layout) -> None:
        super().__init__(name=term.name)
        self.term, self.layout = term, layout

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The value of the term, shape ``(batch,)``."""
        true, pred = self.layout.split_targets(y_true), self.layout.split_predictions(y_pred)
        return self.term.per_sample(true, pred, element_weight)


@dataclass(frozen=True)
class JoinedTargets(Targets):
    """The targets of several outputs side by side, shape ``(n, elements)``.

    Attributes:
        layout: Where each output lies.
    """

    layout: Layout = Layout({}, {})

    def by_channel(self) -> tuple[Array, Array | None]:
        """What each predicted channel may be like: the quantiles of its targets, a column each."""
        levels, columns = np.linspace(0.0, 1.0, _LEVELS), []
        for output, y in self.layout.split_targets(self.y).items():
            values = np.asarray(y, dtype=np.float64)
            channels = _channels(self.layout.predictions[output])
            table = values.reshape(-1, channels if values.shape[-1] == channels else 1)
            found = np.quantile(table, levels, axis=0)
            columns.append(np.broadcast_to(found, (_LEVELS, channels)))
        return np.concatenate(columns, axis=1), None


def joined(
    y: Mapping[str, Any], output_shape: Mapping[str, Shape | None] | None
) -> tuple[Array, Layout]:
    """The targets of several outputs side by side, and where each lies.

    Raises:
        TermError: The shape of an output is not known.
    """
    arrays = {output: np.asarray(values) for output, values in y.items()}
    predictions = {}
    for output, array in arrays.items():
        given = None if output_shape is None else output_shape.get(output)
        shape = tuple(array.shape if given is None else given)
        sizes = sample_sizes(shape, array.shape)
        if None in sizes:
            raise TermError(
                f"Expected an output shape with known sizes for {output!r}. Found {shape}. Pass "
                f"output_shape= with the sizes of this data."
            )
        predictions[output] = tuple(int(size) for size in sizes if size is not None)
    flat = [array.reshape(len(array), -1).astype(np.float32) for array in arrays.values()]
    targets = {output: array.shape[1:] for output, array in arrays.items()}
    return np.concatenate(flat, axis=1), Layout(targets, predictions)


def _channels(shape: Sequence[int]) -> int:
    return int(shape[-1]) if shape else 1
