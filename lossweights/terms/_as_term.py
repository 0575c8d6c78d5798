"""Everything that Keras accepts as a loss, as a term."""

import difflib
from collections.abc import Iterator
from typing import Any

import keras

from lossweights.base.errors import TermError
from lossweights.base.sampled import Sampled
from lossweights.terms._foreign import (
    BUILTINS,
    CustomLoss,
    KerasLoss,
    builtin_functions,
    keras_term,
    keras_term_of,
    refuse_batch_scalar,
)
from lossweights.terms.per_sample import PerSampleLoss, Term

_ROOM = __name__.rpartition(".")[0]
# Reductions that leave each sample its value, or its part in their mean: a term's own.
_OF_SAMPLES = (None, "none", "mean", "sum_over_batch_size")


def as_term(identifier: Any, name: str) -> Term:
    """The term that ``identifier`` stands for.

    Args:
        identifier: A term, a Keras loss by name, class, instance or function, a Keras loss of your
            own, or anything that can be called as ``(y_true, y_pred) -> values``, with one value
            per sample or element.
        name: What the term is called in messages.

    Returns:
        The identifier itself if it is a term; otherwise a new term.

    Raises:
        TermError: It is none of those, such as a list of losses; or a class that needs arguments;
            or has one number for the whole batch; or reduces the batch in a way of its own; or is a
            `CombinedLoss`, which is a sum and not a term.

    >>> float(as_term("mse", "accuracy")([[1.0, 2.0]], [[1.0, 4.0]]))
    2.0
    """
    if isinstance(identifier, Sampled):
        raise TermError(
            f"Expected the term {name!r} with the arguments that it has. Found "
            f"{_shown(identifier)}, of which a sweep samples something. Give it to lw.Sweep, or "
            f"say a number."
        )
    if isinstance(identifier, type) and issubclass(identifier, keras.losses.Loss):
        identifier = _instance(identifier, name)
    if isinstance(identifier, PerSampleLoss) and not isinstance(identifier, Term):
        raise TermError(
            f"Expected the term {name!r} to be a single term. Found {_shown(identifier)}, which is "
            "a sum of terms with weights of its own: its share could not be told apart. "
            "Put its terms beside the others, each with its own weight."
        )
    if isinstance(identifier, keras.losses.Loss):
        _refuse_reduction(identifier, name)
    if isinstance(identifier, KerasLoss):
        refuse_batch_scalar(identifier.loss, identifier.arguments, name)
    if isinstance(identifier, Term):
        return identifier
    if isinstance(identifier, keras.losses.Loss):
        if type(identifier) is BUILTINS.get(type(identifier).__name__):
            return keras_term_of(identifier, name)
        return CustomLoss(identifier, name=name)
    if isinstance(identifier, str):
        return keras_term(_class_name(identifier, name), name=name)
    if callable(identifier) and not isinstance(identifier, type):
        builtin = _builtin_of(identifier)
        return keras_term(builtin, name=name) if builtin else CustomLoss(identifier, name=name)
    raise TermError(
        f"Expected the term {name!r} to be a term of lw.terms, a Keras loss (name, class, instance "
        f"or function) or a function of y_true and y_pred. Found {_shown(identifier)}. "
        "Give every loss its own name: terms={'mse': 'mse', 'mae': 'mae'}."
    )


def _refuse_reduction(loss: keras.losses.Loss, name: str) -> None:
    """Refuse a loss that would count otherwise than it says: a term has a value per sample."""
    if loss.reduction in _OF_SAMPLES:
        return
    raise TermError(
        f"Expected the term {name!r} to leave the batch to the loss that it is part of. Found "
        f"{type(loss).__name__} with reduction={loss.reduction!r}, which a term cannot keep: it is "
        f"the mean of each sample. Make it without `reduction`. To sum over samples write "
        f"CombinedLoss(..., reduction={loss.reduction!r}); to sum over the elements of a sample, "
        f"multiply the term's weight by their number."
    )


def _builtin_of(function: Any) -> str | None:
    """The class of Keras that a function of Keras belongs to; functions may not be hashable."""
    found = (loss for known, loss in builtin_functions().items() if known is function)
    return next(found, None)


def _instance(loss: type[keras.losses.Loss], name: str) -> keras.losses.Loss:
    try:
        return loss()
    except TypeError as error:
        raise TermError(
            f"Expected the term {name!r} to be a class that needs no arguments. "
            f"Found {loss.__name__}: {error}. Pass an instance: {loss.__name__}(...)."
        ) from None


def _class_name(identifier: str, name: str) -> str:
    """The class of ``keras.losses`` that a name such as ``"mse"`` stands for."""
    classes = {function.__name__: loss for function, loss in builtin_functions().items()}
    classes |= {loss: loss for loss in BUILTINS}
    if identifier in classes:
        return classes[identifier]
    try:
        return builtin_functions()[keras.losses.get(identifier)]  # "mse" and other short names
    except (KeyError, ValueError):
        known = [*classes, "mse", "mae", "bce", "kld", "mape", "msle"]
        close = difflib.get_close_matches(identifier, known, n=3, cutoff=0.4)
        said = f"Did you mean {close}? " if close else ""
        raise TermError(
            f"Expected the term {name!r} to be the name of a Keras loss. Found {identifier!r}. "
            f"{_ours(identifier)}{said}See https://keras.io/api/losses/."
        ) from None


def _ours(identifier: str) -> str:
    """What is ours under the name that was looked for among Keras' losses."""
    looked_for = identifier.lower().replace("_", "").replace(" ", "").removesuffix("loss")
    if looked_for in ("boundary", "kervadec"):
        return (
            "The boundary loss of the literature (Kervadec et al.) is lw.terms.DistanceBoundary(), "
            "on targets from lw.terms.with_distance_map; lw.terms.Boundary(axes=...) is gradient "
            "matching, another loss. "
        )
    own = [name for name in _names_below(Term) if name.lower() == looked_for]
    return f"A term of lossweights is given as lw.terms.{own[0]}(...). " if own else ""


def _names_below(term: Any) -> Iterator[str]:
    """The classes of lossweights below a class of terms, those with a name of their own."""
    for below in term.__subclasses__():
        if below.default_name is not None and below.__module__.startswith(_ROOM):
            yield below.__name__
        yield from _names_below(below)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
