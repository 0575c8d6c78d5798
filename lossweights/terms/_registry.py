"""Terms as plain data, for files that must be readable without running code.

A description is flat: the class, its arguments, and nothing to import. Classes are looked up in a
fixed table, never by a name from the file.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lossweights.base.arguments import parameters
from lossweights.base.errors import TermError
from lossweights.terms._added import Added
from lossweights.terms._arguments import is_number
from lossweights.terms._asymmetric import (
    Expectile,
    Newsvendor,
    Overestimation,
    Pinball,
    Underestimation,
)
from lossweights.terms._boundary import Boundary, TotalVariation
from lossweights.terms._channels import OnChannels
from lossweights.terms._contour import BoundaryF1, SoftBoundaryDice
from lossweights.terms._distance_map import DistanceBoundary, HausdorffDistance
from lossweights.terms._foreign import OWN, KerasLoss, keras_term
from lossweights.terms._known import OnKnown
from lossweights.terms._linex import Linex
from lossweights.terms._output import OnOutput
from lossweights.terms._pointwise import Huber, MeanAbsoluteError, MeanSquaredError
from lossweights.terms._region import Dice, Focal, Tversky
from lossweights.terms.channels import from_text, spelled
from lossweights.terms.chosen import ChoiceTerm, SampledTerm
from lossweights.terms.per_sample import HostArguments, Term

TERMS: Mapping[str, type[Term]] = {
    term.__name__: term
    for term in (
        MeanSquaredError,
        MeanAbsoluteError,
        Huber,
        Underestimation,
        Overestimation,
        Pinball,
        Expectile,
        Newsvendor,
        Linex,
        Boundary,
        TotalVariation,
        SoftBoundaryDice,
        BoundaryF1,
        DistanceBoundary,
        HausdorffDistance,
        Dice,
        Tversky,
        Focal,
    )
}
# With those that are no functions of targets and predictions.
_CLASSES: Mapping[str, type[Term]] = {**TERMS, Added.__name__: Added}

_KERAS = "keras:"  # before the name of a class of keras.losses
_HOST = frozenset(HostArguments.__annotations__)  # what a combined loss decides for its terms


def describe(term: Term) -> dict[str, Any] | None:
    """A flat, strictly JSON-able description of a term, or ``None`` if only code can describe it.

    Args:
        term: Any term.

    Returns:
        ``{"class": ..., argument: value, ...}``, with ``"output"`` added for a term on one output,
        ``"on_mask"`` for one on as many channels as are predicted, ``"target"`` and ``"weight"``
        for one on channels that were named, ``"missing"`` for one on known elements. ``None`` for a
        function, a lambda or a class that is not part of lossweights or Keras. Of what a sweep
        samples it says under which names: ``"sampled"`` arguments, or ``"options"`` of which one is
        ``"chosen"``; such a description builds no term before a trial has settled it.

    >>> describe(Underestimation(factor=3.0))
    {'class': 'Underestimation', 'factor': 3.0, 'power': 1}
    """
    if isinstance(term, OnOutput | OnChannels | OnKnown):
        inner = describe(term.term)
        return None if inner is None else {**inner, **_said_around(term)}
    if isinstance(term, SampledTerm):
        usual = describe(term.term)
        keys = {argument: dial.key for argument, dial in term.dials.items()}
        return None if usual is None else {**usual, "sampled": keys}
    if isinstance(term, ChoiceTerm):
        options = {name: describe(option) for name, option in term.options.items()}
        return {"class": "Choice", "chosen": term.which.key, "options": options}
    if isinstance(term, KerasLoss) and term.loss in OWN:
        try:
            return describe(keras_term(term.loss, term.arguments))
        except TermError:
            return None
    if isinstance(term, KerasLoss):
        name, arguments = _KERAS + term.loss, term.arguments
    elif type(term) is _CLASSES.get(type(term).__name__):
        name = type(term).__name__
        arguments = {key: v for key, v in term.get_config().items() if key not in _HOST}
    else:
        return None
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in arguments.items()}
    return {"class": name, **plain} if all(map(_is_plain, plain.values())) else None


def from_description(description: Mapping[str, Any]) -> Term:
    """The term that a description stands for; no code is imported or run for it.

    Args:
        description: What `describe` gave, perhaps read from a file that cannot be trusted.

    Raises:
        TermError: The class is unknown, or an argument is unknown, missing or not possible.

    >>> from_description({"class": "keras:BinaryCrossentropy", "from_logits": True}).arguments
    {'from_logits': True}
    """
    arguments = dict(description)
    name = arguments.pop("class", None)
    output, on_mask = arguments.pop("output", None), arguments.pop("on_mask", False)
    target, weight = (arguments.pop(key, None) for key in ("target", "weight"))
    missing = arguments.pop("missing", None)
    term = _build(name, arguments)
    if missing not in (None, "nan"):
        raise TermError(
            f"Expected missing='nan' of the term {name!r}. Found {missing!r:.80}. Update "
            f"lossweights, or build the term in code."
        )
    if missing:
        term = OnKnown(term)
    if on_mask or target is not None or weight is not None:
        term = OnChannels(
            term,
            None if target is None else from_text(target),
            None if weight is None else from_text(weight),
        )
    return term if output is None else OnOutput(output, term)


def _said_around(term: OnOutput | OnChannels | OnKnown) -> dict[str, Any]:
    """What a description says of a wrapper."""
    if isinstance(term, OnOutput):
        return {"output": term.output}
    if isinstance(term, OnKnown):
        return {"missing": "nan"}
    named = {"target": term.target, "weight": term.weight}
    texts = {key: spelled(channels) for key, channels in named.items() if channels is not None}
    return texts if "target" in texts else {"on_mask": True, **texts}


def _build(name: object, arguments: dict[str, Any]) -> Term:
    if not all(map(_is_plain, arguments.values())):
        raise TermError(
            f"Expected numbers, texts and lists of numbers as arguments of the term {name!r}. "
            f"Found {arguments!r:.200}. Describe the term with lw.terms.describe."
        )
    if isinstance(name, str) and name.startswith(_KERAS):
        return _construct(keras_term, name.removeprefix(_KERAS), arguments)
    if not isinstance(name, str) or name not in _CLASSES:
        raise TermError(
            f"Expected the class of a term to be one of {sorted(_CLASSES)}, or 'keras:' and the "
            f"name of a Keras loss. Found {name!r:.80}. Update lossweights, or build the term in "
            f"code."
        )
    known = set(parameters(_CLASSES[name])) - _HOST
    if not known.issuperset(arguments):
        raise TermError(
            f"Expected arguments of {name} among {sorted(known)}. Found {sorted(arguments)}. "
            "Update lossweights, or build the term in code."
        )
    return _construct(_CLASSES[name], **arguments)


def _construct(term: Callable[..., Term], *args: Any, **arguments: Any) -> Term:
    try:
        return term(*args, **arguments)
    except TermError:
        raise
    except (TypeError, ValueError) as error:
        raise TermError(
            f"Expected arguments that make a {term.__name__}. Found {args or arguments!r:.200}: "
            f"{error}. Describe the term with lw.terms.describe."
        ) from None


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(is_number(item) for item in value)
    return value is None or isinstance(value, str | bool) or is_number(value)
