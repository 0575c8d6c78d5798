"""The search space: from which distribution the weight of each term is sampled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from lossweights.base.errors import SpaceError
from lossweights.base.names import check_name
from lossweights.base.numbers import as_number
from lossweights.base.sampled import RAMP, Value
from lossweights.loss.weights import FLOAT32_MAX, FLOAT32_TINY, check_weights
from lossweights.search._sticks import coordinates_of, shares_at
from lossweights.search.choices import NO_CHOICES, ON, Choices, OneOf, described, switches
from lossweights.search.distributions import (
    LEAST_SHARE,
    Fixed,
    LogUniform,
    Numbers,
    Off,
    Ramp,
    Simplex,
    Uniform,
)

__all__ = ["Fixed", "LogUniform", "Off", "Ramp", "Simplex", "Space", "SpaceLike", "Uniform"]

# The simplex maps u in (0, 1) to -log(u): the ends would give an infinite and a zero weight.
_EDGE = 1e-9

Distribution: TypeAlias = Fixed | Uniform | LogUniform
SpaceLike: TypeAlias = Mapping[str, Distribution | Off | Ramp | float] | Simplex


class Space:
    """The distribution over weight sets: one distribution a term, or one simplex for all.

    Args:
        names: Names of the terms, in the order of the loss.
        spec: A distribution for each name (a plain number means `Fixed`), or a `Simplex`.
        beside: What is chosen beside weights: numbers of the optimizer, of terms, ...

    Attributes:
        choices: What is chosen beside the weights: whether terms are on, and ``beside``.
        ramps: How weights change over the epochs, by term; those of others stay.

    Raises:
        SpaceError: The names do not match, nothing is searched, or every weight is fixed at 0.

    >>> space = Space(["mse", "under"], {"mse": Fixed(1.0), "under": LogUniform(1e-2, 1e2)})
    >>> space.weights({"under": 0.5})
    {'mse': 1.0, 'under': 0.5}
    """

    def __init__(self, names: Sequence[str], spec: SpaceLike, beside: Choices = NO_CHOICES) -> None:
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
        given = {} if isinstance(spec, Simplex) else spec
        self.ramps = {n: part for n in self.names if isinstance(part := given.get(n), Ramp)}
        optional = [name for name in self.names if _is_off(given.get(name))]
        self.choices = switches(optional).with_others(beside)

    @property
    def parameters(self) -> dict[str, Numbers]:
        """What weights are sampled from: a distribution of a number for each that is not fixed."""
        return {k: v for k, v in self._parts.items() if not isinstance(v, Fixed)}

    @property
    def sampled(self) -> dict[str, Numbers | OneOf]:
        """All that is sampled: the `parameters`, and what is chosen beside them."""
        return {**self.parameters, **self.choices.parts}

    def chosen(self, parameters: Mapping[str, Value]) -> dict[str, Value]:
        """What training reads of the parameters beside weights; the usual values by default."""
        return {
            name: parameters.get(name, usual)
            for name, usual in self.choices.usual.items()
            if not name.startswith(ON)
        }

    @property
    def switched_off(self) -> list[str]:
        """The terms that have the weight 0 in every trial."""
        return [k for k, v in self._parts.items() if isinstance(v, Fixed) and v.value == 0]

    def weights(self, parameters: Mapping[str, Value]) -> dict[str, float]:
        """The weights at sampled parameter values, in the order of the terms.

        Args:
            parameters: All of them; what is chosen beside weights has its usual value by default.

        Raises:
            SpaceError: A parameter is missing or unknown.
            WeightError: The weights do not make a loss.
        """
        choices = self.choices.usual
        if set(parameters) - set(choices) != set(self.parameters):
            raise SpaceError(
                f"Expected values for the parameters {list(self.sampled)}. "
                f"Found {list(parameters)}."
            )
        off = [name for name in self.names if self.choices.is_off(name, parameters)]
        values = {
            name: part.value if isinstance(part, Fixed) else float(parameters[name])
            for name, part in self._parts.items()
        }
        values.update(dict.fromkeys(off, 0.0))
        if self.simplex is not None:
            sticks = {name: -math.log(value) for name, value in values.items()}
            whole = sum(sticks.values())
            values = {name: self.simplex.total * s / whole for name, s in sticks.items()}
        # A range that begins at 0 has points that no other weight of float32 is nearer to than 0.
        held = {name: 0.0 if v < FLOAT32_TINY else v for name, v in values.items()}
        return check_weights(held, self.names)

    def parameters_of(self, weights: Mapping[str, float]) -> dict[str, Value]:
        """Parameter values that give these weights, or on a simplex the same proportions.

        What is chosen beside weights has its usual value.

        Raises:
            SpaceError: A weight is outside its bounds, or differs from its fixed value.
        """
        checked = check_weights(weights, self.names)
        if self.simplex is not None:
            whole = sum(checked.values())
            found = {
                name: min(max(math.exp(-weight / whole), _EDGE), 1.0 - _EDGE)
                for name, weight in checked.items()
            }
            return {**found, **self.choices.usual}
        off = [name for name in self.choices.optional if not checked[name]]
        for name in off:
            held = self.parameters[name]
            checked[name] = min(max(1.0, held.low), held.high)  # which says nothing
        for name, part in self._parts.items():
            low, high = (part.value, part.value) if isinstance(part, Fixed) else (
                part.low, part.high
            )  # fmt: skip
            if not low <= checked[name] <= high:
                raise SpaceError(
                    f"Expected a weight of {name!r} inside {part}. Found {checked[name]}. "
                    f"Widen the space, or change the weight."
                )
        numbers = {name: checked[name] for name in self.parameters}
        return {**numbers, **self.choices.usual, **self.choices.switched_off(off)}

    @property
    def coordinates(self) -> dict[str, Numbers | OneOf]:
        """What samplers search: what is `sampled`, on a simplex a coordinate fewer than terms.

        >>> list(Space(["mse", "under", "boundary"], Simplex()).coordinates)
        ['mse', 'under']
        """
        if self.simplex is None:
            return self.sampled
        return {**dict.fromkeys(self.names[:-1], Uniform(0.0, 1.0)), **self.choices.parts}

    def parameters_at(self, coordinates: Mapping[str, Value]) -> dict[str, Value]:
        """Parameter values at coordinates; on a simplex the shares are even where these are."""
        chosen = {name: coordinates[name] for name in self.choices.parts}
        if self.simplex is None:
            return {**{name: float(coordinates[name]) for name in self.parameters}, **chosen}
        shares = shares_at([float(coordinates[name]) for name in self.names[:-1]])
        held = {name: max(s, _EDGE) for name, s in zip(self.names, shares, strict=True)}
        return {**self.parameters_of(held), **chosen}

    def coordinates_of(self, parameters: Mapping[str, Value]) -> dict[str, Value]:
        """The coordinates of parameter values."""
        if self.simplex is None:
            return dict(parameters)
        sticks = [-math.log(float(parameters[name])) for name in self.names]
        chosen = {name: parameters[name] for name in self.choices.parts}
        return {**dict(zip(self.names[:-1], coordinates_of(sticks), strict=True)), **chosen}

    def at(self, unit: Mapping[str, float]) -> dict[str, Value]:
        """Parameter values at unit coordinates in [0, 1], one for each weight's parameter.

        What is chosen beside weights has its usual value.
        """
        found = {name: part.at(unit[name]) for name, part in self.parameters.items()}
        return {**found, **self.choices.usual}

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
        ramps = {f"{RAMP}{name}": ramp.describe() for name, ramp in self.ramps.items()}
        beside = {**self.choices.describe(), **ramps}
        if self.simplex is not None:
            return {"simplex": {"total": self.simplex.total, "terms": list(self.names)}, **beside}
        return {**{name: described(part) for name, part in self._parts.items()}, **beside}


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
        part = part.weight if isinstance(part, Ramp) else part
        part = part.weight if isinstance(part, Off) else part
        if not isinstance(part, Fixed | Uniform | LogUniform):
            raise SpaceError(
                f"Expected Fixed, Uniform, LogUniform, Off, Ramp or a number for the term "
                f"{name!r}. Found {part!r}. A Simplex is given once, as the whole space."
            )
        parts[name] = part
    if not any(_is_always_on(spec[name]) for name in names):
        raise SpaceError(
            f"Expected a term that is always on, as all at 0 make no loss. Found {dict(spec)}. "
            f"Give one of them no lw.Off, and no lw.Ramp that begins with 0."
        )
    if all(isinstance(part, Fixed) for part in parts.values()):
        raise SpaceError(
            f"Expected at least one weight to search. Found all fixed: {parts}. "
            f"To train one weight set, use CombinedLoss with model.fit."
        )
    return parts


def _ends(part: Distribution | Simplex) -> tuple[float, ...]:
    """The least and the greatest weight of a distribution."""
    if isinstance(part, Simplex):
        return (LEAST_SHARE * part.total, part.total)
    return (part.value,) if isinstance(part, Fixed) else (part.low, part.high)


def _is_off(part: object) -> bool:
    return isinstance(part.weight if isinstance(part, Ramp) else part, Off)


def _is_always_on(part: object) -> bool:
    if isinstance(part, Ramp):
        return part.start > 0 and _is_always_on(part.weight)
    fixed = part.value if isinstance(part, Fixed) else as_number(part)
    return not _is_off(part) and fixed != 0
