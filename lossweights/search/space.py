"""The search space: from which distribution the weight of each term is sampled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from lossweights.base.errors import SpaceError
from lossweights.base.names import check_name
from lossweights.base.numbers import as_number
from lossweights.loss.weights import FLOAT32_MAX, FLOAT32_TINY, check_weights
from lossweights.search._sticks import coordinates_of, shares_at

# The simplex maps u in (0, 1) to -log(u): the ends would give an infinite and a zero weight.
_EDGE = 1e-9
# Of a simplex' total: what its lightest term has left at such an edge, with terms by the hundred.
_LEAST_SHARE = 1e-13


@dataclass(frozen=True)
class Fixed:
    """A weight that is not searched, such as the anchor that the others are measured against.

    >>> Fixed(1.0)
    Fixed(value=1.0)
    """

    value: float

    def __post_init__(self) -> None:
        value = as_number(self.value)
        if not 0.0 <= value <= FLOAT32_MAX:
            raise SpaceError(f"Expected a finite value of at least 0. Found Fixed({self.value!r}).")
        _refuse_tiny(self, value)
        object.__setattr__(self, "value", value)


@dataclass(frozen=True)
class Uniform:
    """A weight spread evenly between two bounds.

    >>> Uniform(0.0, 2.0).at(0.25)
    0.5
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_bounds(self, lowest=0.0)

    def at(self, unit: float) -> float:
        """The weight at a unit coordinate in [0, 1]."""
        return _between(self, (1.0 - unit) * self.low + unit * self.high)


