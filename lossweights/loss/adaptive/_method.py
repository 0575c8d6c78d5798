"""What methods of adaptive weighting have in common: state, sum, where there is no answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossweights.base.errors import TermError, WeightError
from lossweights.base.numbers import as_number
from lossweights.loss.weights import check_weights

Floats: TypeAlias = NDArray[np.float64]
Memory: TypeAlias = Mapping[str, Floats]

LEAST = 1e-8  # of the sum: a weight of 0 would switch its term off, and with it what it can tell


@dataclass(frozen=True)
class State:
    """Where a method stands in one training.

    Attributes:
        weights: The weights for the next epoch, by term.
        first: Those that the training was given, whose sum is kept.
        measured: Measurements so far.
        kept: Why the last measurement left the weights as they were, or ``None``.
        memory: What the method remembers: arrays by name, one value for each term that is on.
    """

    weights: Mapping[str, float]
    first: Mapping[str, float]
    measured: int = 0
    kept: str | None = None
    memory: Memory = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What a formula reads: all of the terms that are on, in one order.

    Attributes:
        names: Their names.
        magnitudes: Shape ``(terms,)``, finite.
        norms: Lengths of their gradients, shape ``(terms,)``, finite; empty if not asked for.
        weights: Those in force, of mean 1.
        first: Those that the training was given.
        measured: Measurements before this one; 0 is before the first epoch.
        memory: What the method remembered.
    """

    names: Sequence[str]
    magnitudes: Floats
    norms: Floats
    weights: Floats
    first: Floats
    measured: int
    memory: Memory


class Method(ABC):
    """Weighs the terms of a loss anew after each epoch.

    All methods begin with equal weights and keep the sum of those that they were given, so that a
    learning rate goes on meaning the same; where a paper's weights sum to the number of terms or to
    1, or to nothing in particular, they are multiplied by a factor. A term of weight 0 is off and
    stays off, whatever its magnitude. No other one falls below 1e-8 of the sum.

    The weights stay as they are where a formula has no answer: a magnitude or a gradient that is
    not finite (the measurement is forgotten), a ratio to a magnitude of 0 or below, a gradient of
    length 0. `State.kept` says so.

    Attributes:
        gradients: Of what gradients are needed: the trainable ``"parameters"``, the ``"output"``,
            or ``None``.
    """

    gradients: ClassVar[Literal["parameters", "output"] | None] = None

    @property
    def name(self) -> str:
        """What it is called in tables, such as ``"gradnorm"``."""
        return type(self).__name__.lower()

    @property
    def learns(self) -> bool:
        """Whether its weights are trained with the model, batch by batch, and not set by `step`.

        Who trains needs `lossweights.watch.learned` for that; `start` says what they begin with.
        """
        return False

    def start(self, weights: Mapping[str, float]) -> State:
        """The state before a training: equal weights, of the sum of those given.

        Args:
            weights: Weight of each term, 0 or above, not all 0; those of 0 stay off.

        Raises:
            WeightError: They are no weights.
        """
        first = check_weights(weights)
        on = [name for name, weight in first.items() if weight]
        mean = sum(first.values()) / len(on)
        return State({name: mean if weight else 0.0 for name, weight in first.items()}, first)

    def step(
        self, state: State, magnitudes: Mapping[str, float], gram: ArrayLike | None = None
    ) -> State:
        """The state after one more measurement, with the weights for the next epoch.

        Args:
            state: The state so far; it stays as it is.
            magnitudes: Unweighted magnitude of each term, in the units of the weights: divided by
                its scale if there are scales. The first ones are those before the first epoch.
            gram: Inner products of the terms' unweighted gradients, in the same units, in the order
                of ``state.weights``, shape ``(terms, terms)``. Needed if `gradients` says so.

        Raises:
            TermError: The magnitude of a term is missing, or the gradients are.
            WeightError: The method `learns`.
        """
        if self.learns:
            raise WeightError(
                f"Expected a method that sets weights by what was measured. Found {self!r}, which "
                f"trains them with the model. Use it in a sweep or in lw.adaptive.schedule(...)."
            )
        seen = self._seen(state, magnitudes, gram)
        gone = _not_finite(seen)
        if gone is not None:
            return replace(state, measured=state.measured + 1, kept=gone)
        with np.errstate(all="ignore"):  # what has no answer is not finite, and is told below
            found, memory = self.formula(seen)
        kept = dict(zip(seen.names, found.tolist(), strict=True))
        state = replace(state, measured=state.measured + 1, memory=memory, kept=None)
        if not (np.all(np.isfinite(found)) and found.min() >= 0 and found.sum() > 0):
            return replace(state, kept=_reason(seen, kept))
        parts = np.maximum(found / found.sum(), LEAST)
        new = float(sum(state.first.values())) * parts / parts.sum()
        on = dict(zip(seen.names, new.tolist(), strict=True))
        return replace(state, weights={name: on.get(name, 0.0) for name in state.weights})

    @abstractmethod
    def formula(self, seen: Seen) -> tuple[Floats, Memory]:
        """The next weights up to a factor, and what to remember.

        Returns:
            Weights of shape ``(terms,)``, not finite where there is no answer; and the memory.
        """

    def _seen(self, state: State, magnitudes: Mapping[str, float], gram: ArrayLike | None) -> Seen:
        missing = [name for name in state.weights if name not in magnitudes]
        if missing:
            raise TermError(
                f"Expected a magnitude of each of the terms {list(state.weights)}. Found none of "
                f"{missing}. Measure them all; those of weight 0 may be anything."
            )
        on = [i for i, weight in enumerate(state.first.values()) if weight]
        names = [list(state.weights)[i] for i in on]
        norms = np.zeros(0)
        if self.gradients is not None:
            if gram is None:
                raise TermError(
                    f"Expected the gradients of the terms at the {self.gradients}, which "
                    f"{type(self).__name__} weighs by. Found none. Pass their Gram matrix."
                )
            norms = np.sqrt(np.maximum(np.diagonal(np.asarray(gram, np.float64))[on], 0.0))
        weights = np.array([state.weights[name] for name in names])
        return Seen(
            names=names,
            magnitudes=np.array([magnitudes[name] for name in names], dtype=np.float64),
            norms=norms,
            weights=weights / weights.mean(),
            first=np.array([state.first[name] for name in names]),
            measured=state.measured,
            memory=state.memory,
        )


