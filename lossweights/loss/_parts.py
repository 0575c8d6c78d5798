"""Terms beside the targets that they read, output by output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lossweights.base.errors import DataError, TermError
from lossweights.loss._constant import Shape
from lossweights.loss._joined import Joined, JoinedTargets, Layout, joined
from lossweights.terms import Added, OnChannels, Term, as_term
from lossweights.terms.summands import OutputTerms, terms_by_output
from lossweights.terms.targets import Targets


class Part(NamedTuple):
    """The terms that read one output.

    Attributes:
        terms: Name, term and targets of each.
        shape: The shape of the output, or ``None`` for that of the targets.
        output: The output, or ``None`` for several or if none is named.
        layout: Where the outputs of terms between several lie in those arrays.
    """

    terms: list[tuple[str, Term, Targets]]
    shape: Shape | None
    output: str | None = None
    layout: Layout | None = None


def about_targets(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the terms that are about targets, and not what the model adds itself."""
    return {name: term for name, term in terms.items() if not isinstance(term, Added)}


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
        of_part, weight = part.read(y, "y"), part.weight_of(sample_weight)
        if isinstance(of_part, Mapping):
            yield _between(part, of_part, weight, part.shape_of(output_shape))
            continue
        shape = _checked_shape(part.shape_of(output_shape))
        group = list(part.terms.values())
        named = [
            (name, term, _targets(name, term, group, of_part, weight, shape))
            for name, term in part.terms.items()
        ]
        yield Part(named, shape, part.output)


def _between(part: OutputTerms, y: Mapping[str, Any], weight: Any, shapes: Any) -> Part:
    """The terms that read several outputs, as terms on one array."""
    flat, layout = joined(y, shapes if isinstance(shapes, Mapping) else None)
    weight = None if weight is None else np.asarray(weight, dtype=np.float32)
    while weight is not None and weight.ndim > 1:
        weight = weight.mean(axis=-1)
    shape = None, layout.numbers
    terms: list[tuple[str, Term, Targets]] = []
    for name, term in part.terms.items():
        targets = JoinedTargets(flat, weight, classes=shape[1], term=name, layout=layout)
        terms.append((name, Joined(term, layout), targets))
    _refuse_nothing(flat, weight)
    return Part(terms, shape, layout=layout)


def _targets(
    name: str, term: Term, group: Sequence[Term], y: Any, sample_weight: Any, shape: Shape | None
) -> Targets:
    """The targets of one term of a group, all of which read the same predictions."""
    y = np.asarray(y)
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float32)
    _refuse_nothing(y, weight)
    targets = Targets(
        y,
        weight,
        classes=None if shape is None or len(shape) < 2 else shape[-1],
        axes=[axis for each in group for axis in each.axes],
        mapped=any(each.mapped for each in group),
        term=name,
    )
    return term.read(targets) if isinstance(term, OnChannels) else targets


def _refuse_nothing(y: Any, weight: Any) -> None:
    if y.ndim == 0 or len(y) == 0 or (weight is not None and not weight.any()):
        raise DataError(
            "Expected targets with at least one sample of a weight above 0. "
            f"Found targets of shape {y.shape}. Pass the targets of the training data."
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