@dataclass(frozen=True)
class LogUniform:
    """A weight spread evenly in its logarithm: each factor of ten is as likely as the next.

    >>> round(LogUniform(1e-2, 1e2).at(0.5), 12)
    1.0
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_bounds(self, lowest=math.ulp(0.0))

    def at(self, unit: float) -> float:
        """The weight at a unit coordinate in [0, 1]."""
        return _between(self, self.low ** (1.0 - unit) * self.high**unit)


@dataclass(frozen=True)
class Simplex:
    """Weights of all terms together, evenly over all ways to share out a total.

    Each term has a coordinate u in (0, 1); its weight is in proportion to -log(u), which makes
    the shares a flat Dirichlet distribution (Devroye, Non-Uniform Random Variate Generation,
    1986, chapter XI.4).

    >>> Space(["mse", "under"], Simplex(total=2.0)).weights({"mse": 0.5, "under": 0.5})
    {'mse': 1.0, 'under': 1.0}
    """

    total: float = 1.0

    def __post_init__(self) -> None:
        total = as_number(self.total)
        if not 0.0 < total <= FLOAT32_MAX:
            raise SpaceError(f"Expected a finite total above 0. Found Simplex({self.total!r}).")
        _refuse_tiny(self, _LEAST_SHARE * total)
        object.__setattr__(self, "total", total)


Distribution: TypeAlias = Fixed | Uniform | LogUniform
SpaceLike: TypeAlias = Mapping[str, Distribution | float] | Simplex


class Space:
    """The distribution over weight sets: one distribution a term, or one simplex for all.

    Args:
        names: Names of the terms, in the order of the loss.
        spec: A distribution for each name (a plain number means `Fixed`), or a `Simplex`.

    Raises:
        SpaceError: The names do not match, nothing is searched, or every weight is fixed at 0.

    >>> space = Space(["mse", "under"], {"mse": Fixed(1.0), "under": LogUniform(1e-2, 1e2)})
    >>> space.weights({"under": 0.5})
    {'mse': 1.0, 'under': 0.5}
    """

    def __init__(self, names: Sequence[str], spec: SpaceLike) -> None:
        self.names = tuple(check_name(name, "term") for name in names)
        self.simplex = spec if isinstance(spec, Simplex) else None
        if self.simplex is not None and len(self.names) < 2:
            raise SpaceError(
                f"Expected at least two terms to share a total. Found {list(self.names)}. "
                f"Add a term, or train the one with model.fit."
            )
        self._parts: dict[str, Distribution] = (
            {name: Uniform(_EDGE, 1.0 - _EDGE) for name in self.names}
            if isinstance(spec, Simplex)
            else _checked_parts(self.names, spec)
        )

    @property
    def parameters(self) -> dict[str, Uniform | LogUniform]:
        """What is sampled: a distribution of one number for each term that is not fixed."""
        return {k: v for k, v in self._parts.items() if not isinstance(v, Fixed)}

    @property
    def switched_off(self) -> list[str]:
        """The terms that have the weight 0 in every trial."""
        return [k for k, v in self._parts.items() if isinstance(v, Fixed) and v.value == 0]

    def weights(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """The weights at sampled parameter values, in the order of the terms.

        Raises:
            SpaceError: A parameter is missing or unknown.
            WeightError: The weights do not make a loss.
        """
        if set(parameters) != set(self.parameters):
            raise SpaceError(
                f"Expected values for the parameters {list(self.parameters)}. "
                f"Found {list(parameters)}."
            )
        values = {
            name: part.value if isinstance(part, Fixed) else float(parameters[name])
            for name, part in self._parts.items()
        }
        if self.simplex is not None:
            sticks = {name: -math.log(value) for name, value in values.items()}
            whole = sum(sticks.values())
            values = {name: self.simplex.total * s / whole for name, s in sticks.items()}
        # A range that begins at 0 has points that no other weight of float32 is nearer to than 0.
        held = {name: 0.0 if v < FLOAT32_TINY else v for name, v in values.items()}
        return check_weights(held, self.names)

    def parameters_of(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Parameter values that give these weights, or on a simplex the same proportions.

        Raises:
            SpaceError: A weight is outside its bounds, or differs from its fixed value.
        """
        checked = check_weights(weights, self.names)
        if self.simplex is not None:
            whole = sum(checked.values())
            return {
                name: min(max(math.exp(-weight / whole), _EDGE), 1.0 - _EDGE)
                for name, weight in checked.items()
            }
        for name, part in self._parts.items():
            low, high = (part.value, part.value) if isinstance(part, Fixed) else (
                part.low, part.high
            )  # fmt: skip
            if not low <= checked[name] <= high:
                raise SpaceError(
                    f"Expected a weight of {name!r} inside {part}. Found {checked[name]}. "
                    f"Widen the space, or change the weight."
                )
        return {name: checked[name] for name in self.parameters}

    @property
    def coordinates(self) -> dict[str, Uniform | LogUniform]:
        """What samplers search: the parameters, or on a simplex one coordinate fewer than terms.

        >>> list(Space(["mse", "under", "boundary"], Simplex()).coordinates)
        ['mse', 'under']
        """
        if self.simplex is None:
            return self.parameters
        return dict.fromkeys(self.names[:-1], Uniform(0.0, 1.0))

    def parameters_at(self, coordinates: Mapping[str, float]) -> dict[str, float]:
        """Parameter values at coordinates; on a simplex the shares are even where these are."""
        if self.simplex is None:
            return {name: float(coordinates[name]) for name in self.parameters}
        shares = shares_at([float(coordinates[name]) for name in self.coordinates])
        held = {name: max(s, _EDGE) for name, s in zip(self.names, shares, strict=True)}
        return self.parameters_of(held)

    def coordinates_of(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """The coordinates of parameter values."""
        if self.simplex is None:
            return dict(parameters)
        sticks = [-math.log(parameters[name]) for name in self.names]
        return dict(zip(self.coordinates, coordinates_of(sticks), strict=True))

    def at(self, unit: Mapping[str, float]) -> dict[str, float]:
        """Parameter values at unit coordinates in [0, 1], one for each parameter."""
        return {name: part.at(unit[name]) for name, part in self.parameters.items()}

    def check_scales(self, scales: Mapping[str, float]) -> None:
        """Refuse a space whose weights float32 does not hold once they are divided by ``scales``.

        Raises:
            SpaceError: Names the term, its distribution and its scale.
        """
        for name in self.names:
            part, scale = self.simplex or self._parts[name], scales[name]
            held = [weight / scale for weight in _ends(part) if weight > 0]
            if not all(FLOAT32_TINY <= weight <= FLOAT32_MAX for weight in held):
                raise SpaceError(
                    f"Expected weights of {name!r} from {FLOAT32_TINY:.3g} to {FLOAT32_MAX:.3g}, "
                    f"or 0, after division by their scale. Found {part} and the scale {scale:.3g}. "
                    f"Move the bounds, rescale the data, or pass scales={{...}}."
                )

    def describe(self) -> dict[str, Any]:
        """The space as plain JSON values, for manifests and comparisons."""
        if self.simplex is not None:
            return {"simplex": {"total": self.simplex.total, "terms": list(self.names)}}
        return {
            name: {"kind": type(part).__name__, **{k: float(v) for k, v in vars(part).items()}}
            for name, part in self._parts.items()
        }


def _checked_parts(names: Sequence[str], spec: object) -> dict[str, Distribution]:
    if not isinstance(spec, Mapping) or set(spec) != set(names):
        found = list(spec) if isinstance(spec, Mapping) else repr(spec)
        raise SpaceError(
            f"Expected a distribution for each of the terms {list(names)}, or a Simplex. "
            f"Found {found}. Write space={{{names[0]!r}: Fixed(1.0), ...}}."
        )
    parts: dict[str, Distribution] = {}
    for name in names:
        part = spec[name] if math.isnan(as_number(spec[name])) else Fixed(spec[name])
        if not isinstance(part, Fixed | Uniform | LogUniform):
            raise SpaceError(
                f"Expected Fixed, Uniform, LogUniform or a number for the term {name!r}. "
                f"Found {part!r}. A Simplex is given once, as the whole space."
            )
        parts[name] = part
    if all(isinstance(part, Fixed) for part in parts.values()):
        raise SpaceError(
            f"Expected at least one weight to search. Found all fixed: {parts}. "
            f"To train one weight set, use CombinedLoss with model.fit."
        )
    return parts


def _check_bounds(part: Uniform | LogUniform, lowest: float) -> None:
    low, high = as_number(part.low), as_number(part.high)
    if not lowest <= low < high <= FLOAT32_MAX:
        bound = "above 0" if lowest else "at least 0"
        raise SpaceError(f"Expected finite bounds {bound} with low < high. Found {part!r}.")
    _refuse_tiny(part, low, high)
    object.__setattr__(part, "low", low)
    object.__setattr__(part, "high", high)


def _ends(part: Distribution | Simplex) -> tuple[float, ...]:
    """The least and the greatest weight of a distribution."""
    if isinstance(part, Simplex):
        return (_LEAST_SHARE * part.total, part.total)
    return (part.value,) if isinstance(part, Fixed) else (part.low, part.high)


def _refuse_tiny(part: object, *weights: float) -> None:
    """Refuse what gives weights other than 0 that float32 takes for 0."""
    if any(0.0 < weight < FLOAT32_TINY for weight in weights):
        raise SpaceError(
            f"Expected weights that are 0 or at least {FLOAT32_TINY:.3g}. Found {part!r}: in "
            f"float32, in which losses are computed, smaller ones count as 0: the term is off. "
            f"Narrow the space, or multiply all weights in it by a common factor."
        )


def _between(part: Uniform | LogUniform, weight: float) -> float:
    """The weight, put back inside the bounds if rounding led out of them."""
    return min(max(weight, part.low), part.high)
