"""What a term costs a model that predicts a constant: by a formula, or by searching for it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from keras import ops
from numpy.typing import NDArray

from lossweights.base.errors import TermError, WeightError
from lossweights.loss._guesses import Guesses, guesses
from lossweights.loss._minimum import Minimum, find_minimum
from lossweights.loss._readings import LINKS, Reading, readings
from lossweights.terms import Term
from lossweights.terms.reduction import reduce_weighted
from lossweights.terms.summands import elements_known, values_of
from lossweights.terms.targets import Targets

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = Sequence[int | None]

_ELEMENTS = 1 << 20  # at a time: the constant predictions of a data set need not fit into memory
_LEAST_ROWS = 1024
# A search takes some hundred measurements. So it goes over some rows, and at its end over all.
_SEARCHED_ELEMENTS = 1 << 17
_FEWEST_SEARCHED, _MOST_SEARCHED = 8, 2048
_CANCELLED = 0.1  # of the size of a term: a mean below that is what its signs leave
_STEEP = 100.0  # times the magnitude for the mean, and below 0: too low for a minimum
_ROUNDING = 1e-6  # what a perfect prediction costs at most, where probabilities are kept off 0


def best_constant(term: Term, targets: Targets, output_shape: Shape | None) -> float:
    """What a term costs for the constant prediction that suits it best: its mean over the data.

    It is not finite if it is so for every constant. Where no constant is the best one, because
    ever larger ones cost less or nothing, it is what the mean of the targets costs.

    Args:
        term: The term, which is called ``targets.term`` in messages.
        targets: The targets.
        output_shape: Shape of the model's output, or ``None`` for that of the targets.

    Raises:
        TermError: The term has no constant prediction, cannot read it, or does not say how
            predictions are to be read.
    """
    _check_link(term, targets)
    known = term.best_constant(targets)
    if known is None:
        return _searched(term, targets, _prediction_shape(targets, output_shape))
    magnitude = value_of(term, targets, LINKS[term.link](known))
    perfect = magnitude < _ROUNDING and _are_alike(targets)
    return 0.0 if perfect else magnitude


def mean_prediction(term: Term, targets: Targets, output_shape: Shape | None) -> Array:
    """The mean of the targets as a term reads predictions, of the shape of one, ``(1, ...)``.

    Raises:
        TermError: As for `best_constant`.
    """
    _check_link(term, targets)
    shape = _prediction_shape(targets, output_shape)
    suggested = guesses(targets, shape, _how_many(targets, shape))
    constant = LINKS[term.link](suggested.natural)
    if term.link == "identity" and suggested.exclusive and term.best_constant(targets) is None:

        def cost(constant: Array) -> float:
            return value_of(term, targets, np.broadcast_to(constant, shape))

        reading = readings(term.link, suggested, suggested, cost)[-1]
        constant = reading.to(reading.naturals[0])
    return np.broadcast_to(constant, shape)


def _check_link(term: Term, targets: Targets) -> None:
    if term.link not in LINKS:
        raise TermError(
            f"Expected the term {targets.term!r} to have a link among {list(LINKS)}. "
            f"Found {term.link!r}. Leave it out where predictions are in the units of the targets."
        )


def _how_many(targets: Targets, shape: tuple[int, ...]) -> int:
    """How many numbers a constant prediction is made of: one a channel, or one for all."""
    last = len(shape) - 1
    together = last == 0 or last in {axis % len(shape) for axis in targets.axes}
    return 1 if together else shape[-1]


def _searched(term: Term, targets: Targets, shape: tuple[int, ...]) -> float:
    """The same, where no formula is known."""
    numbers = _how_many(targets, shape)
    rows = _representative(targets, shape)
    some = replace(targets, y=targets.y[rows], weight=_of_rows(targets.weight, rows))
    suggested = guesses(targets, shape, numbers), guesses(some, shape, numbers)
    natural = suggested[0].natural

    def magnitude(of: Targets, constant: Array) -> float:
        return value_of(term, of, np.broadcast_to(constant, shape))

    def lowest(reading: Reading) -> Minimum | None:
        starts = [*reading.naturals, *reading.others]
        return find_minimum(lambda x: magnitude(some, reading.to(x)), starts, reading.width)

    ways = readings(term.link, *suggested, lambda x: magnitude(some, x))
    searched = [(lowest(reading), reading) for reading in ways]
    minima = [(minimum, reading) for minimum, reading in searched if minimum is not None]
    if not minima:
        return np.nan
    usable = [each for each in minima if each[0].value > 0 and not each[0].endless]
    if usable and usable[0] is minima[0]:
        minimum, reading = min(usable, key=lambda each: each[0].value)
        constants = [minimum.at]
        if len(rows) < len(targets.y):  # rare classes may be too few among some rows
            constants += reading.naturals
        return _least(magnitude(targets, reading.to(each)) for each in constants)
    minimum, reading = minima[0]
    if not (minimum.endless or _is_pole(minimum, suggested[0], magnitude(some, natural))):
        return magnitude(targets, reading.to(minimum.at))
    return 0.0 if _are_alike(targets) else _uncancelled(term, targets, natural, shape)


def _uncancelled(term: Term, targets: Targets, natural: Array, shape: tuple[int, ...]) -> float:
    """What a term costs for a constant, if that is not what values above and below 0 leave.

    Raises:
        WeightError: It is, as for ``y_true - y_pred``, which no constant is the best one for.
    """
    constant = np.broadcast_to(natural, shape)
    mean = value_of(term, targets, constant)
    size = value_of(term, targets, constant, of=np.abs)
    if abs(mean) < _CANCELLED * size:
        raise WeightError(
            f"Expected a term that a best constant prediction has something to lose by. Found in "
            f"{targets.term!r} values above and below 0 that cancel: {mean:.3g} on average, "
            f"{size:.3g} in size. Square it or take its absolute value, or pass scales={{...}} "
            f"with a magnitude of each term that you would call large."
        )
    return mean


def _is_pole(minimum: Minimum, suggested: Guesses, natural: float) -> bool:
    """Whether a ratio has its pole there, at predictions that no model makes."""
    outside = not suggested.reach(minimum.at)
    return natural > 0 and outside and minimum.value < -_STEEP * natural


def _least(magnitudes: Iterable[float]) -> float:
    return min((m for m in magnitudes if np.isfinite(m)), default=np.nan)


def _are_alike(targets: Targets) -> bool:
    """Whether all samples that count have the same targets, so that a constant is perfect."""
    y = targets.read().y[_counted(targets)]
    return bool((y == y[:1]).all())


def value_of(
    term: Term, targets: Targets, constant: Array, of: Callable[[Array], Array] = np.asarray
) -> float:
    """The mean of a term, or of a function of it, for one prediction of shape ``(1, ...)``."""
    y, weight = targets.y, targets.weight
    with np.errstate(over="ignore"):  # a search may go as far as that
        constant = constant.astype(np.float32)
    elements = max(1, y[:1].size, constant.size)
    step = max(_LEAST_ROWS, _ELEMENTS // elements)
    total = counted = 0.0
    for start in range(0, len(y), step):
        rows = slice(start, start + step)
        y_pred = np.broadcast_to(constant, (len(y[rows]), *constant.shape[1:]))
        values = reduce_weighted(
            partial(values_of, targets.term, term),
            y[rows],
            y_pred,
            _of_rows(weight, rows),
            None,
            "float32",
        )
        part = float(np.sum(of(ops.convert_to_numpy(values)), dtype=np.float64))
        # Of targets that are known in part, the mean of the rows is one over what is known.
        known = elements_known({targets.term: term}, y[rows])[targets.term]
        count = len(y[rows]) if known is None else float(known)
        total += part / len(y[rows]) * count
        counted += count
    return total / counted if counted else np.nan


def sample_sizes(output_shape: Shape, y_shape: tuple[int, ...]) -> list[int | None]:
    """The sizes of one sample's prediction; those that are not known are those of its target."""
    known = [*y_shape, *[None] * len(output_shape)]
    return [known[i] if size is None else size for i, size in enumerate(output_shape)][1:]


