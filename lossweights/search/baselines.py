"""Baselines: what a sweep has to beat, asked for by name, as weights of today, or as a method.

Those whose weights are inside the space are trials. The others are trained beside them: weights
that the space does not reach, such as 0 on a logarithmic range, methods that move their weights,
and inverse magnitudes, which are known only once a first training has measured them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from lossweights.base.errors import RecipeError, SpaceError
from lossweights.loss.adaptive import Method, method_json
from lossweights.loss.weights import check_weights
from lossweights.search._named_baselines import (
    ALL,
    DEFAULT,
    NONE,
    TODAY,
    Baseline,
    equal,
    expected,
    group,
    named,
)
from lossweights.search._raced import NO_BASELINES, Baselines, Outside, is_same
from lossweights.search.space import Space

__all__ = [
    "NO_BASELINES",
    "Baselines",
    "BaselinesLike",
    "Outside",
    "check_baselines",
    "parse_baselines",
]

BaselinesLike: TypeAlias = "str | Sequence[str | Mapping[str, float] | Method] | None"


def check_baselines(
    asked: BaselinesLike, space: Space, declared: Baselines = NO_BASELINES
) -> Baselines:
    """The baselines that were asked for.

    One whose weights are those of another is not raced twice: of two terms, leaving the one out is
    the other alone.

    Args:
        asked: ``"all"``, ``"none"``, names as `parse_baselines` takes them, or a list of names,
            weight sets of today and methods of `lw.adaptive`. ``None`` stands for ``"default"``:
            equal weights, each term left out, and ``uncertainty``.
        space: The search space.
        declared: Those that were declared before, where others are asked for in their place: a
            name means what it meant there. ``"all"`` has them too, ``"default"`` today's weights.

    Raises:
        RecipeError: A name is none, or the list holds something else.
        WeightError: Weights do not match the terms, or do not make a loss.
        SpaceError: Weights switch on a term that every trial switches off.

    >>> from lossweights.search.space import Fixed, LogUniform
    >>> space = Space(["mse", "under"], {"mse": Fixed(1.0), "under": LogUniform(0.1, 10.0)})
    >>> check_baselines(None, space).names
    ['equal', 'without:mse', 'without:under', 'uncertainty']
    >>> check_baselines(["equal", {"mse": 1.0, "under": 0.5}, "dwa"], space).names
    ['today', 'equal', 'dwa']
    """
    items = _items(asked, space)
    known = {each.name: each for each in declared.entries}
    given: dict[str, Baseline] = {}
    for item in items:
        if not isinstance(item, str):
            one = _given(item, given, space)
            given[one.name] = one
    found = dict(given)
    for item in items:
        if isinstance(item, str):
            found.update({one.name: one for one in _by_name(item, space, known, given)})
    return Baselines.of(found.values())


def parse_baselines(text: str) -> list[str]:
    """Baselines as one text names them, such as ``"all"``, ``"none"`` or ``"equal,dwa"``.

    Raises:
        RecipeError: A name is missing, or ``none`` is not alone.

    >>> parse_baselines("equal, without:mse,dwa"), parse_baselines("none")
    (['equal', 'without:mse', 'dwa'], [])
    """
    names = [name.strip() for name in text.split(",")]
    if names == [NONE]:
        return []
    if not all(names) or NONE in names:
        raise RecipeError(
            f"Expected 'all', 'none' or names with a comma between them, such as "
            f"'equal,without:mse,dwa'. Found {text!r}."
        )
    return names


def _items(asked: BaselinesLike, space: Space) -> list[Any]:
    if asked is None:
        return [DEFAULT]
    if isinstance(asked, str):
        return list(parse_baselines(asked))
    if isinstance(asked, Mapping | Method) or not isinstance(asked, Iterable):
        raise RecipeError(
            f"{expected(space)} Found {asked!r}. Write a list: baselines=['default', ...]."
        )
    return list(asked)


def _by_name(
    name: str, space: Space, known: Mapping[str, Baseline], given: Mapping[str, Baseline]
) -> list[Baseline]:
    """What a name stands for: what was given or declared under it comes first."""
    before = {**known, **given}
    todays = [each for each in before.values() if _is_today(each)]
    if name == TODAY and todays:
        return todays
    if name == ALL:
        return [*before.values(), *(_one(n, space, before) for n in group(ALL, space))]
    if name == DEFAULT:
        return [*todays, *(_one(n, space, before) for n in group(DEFAULT, space))]
    return [_one(name, space, before)]


def _one(name: str, space: Space, before: Mapping[str, Baseline]) -> Baseline:
    return before[name] if name in before else named(name, space)


def _given(item: Any, given: Mapping[str, Baseline], space: Space) -> Baseline:
    """Weights or a method of the user's own, under a name that is not taken."""
    if isinstance(item, Method):
        method_json(item)  # so that one that no worker could read is refused here
        item.start(equal(space))
        return _numbered(item.name, Baseline(item.name, equal(space), item), given)
    if isinstance(item, Mapping):
        weights = check_weights(item, space.names)
        _refuse_switched_on(weights, space)
        return _numbered(TODAY, Baseline(TODAY, weights), given)
    raise RecipeError(f"{expected(space)} Found {item!r}.")


def _numbered(name: str, one: Baseline, given: Mapping[str, Baseline]) -> Baseline:
    """The same under the first name that is free, or that it has already."""
    number, free = 1, name
    while free in given and not is_same(given[free], one):
        number += 1
        free = f"{name}-{number}"
    return Baseline(free, one.weights, one.method)


def _refuse_switched_on(weights: Mapping[str, float], space: Space) -> None:
    on = [term for term in space.switched_off if weights[term]]
    if on:
        raise SpaceError(
            f"Expected the weight 0 of {on} in baselines, as in every trial of the space. Found "
            f"{dict(weights)}. Set it to 0, or give the term a range."
        )


def _is_today(each: Baseline) -> bool:
    return each.rank == 0
