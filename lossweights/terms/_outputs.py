"""Terms between several outputs of a model."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import keras

from lossweights.base.errors import TermError
from lossweights.terms._added import Added
from lossweights.terms._as_term import as_term
from lossweights.terms._foreign import CustomLoss
from lossweights.terms._output import OfOutputs, OnOutput, missing_output
from lossweights.terms.per_sample import HostArguments, Term
from lossweights.terms.reduction import joint_weight


@keras.saving.register_keras_serializable(package="lossweights")
class OnOutputs(OfOutputs):
    """A term between outputs of a model: its function gets dicts of the outputs that it names.

    See `on`, which makes it.
    """

    def __init__(self, outputs: Sequence[str], term: Any, **host: Unpack[HostArguments]) -> None:
        names = checked_outputs(outputs)
        read = as_term(term, host.get("name") or " ".join(names))
        if not reads_dicts(read):
            raise TermError(
                f"Expected a function of two dicts, such as lambda y, p: p[{names[0]!r}] - ..., "
                f"between the outputs {list(names)}. Found {type(read).__name__}, which reads one "
                f"array. Write lw.terms.on({names[0]!r}, term) for a term on one output."
            )
        host["name"] = host.get("name") or read.name
        super().__init__(**host)
        self.outputs: tuple[str, ...] = names
        self.term: Term = read

    def read(self, values: Any, what: str) -> dict[str, Any]:
        """The parts of ``values`` that belong to this term's outputs.

        Raises:
            TermError: ``values`` is not a dict, or lacks one of the outputs.
        """
        for output in self.outputs:
            if not isinstance(values, Mapping) or output not in values:
                raise missing_output(self.name, output, values, what)
        return {output: values[output] for output in self.outputs}

    def weight_of(self, weight: Any) -> Any:
        """The weight of this term: of weights by output, the geometric mean of its outputs'."""
        if not isinstance(weight, Mapping):
            return weight
        return joint_weight([weight.get(output) for output in self.outputs])


def reads_dicts(term: Term) -> bool:
    """Whether a term may be given dicts of outputs: code of the user's own may."""
    if isinstance(term, OnOutput | OnOutputs):
        return False
    if term.alternatives:
        return all(map(reads_dicts, term.alternatives))
    inner = getattr(term, "term", None)
    if isinstance(inner, CustomLoss) and not hasattr(term, "target"):  # on known elements
        return True
    return isinstance(term, CustomLoss | Added) or not _is_ours(term)


def _is_ours(term: Term) -> bool:
    return type(term).__module__.startswith("lossweights.")


def checked_outputs(outputs: Any) -> tuple[str, ...]:
    """The names of some outputs.

    Raises:
        TermError: They are none, or one of them is there twice.
    """
    names = tuple(outputs)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise TermError(
            f"Expected the names of outputs of the model. Found {outputs!r}. Write "
            f"lw.terms.on(('low', 'high'), function) for output layers of these names."
        )
    if len(set(names)) < len(names):
        raise TermError(f"Expected each output once. Found {outputs!r}. Drop the repeated one.")
    return names


def on(output: str | Sequence[str], term: Any) -> OnOutput | OnOutputs:
    """The ``term``, read from the ``output`` of a model that has several, or between some of them.

    The model is compiled with one loss for each output: ``model.compile(loss=loss.by_output())``.
    The other terms of the loss must then say which output they read. A function that does not
    say so gets dicts of all outputs; ``loss.by_output(model.output_names)`` tells which there are.

    A term between outputs weighs samples as they are weighed by ``fit``; where each output has
    weights of its own, by their geometric mean, so that a sample counts if it does for all.

    Args:
        output: Name of the model's output; or the names of several.
        term: A term, or anything that a combined loss takes as one. Between several outputs a
            function ``(y_true, y_pred) -> values`` of dicts by output, with one value per sample
            or element.

    Returns:
        A term whose ``y_true`` and ``y_pred`` are dicts of arrays; its value is ``(batch,)``.

    Raises:
        TermError: ``output`` is no name, or ``term`` cannot be a term.

    >>> depth = on("depth", "mse")
    >>> y_true = {"depth": [[1.0], [2.0]], "mask": [[0.0], [1.0]]}
    >>> y_pred = {"depth": [[1.0], [4.0]], "mask": [[0.5], [0.5]]}
    >>> float(depth(y_true, y_pred))
    2.0
    >>> order = on(("depth", "mask"), lambda y, p: keras.ops.relu(p["mask"] - p["depth"]))
    >>> float(order(y_true, y_pred))
    0.0
    """
    if isinstance(output, list | tuple):
        return OnOutputs(output, term)
    return OnOutput(output, term)  # type: ignore[arg-type]  # refuses what is no name
