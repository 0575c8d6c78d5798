"""The terms of one loss: made of what a user gives, valued one by one, sorted by output."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from lossweights.base.errors import InvalidName, TermError
from lossweights.base.names import MODEL, check_name
from lossweights.terms._as_term import as_term
from lossweights.terms._output import OnOutput
from lossweights.terms._outputs import OnOutputs, reads_dicts
from lossweights.terms._tensors import Tensor, check_values
from lossweights.terms.per_sample import Term
from lossweights.terms.reduction import joint_weight


def as_terms(terms: Mapping[str, Any]) -> dict[str, Term]:
    """The terms of one loss, each by its name.

    Raises:
        TermError: There are none, one of them cannot be a term, or only some name their output.
        InvalidName: A name is not a plain one, or that of the model's own losses.
    """
    if not isinstance(terms, Mapping) or not terms:
        raise TermError(
            f"Expected a mapping from names to terms. Found {terms!r}. "
            "Write terms={'mse': 'mse', 'under': lw.terms.Underestimation()}."
        )
    if MODEL in terms:
        raise InvalidName(
            f"Invalid term name. Expected another than {MODEL!r}, under which the losses are told "
            f"that a model adds by itself, such as regularisers. Choose another name."
        )
    built = {check_name(name, "term"): as_term(term, name) for name, term in terms.items()}
    plain = [name for name, term in built.items() if not isinstance(term, OnOutput | OnOutputs)]
    unread = [name for name in plain if not reads_dicts(built[name])]
    if unread and len(plain) < len(built):
        raise TermError(
            "Expected all of the terms to name the output that they read, or none of them. "
            f"Found {unread} without. Write lw.terms.on('output name', term) for each."
        )
    return built


def values_of(
    name: str, term: Term, y_true: Any, y_pred: Any, element_weight: Tensor | None = None
) -> Tensor:
    """The value of one term for each sample, with its name in whatever goes wrong.

    Raises:
        TermError: The term cannot read these shapes, or gives something else than one value per
            sample.
    """
    try:
        if isinstance(y_pred, Mapping) and not _takes_dicts(term):
            raise TermError(
                f"Expected a term that says which output it reads. Found {type(term).__name__} "
                f"for the outputs {_shapes(y_pred)}. Write lw.terms.on({min(y_pred)!r}, term)."
            )
        values = term.per_sample(y_true, y_pred, element_weight)
        values = check_values(values, keras.tree.flatten(y_pred)[0], name)
        if len(values.shape) > 1:
            raise TermError(f"expected values of shape (batch,), found {tuple(values.shape)}")
    except TermError as error:
        raise TermError(f"The term {name!r}: {error}") from error
    except Exception as error:
        error.add_note(f"This happened in the term {name!r}{_read_by(term, y_true, y_pred)}.")
        raise
    return values


def _takes_dicts(term: Term) -> bool:
    return isinstance(term, OnOutput | OnOutputs) or reads_dicts(term)


def _read_by(term: Term, y_true: Any, y_pred: Any) -> str:
    """The names and shapes that a term with dicts was given."""
    if not isinstance(y_pred, Mapping) or not isinstance(y_true, Mapping):
        return ""
    outputs = getattr(term, "outputs", None) or list(y_pred)
    true, pred = ({k: v for k, v in each.items() if k in outputs} for each in (y_true, y_pred))
    return f", which read y_true {_shapes(true)} and y_pred {_shapes(pred)}"


def _shapes(values: Mapping[str, Any]) -> dict[str, tuple[int | None, ...]]:
    return {name: tuple(np.shape(value)) for name, value in values.items()}


def switched_values_of(
    off: Tensor,
    name: str,
    term: Term,
    y_true: Any,
    y_pred: Any,
    element_weight: Tensor | None = None,
) -> Tensor:
    """The values of one term, and 0 with the gradient 0 if it is switched off, whatever they are.

    A term that is switched off may be undefined: 0 times that is undefined too, in the loss and in
    its gradient. Which it is, is decided as the graph runs, so that a weight may become 0.

    Args:
        off: Whether the term's weight is 0, a scalar.
        name: What the term is called in messages.
        term: The term.
        y_true: Targets, as the term takes them.
        y_pred: Predictions, alike.
        element_weight: Weight of each element, or ``None``.
    """
    # The gradient of `where` picks and does not multiply: what is not picked may be anything.
    seen = keras.tree.map_structure(lambda p: ops.where(off, ops.stop_gradient(p), p), y_pred)
    values = values_of(name, term, y_true, seen, element_weight)
    return ops.where(off, ops.zeros((), values.dtype), values)


@dataclass(frozen=True)
class OutputTerms:
    """The terms of a loss that read one output, or the same ones, or all that there are.

    Attributes:
        output: The output, or ``None``.
        terms: The terms by name, as they read the arrays of that output alone, or the dicts.
        reader: One of them as it reads all outputs, or ``None``.
    """

    output: str | None
    terms: Mapping[str, Term]
    reader: OnOutput | OnOutputs | None

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """The outputs that are read; ``None`` for all."""
        if isinstance(self.reader, OnOutputs):
            return self.reader.outputs
        return None if self.output is None else (self.output,)

    @property
    def reads_all(self) -> bool:
        """Whether these are functions that name no output, and may read dicts of all."""
        return self.reader is None and all(map(reads_dicts, self.terms.values()))

    def read(self, values: Any, what: str) -> Any:
        """What belongs to this part.

        Raises:
            TermError: ``values`` is not a dict that has this output.
        """
        return values if self.reader is None else self.reader.read(values, what)

    def weight_of(self, weight: Any) -> Any:
        """The weight that belongs to this part: its own in a dict of them."""
        if self.reader is not None:
            return self.reader.weight_of(weight)
        return joint_weight(list(weight.values())) if isinstance(weight, Mapping) else weight

    def shape_of(self, shapes: Any) -> Any:
        """The shape of this part's output; a dict of them for terms between outputs."""
        if not isinstance(shapes, Mapping) or self.outputs is None:
            return shapes
        several = {output: shapes.get(output) for output in self.outputs}
        return several if self.output is None else several[self.output]


