"""What the predictions of a term are: values, probabilities, or logarithms of some."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lossweights.loss._guesses import Guesses, log_odds, logarithms
from lossweights.terms.per_sample import Link

Array: TypeAlias = NDArray[Any]

_SAME, _SHIFT = 1e-4, 0.1  # how alike, and how far a shift, to tell logits from probabilities

# From rates to the predictions of a term, by its `Term.link`.
LINKS: Mapping[str, Callable[[Array], Array]] = {
    "identity": lambda constant: constant,
    "probability": lambda constant: np.clip(constant, 0.0, 1.0),
    "logit": log_odds,
    "softmax": logarithms,
}


@dataclass(frozen=True)
class Reading:
    """What the numbers that are searched for may mean.

    Attributes:
        to: From the numbers to a constant prediction.
        naturals: The numbers of what the targets suggest first.
        others: More to start from.
        width: How far each may be expected to move.
    """

    to: Callable[[Array], Array]
    naturals: Sequence[Array]
    others: Sequence[Array]
    width: Array


def readings(
    link: Link, from_all: Guesses, from_some: Guesses, cost: Callable[[Array], float]
) -> list[Reading]:
    """What the predictions of a term may be: values, or a distribution over classes.

    A loss on probabilities may have any value for what are none, such as negative ones. So where
    the targets are distributions, predictions are those, first of all. They are logarithms or
    log-odds if the term says so, or if it behaves so: logarithms count up to a constant, and
    no shift of the log-odds of the classes lowers a loss on them.
    """
    if not from_all.exclusive or link == "logit":
        to = LINKS["probability" if link == "probability" else "identity"]
        naturals = [from_all.natural, *from_all.linked]
        return [Reading(to, naturals, from_some.others, from_some.width)]
    odds, logs = log_odds(from_all.natural), logarithms(from_all.natural)
    start, even, one = [logs], [np.zeros_like(logs)], np.ones_like(logs)
    known = {
        "probability": Reading(_softmax, start, even, one),
        "softmax": Reading(_log_softmax, start, even, one),
        "logit": Reading(LINKS["identity"], [odds], even, one),
    }
    if link in known:
        return [known[link]]
    found = [known["probability"]]
    if math.isclose(cost(logs), cost(logs + 1.0), rel_tol=_SAME):
        found.append(known["softmax"])
    elif cost(odds) <= min(cost(odds + _SHIFT), cost(odds - _SHIFT)):
        found.append(known["logit"])
    return found


def _log_softmax(numbers: Array) -> Array:
    shifted = numbers - numbers.max()
    found: Array = shifted - np.log(np.sum(np.exp(shifted)))
    return found


def _softmax(numbers: Array) -> Array:
    return np.exp(_log_softmax(numbers))
