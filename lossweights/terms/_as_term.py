"""Everything that Keras accepts as a loss, as a term."""

import difflib
from typing import Any

import keras

from lossweights.base.errors import TermError
from lossweights.terms._foreign import BUILTINS, CustomLoss, KerasLoss, builtin_functions
from lossweights.terms.per_sample import PerSampleLoss, Term


def as_term(identifier: Any, name: str) -> Term:
    """The term that ``identifier`` stands for.

    Args:
        identifier: A term, a Keras loss by name, class, instance or function, a Keras loss of your
            own, or any function ``(y_true, y_pred) -> values`` with one value per sample or
            element.
        name: What the term is called in messages.

    Returns:
        The identifier itself if it is a term; otherwise a new term.

    Raises:
        TermError: It is none of those, such as a list of losses; or a class that needs arguments;
            or a `CombinedLoss`, which is a sum and not a term.

    >>> float(as_term("mse", "accuracy")([[1.0, 2.0]], [[1.0, 4.0]]))
    2.0
    """
    if isinstance(identifier, type) and issubclass(identifier, keras.losses.Loss):
        identifier = _instance(identifier, name)
    if isinstance(identifier, Term):
        return identifier
    if isinstance(identifier, PerSampleLoss):
        raise TermError(
            f"Expected the term {name!r} to be a single term. Found {_shown(identifier)}, which is "
            "a sum of terms with weights of its own: its share could not be told apart. "
            "Put its terms beside the others, each with its own weight."
        )
    if isinstance(identifier, keras.losses.Loss):
        if type(identifier) is BUILTINS.get(type(identifier).__name__):
            return KerasLoss.of(identifier, name)
        return CustomLoss(identifier, name=name)
    if isinstance(identifier, str):
        return KerasLoss(_class_name(identifier, name), name=name)
    if callable(identifier) and not isinstance(identifier, type):
        builtin = builtin_functions().get(identifier)
        return KerasLoss(builtin, name=name) if builtin else CustomLoss(identifier, name=name)
    raise TermError(
        f"Expected the term {name!r} to be a term of lw.terms, a Keras loss (name, class, instance "
        f"or function) or a function of y_true and y_pred. Found {_shown(identifier)}. "
        "Give every loss its own name: terms={'mse': 'mse', 'mae': 'mae'}."
    )


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
        raise TermError(
            f"Expected the term {name!r} to be the name of a Keras loss. Found {identifier!r}. "
            f"{f'Did you mean {close}? ' if close else ''}See https://keras.io/api/losses/."
        ) from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