def terms_by_output(terms: Mapping[str, Term]) -> list[OutputTerms]:
    """The terms of a loss, sorted by the outputs that they read, in the order of their first.

    >>> from lossweights.terms import on
    >>> terms = as_terms({"mse": on("depth", "mse"), "ce": on("mask", "bce")})
    >>> [(part.output, list(part.terms)) for part in terms_by_output(terms)]
    [('depth', ['mse']), ('mask', ['ce'])]
    """
    parts: dict[tuple[str, ...] | str | None, OutputTerms] = {}
    for name, term in terms.items():
        reader = term if isinstance(term, OnOutput | OnOutputs) else None
        read = term if reader is None else reader.term
        output = reader.output if isinstance(reader, OnOutput) else None
        key = reader.outputs if isinstance(reader, OnOutputs) else output
        known = parts.get(key, OutputTerms(output, {}, reader))
        parts[key] = OutputTerms(output, {**known.terms, name: read}, known.reader)
    return list(parts.values())


def elements_known(terms: Mapping[str, Term], y_true: Any) -> dict[str, Tensor | None]:
    """How much of these targets each mean is taken over; ``None`` for all of them.

    Means of several batches make up the mean of all if each counts by this number.
    """
    found: dict[str, Tensor | None] = {}
    for part in terms_by_output(terms):
        read = part.read(y_true, "y_true")
        for name, term in part.terms.items():
            known = term.part_known(read)
            found[name] = None if known is None else ops.cast(ops.sum(known), "float32")
    return found


def outputs_read(terms: Mapping[str, Term]) -> list[str]:
    """The outputs that terms name, each once, in their order."""
    parts = terms_by_output(terms)
    return list(dict.fromkeys(output for part in parts for output in part.outputs or ()))
