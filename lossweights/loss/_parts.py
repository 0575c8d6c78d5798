"""Terms beside the targets that they read, output by output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lossweights.base.errors import DataError, TermError
from lossweights.loss._constant import Shape
from lossweights.terms import Term, as_term
from lossweights.terms.summands import terms_by_output
from lossweights.terms.targets import Targets


class Part(NamedTuple):
    """The terms that read one output.

    Attributes:
        terms: Name, term and targets of each.
        shape: The shape of the output, or ``None`` for that of the targets.
    """

    terms: list[tuple[str, Term, Targets]]
    shape: Shape | None


def parts_of(
    terms: Mapping[str, Any], y: Any, sample_weight: Any, output_shape: Any
) -> Iterator[Part]:
    """The terms of each output with what they read of targets, weights and shapes.

    Raises:
        DataError: There are no targets.
        TermError: A term does not fit them.
    """
    built = {name: as_term(term, name) for name, term in terms.items()}
    for part in terms_by_output(built):
        read = part.read(y, "y"), part.weight_of(sample_weight)
        shape = _checked_shape(part.weight_of(output_shape))
        group = list(part.terms.values())
        yield Part([(n, t, _targets(n, group, *read, shape)) for n, t in part.terms.items()], shape)


def _targets(
    name: str, group: Sequence[Term], y: Any, sample_weight: Any, shape: Shape | None
) -> Targets:
    """The targets of one term of a group, all of which read the same predictions."""
    y = np.asarray(y)
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float32)
    if y.ndim == 0 or len(y) == 0 or (weight is not None and not weight.any()):
        raise DataError(
            "Expected targets with at least one sample of a weight above 0. "
            f"Found targets of shape {y.shape}. Pass the targets of the training data."
        )
    return Targets(
        y,
        weight,
        classes=None if shape is None or len(shape) < 2 else shape[-1],
        axes=[axis for each in group for axis in each.axes],
        mapped=any(each.mapped for each in group),
        term=name,
    )


def _checked_shape(output_shape: Any) -> Shape | None:
    """The shape of one output."""
    if output_shape is None:
        return None
    if isinstance(output_shape, Sequence) and output_shape:
        shape = tuple(output_shape)
        if all(size is None or isinstance(size, int | np.integer) for size in shape):
            return shape
    raise TermError(
        "Expected the shape of one output, such as (None, 1), or a dict of shapes for terms that "
        f"name their outputs. Found {output_shape!r}. Pass model.output_shape of a model with one "
        "output, or output_shape={'output name': shape, ...} and terms made by lw.terms.on."
    )
