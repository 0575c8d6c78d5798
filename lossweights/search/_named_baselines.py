"""What a baseline is, and which weights the name of one stands for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lossweights.base.errors import RecipeError
from lossweights.loss.adaptive import (
    DWA,
    EnCodec,
    GradNorm,
    Method,
    ReLoBRaLo,
    SoftAdapt,
    Uncertainty,
)
from lossweights.search.space import Space
from lossweights.search.start import equal_weights

TODAY, EQUAL, INVERSE, WITHOUT, ONLY = "today", "equal", "inverse", "without", "only"
ALL, DEFAULT, NONE = "all", "default", "none"
METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Uncertainty(),
        Uncertainty(learned=True),
        DWA(),
        SoftAdapt(),
        ReLoBRaLo(),
        GradNorm(),
        EnCodec(),
    )
}
# Of one method ``"all"`` has one form: the other costs every confirmation as much again.
ALL_METHODS = [name for name, method in METHODS.items() if not method.learns]


@dataclass(frozen=True)
class Baseline:
    """What a sweep has to beat: fixed weights, or a method that moves them.

    Attributes:
        name: What it is called everywhere, such as ``"without:under"``.
        weights: Relative weights, 0 or above; with a method those that it begins with, for
            ``inverse`` equal ones, whose sum it keeps.
        method: What moves them, or ``None``.
    """

    name: str
    weights: Mapping[str, float]
    method: Method | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether its weights are known before anything is trained, and stay."""
        return self.method is None and self.name != INVERSE

    @property
    def rank(self) -> int:
        """Its place among others: what is simplest first."""
        kind = self.name.partition(":")[0]
        if self.method is not None:
            return 5
        order = (EQUAL, INVERSE, WITHOUT, ONLY)
        return 1 + order.index(kind) if kind in order else 0  # today's weights


def terms_on(space: Space) -> list[str]:
    """The terms that any trial has switched on."""
    return [name for name in space.names if name not in space.switched_off]


def equal(space: Space, on: Collection[str] | None = None) -> dict[str, float]:
    """Equal weights of some terms, and 0 of the others.

    Their size is that at which all terms have equal weights inside the space, the one nearest to 1;
    where there is none, the mean of the fixed weights, or 1. What is left out leaves the other
    weights as they are, except on a simplex, whose total the others share.

    Args:
        space: The search space.
        on: The terms; by default all that any trial has switched on.

    >>> from lossweights.search.space import Fixed, LogUniform, Simplex
    >>> equal(Space(["mse", "under"], {"mse": Fixed(2.0), "under": LogUniform(0.1, 10)}), ["mse"])
    {'mse': 2.0, 'under': 0.0}
    >>> equal(Space(["mse", "under"], Simplex(total=3.0)))
    {'mse': 1.5, 'under': 1.5}
    """
    on = terms_on(space) if on is None else on
    level = space.simplex.total / len(on) if space.simplex is not None else _level(space)
    return {name: level if name in on else 0.0 for name in space.names}


def _level(space: Space) -> float:
    parts, weights = space.parameters, space.weights(equal_weights(space))
    fixed = [weights[name] for name in terms_on(space) if name not in parts]
    low = max([*fixed, *(part.low for part in parts.values())])
    high = min([*fixed, *(part.high for part in parts.values())])
    if low <= high:
        return min(max(1.0, low), high)
    return sum(fixed) / len(fixed) if fixed else 1.0


def group(name: str, space: Space) -> list[str]:
    """The names that ``"all"`` or ``"default"`` stand for.

    By default one method is among them that needs no gradients: the one with the most followers,
    no numbers to set and nothing at random.
    """
    on = terms_on(space)
    if len(on) < 2:  # nothing to weigh against each other
        return [EQUAL]
    left_out = [f"{WITHOUT}:{term}" for term in on]
    if name == DEFAULT:
        return [EQUAL, *left_out, "uncertainty"]
    return [EQUAL, INVERSE, *left_out, *(f"{ONLY}:{term}" for term in on), *ALL_METHODS]


def named(name: str, space: Space) -> Baseline:
    """The baseline of a name.

    Raises:
        RecipeError: There is none; the message lists those there are.
    """
    if name in (EQUAL, INVERSE):
        return Baseline(name, equal(space))
    if name in METHODS:
        return Baseline(name, equal(space), METHODS[name])
    kind, _, term = name.partition(":")
    on = terms_on(space)
    if kind == ONLY and term in on:
        return Baseline(name, equal(space, [term]))
    if kind == WITHOUT and term in on and len(on) > 1:
        return Baseline(name, equal(space, [other for other in on if other != term]))
    raise RecipeError(f"{expected(space)} Found {name!r}.{_why_not(kind, term, space)}")


def expected(space: Space) -> str:
    """What may be asked for."""
    on = terms_on(space)
    return (
        f"Expected baselines among {ALL!r}, {DEFAULT!r}, {EQUAL!r}, {INVERSE!r}, '{WITHOUT}:TERM' "
        f"and '{ONLY}:TERM' of the terms {on}, {list(METHODS)}, weights of today as a mapping, "
        f"and methods of lw.adaptive; or {NONE!r} alone."
    )


def _why_not(kind: str, term: str, space: Space) -> str:
    if kind == TODAY:
        return " Give today's weights: baselines=['default', {'mse': 1.0, ...}]."
    if kind == WITHOUT and term in terms_on(space):
        return f" Without {term!r} no term is left."
    if kind in (WITHOUT, ONLY) and term in space.switched_off:
        return f" {term!r} has the weight 0 in every trial."
    return " Correct the name."