def _prediction_shape(targets: Targets, output_shape: Shape | None) -> tuple[int, ...]:
    """The shape of one sample's prediction, ``(1, ...)``."""
    y = targets.y
    if output_shape is None:
        return (1, *targets.plain().shape[1:])
    sizes = sample_sizes(output_shape, y.shape)
    if None in sizes:
        raise TermError(
            f"Expected an output shape with known sizes for the term {targets.term!r}. Found "
            f"{tuple(output_shape)} for targets of shape {y.shape}. Pass output_shape= with "
            "the sizes of this data."
        )
    return (1, *(int(size) for size in sizes if size is not None))


def _representative(targets: Targets, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Rows that stand for all: evenly spread over the order of their means, extremes included."""
    y, counted = targets.y, _counted(targets)
    elements = max(1, y[:1].size, int(np.prod(shape)))
    most = int(np.clip(_SEARCHED_ELEMENTS // elements, _FEWEST_SEARCHED, _MOST_SEARCHED))
    if len(counted) <= most:
        return counted
    # Shuffled first, so that among equal means an order in time falls into step with nothing.
    shuffled = np.random.default_rng(0).permutation(counted)
    read = targets.read().y
    means = read.reshape(len(y), -1)[shuffled].mean(axis=1)
    in_order = shuffled[np.argsort(means, kind="stable")]
    return np.sort(in_order[np.linspace(0, len(in_order) - 1, most).round().astype(np.int64)])


def _counted(targets: Targets) -> NDArray[np.int64]:
    """The rows with a weight above 0."""
    y, weight = targets.y, targets.weight
    if weight is None or weight.ndim == 0:
        return np.arange(len(y))
    return np.flatnonzero(weight.reshape(len(y), -1).any(axis=1))


def _of_rows(weight: Array | None, rows: Any) -> Array | None:
    return weight if weight is None or weight.ndim == 0 else weight[rows]
