"""Terms that read one output of a model with several."""

from collections.abc import Mapping
from typing import Any

import keras

from lossweights.base.errors import TermError
from lossweights.base.names import check_name
from lossweights.terms._as_term import as_term
from lossweights.terms.term import (
    Tensor,
    Term,
    check_values,
    reduce_weighted,
    weighted_values,
)


@keras.saving.register_keras_serializable(package="lossweights")
class OnOutput(Term):
    """A term on one output of a model: ``y_true`` and ``y_pred`` are dicts of all outputs.

    See `on`, which makes it.
    """

    def __init__(
        self,
        output: str,
        term: Any,
        *,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if not isinstance(output, str) or not output:
            raise TermError(
                f"Expected the name of an output of the model. Found {output!r}. "
                "Write lw.terms.on('depth', term) for the output layer named 'depth'."
            )
        read = as_term(term, name or output)
        if isinstance(read, OnOutput):
            raise TermError(
                f"Expected a term to read one output. Found {output!r} and {read.output!r}. "
                "Write lw.terms.on(...) once."
            )
        super().__init__(name=name or read.name, reduction=reduction, dtype=dtype)
        self.output: str = output
        self.term: Term = read

    def per_sample(
        self, y_true: Any, y_pred: Any, element_weight: Tensor | Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """The value of the term on its output, shape ``(batch,)``."""
        return weighted_values(
            self.term.per_sample,
            self.read(y_true, "y_true"),
            self.read(y_pred, "y_pred"),
            self.weight_of(element_weight),
        )

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss after Keras' reduction; weights may be one for all outputs or a dict."""
        return reduce_weighted(
            self.term.per_sample,
            self.read(y_true, "y_true"),
            self.read(y_pred, "y_pred"),
            self.weight_of(sample_weight),
            self.reduction,
            self.dtype,
        )

    def read(self, values: Any, what: str) -> Any:
        """The part of ``values`` that belongs to this term's output.

        Raises:
            TermError: ``values`` is not a dict, or has no such output.
        """
        if isinstance(values, Mapping) and self.output in values:
            return values[self.output]
        found = f"the outputs {sorted(values)}" if isinstance(values, Mapping) else "one array"
        raise TermError(
            f"Expected {what} to be a dict with the output {self.output!r}, which the term "
            f"{self.name!r} reads. Found {found}. Compile the model with "
            "loss=loss.by_output(), and name its output layers as the terms do."
        )

    def weight_of(self, weight: Any) -> Any:
        """The weight of this term's output: its own in a dict of them, otherwise the one given."""
        return weight.get(self.output) if isinstance(weight, Mapping) else weight

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the term as Keras writes objects."""
        term = keras.saving.serialize_keras_object(self.term)
        return {**super().get_config(), "output": self.output, "term": term}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "OnOutput":
        """The term that `get_config` described."""
        return cls(**{**config, "term": keras.saving.deserialize_keras_object(config["term"])})


def on(output: str, term: Any) -> OnOutput:
    """The ``term``, read from the ``output`` of a model that has several.

    All terms of the combined loss must then say which output they read, and the model is compiled
    with one loss for each output: ``model.compile(loss=loss.by_output())``.

    Args:
        output: Name of the model's output.
        term: A term, or anything that a combined loss takes as one.

    Returns:
        A term whose ``y_true`` and ``y_pred`` are dicts of arrays; its value is ``(batch,)``.

    Raises:
        TermError: ``output`` is no name, or ``term`` cannot be a term.

    >>> depth = on("depth", "mse")
    >>> y_true = {"depth": [[1.0], [2.0]], "mask": [[0.0], [1.0]]}
    >>> y_pred = {"depth": [[1.0], [4.0]], "mask": [[0.5], [0.5]]}
    >>> float(depth(y_true, y_pred))
    2.0
    """
    return OnOutput(output, term)


def as_terms(terms: Mapping[str, Any]) -> dict[str, Term]:
    """The terms of one loss, each by its name.

    Raises:
        TermError: There are none, one of them cannot be a term, or only some name their output.
        InvalidName: A name is not a plain one.
    """
    if not isinstance(terms, Mapping) or not terms:
        raise TermError(
            f"Expected a mapping from names to terms. Found {terms!r}. "
            "Write terms={'mse': 'mse', 'under': lw.terms.Underestimation()}."
        )
    built = {check_name(name, "term"): as_term(term, name) for name, term in terms.items()}
    plain = [name for name, term in built.items() if not isinstance(term, OnOutput)]
    if plain and len(plain) < len(built):
        raise TermError(
            "Expected all of the terms to name the output that they read, or none of them. "
            f"Found {plain} without. Write lw.terms.on('output name', term) for each."
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
        if isinstance(term, OnOutput):
            values = term.per_sample(y_true, y_pred, element_weight)
        else:
            values = weighted_values(term.per_sample, y_true, y_pred, element_weight)
        values = check_values(values, keras.tree.flatten(y_pred)[0], name)
        if len(values.shape) > 1:
            raise TermError(f"expected values of shape (batch,), found {tuple(values.shape)}")
    except TermError as error:
        raise TermError(f"The term {name!r}: {error}") from error
    except Exception as error:
        error.add_note(f"This happened in the term {name!r}.")
        raise
    return values