def _not_finite(seen: Seen) -> str | None:
    """What of a measurement is not finite, or ``None``."""
    for what, values in (("magnitude", seen.magnitudes), ("gradient", seen.norms)):
        for name, value in zip(seen.names, values.tolist(), strict=False):
            if not np.isfinite(value):
                return f"the {what} of {name} is not finite"
    return None


def _reason(seen: Seen, found: Mapping[str, float]) -> str:
    """Why a formula has no answer: the first term for which it has none."""
    still = [name for name, norm in zip(seen.names, seen.norms.tolist(), strict=False) if not norm]
    if still:
        return f"the gradient of {still[0]} is 0"
    low = [n for n, value in zip(seen.names, seen.magnitudes.tolist(), strict=True) if value <= 0]
    if low:
        return f"the magnitude of {low[0]} is not above 0"
    gone = [name for name, value in found.items() if not np.isfinite(value)]
    return f"the formula has no answer for {', '.join(gone) or 'these magnitudes'}"


def ratios(now: Floats, before: Floats) -> Floats:
    """Each magnitude over an earlier one; NaN unless that was above 0 and this is not below.

    Of negative magnitudes a ratio would say the opposite of what it is read as: from -1 to -2 is
    a fall, and the ratio is above 1.
    """
    return np.where((before > 0) & (now >= 0), now / before, np.nan)


def softmax(values: Floats) -> Floats:
    """Exponentials over their sum, which cannot overflow.

    >>> softmax(np.log([1.0, 3.0])).round(6).tolist()
    [0.25, 0.75]
    """
    raised = np.exp(values - values.max())
    return raised / raised.sum()


def check_number(what: str, value: object, low: float, high: float, *, open_low: bool) -> None:
    """Refuse an argument of a method that is not within bounds.

    Raises:
        WeightError: It is no number, or out of bounds.
    """
    number = as_number(value)
    if not (low <= number <= high) or (open_low and number == low) or not np.isfinite(number):
        above = "above" if open_low else "of at least"
        most = "" if high == np.inf else f" and at most {high:g}"
        raise WeightError(
            f"Expected {what} as a finite number {above} {low:g}{most}. Found {value!r}. Leave it "
            f"out for the usual one."
        )
