"""Terms that read one output of a model with several."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Unpack

import keras

from lossweights.base.errors import TermError
from lossweights.terms._as_term import as_term
from lossweights.terms._tensors import Tensor
from lossweights.terms.per_sample import HostArguments, Term
from lossweights.terms.reduction import reduce_weighted
from lossweights.terms.targets import Array, Targets


class OfOutputs(Term):
    """What reads one output of a model or several, and gives them to a term within."""

    term: Term

    @abstractmethod
    def read(self, values: Any, what: str) -> Any:
        """What of ``values`` the term within gets; ``what`` names them in errors."""

    @abstractmethod
    def weight_of(self, weight: Any) -> Any:
        """The weight that the term within gets."""

    def per_sample(
        self, y_true: Any, y_pred: Any, element_weight: Tensor | Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """The value of the term within, shape ``(batch,)``."""
        return self.term.per_sample(
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


@keras.saving.register_keras_serializable(package="lossweights")
class OnOutput(OfOutputs):
    """A term on one output of a model: ``y_true`` and ``y_pred`` are dicts of all outputs.

    See `on`, which makes it.
    """

    def __init__(self, output: str, term: Any, **host: Unpack[HostArguments]) -> None:
        if not isinstance(output, str) or not output:
            raise TermError(
                f"Expected the name of an output of the model. Found {output!r}. "
                "Write lw.terms.on('depth', term) for the output layer named 'depth'."
            )
        read = as_term(term, host.get("name") or output)
        if isinstance(read, OnOutput):
            raise TermError(
                f"Expected a term to read one output. Found {output!r} and {read.output!r}. "
                "Write lw.terms.on(...) once."
            )
        host["name"] = host.get("name") or read.name
        super().__init__(**host)
        self.output: str = output
        self.term: Term = read
        self.link, self.axes, self.mapped = read.link, read.axes, read.mapped

    def read(self, values: Any, what: str) -> Any:
        """The part of ``values`` that belongs to this term's output.

        Raises:
            TermError: ``values`` is not a dict, or has no such output.
        """
        if isinstance(values, Mapping) and self.output in values:
            return values[self.output]
        raise missing_output(self.name, self.output, values, what)

    def weight_of(self, weight: Any) -> Any:
        """The weight of this term's output: its own in a dict of them, otherwise the one given."""
        return weight.get(self.output) if isinstance(weight, Mapping) else weight

    def best_constant(self, targets: Targets) -> Array | None:
        """That of the term, for the targets of its output."""
        return self.term.best_constant(targets)


def missing_output(term: str, output: str, values: Any, what: str) -> TermError:
    """What to say of values that are no dict, or have no such output."""
    found = f"the outputs {sorted(values)}" if isinstance(values, Mapping) else "one array"
    return TermError(
        f"Expected {what} to be a dict with the output {output!r}, which the term {term!r} reads. "
        f"Found {found}. Compile the model with loss=loss.by_output(), and name its output layers "
        f"as the terms do."
    )
