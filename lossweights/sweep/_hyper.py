"""What a sweep samples beside weights, checked: numbers of the optimizer, and of terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossweights.base.errors import SpaceError
from lossweights.base.names import check_name
from lossweights.search.choices import HYPER, NO_CHOICES, Choices, OneOf, usual_number
from lossweights.search.distributions import LogUniform, Uniform
from lossweights.terms import Term
from lossweights.terms.chosen import dials_of
from lossweights.training.numbers import own_number
from lossweights.training.optimizer import fresh_optimizer


def choices_of_terms(terms: Mapping[str, Term]) -> Choices:
    """What is chosen of terms: their numbers, and which of several they are."""
    dials = [dial for dial in dials_of(terms.values()) if dial.part is not None]
    parts: dict[str, Any] = {
        dial.key: OneOf(dial.part) if isinstance(dial.part, tuple) else dial.part for dial in dials
    }
    return Choices(parts, {dial.key: dial.usual for dial in dials})


def declared_hyper(hyper: Mapping[str, Any] | None, optimizer: Any) -> Choices:
    """The numbers that are sampled beside the weights.

    The usual value of each, which baselines are trained with, is that of the optimizer where it can
    be sampled, and else the middle of what can.

    Args:
        hyper: As `lossweights.Sweep` takes it.
        optimizer: The optimizer of the sweep, or its name.

    Raises:
        SpaceError: It is no mapping from names to distributions.
        RecipeError: The optimizer has no such number, or computes it.

    >>> declared_hyper({"learning_rate": LogUniform(1e-4, 1e-2)}, "adam").usual
    {'hyper/learning_rate': 0.0010000000474974513}
    """
    if not hyper:
        return NO_CHOICES
    if not isinstance(hyper, Mapping):
        raise SpaceError(
            f"Expected hyper= as a mapping from names to distributions. Found {hyper!r}. Write "
            f"hyper={{'learning_rate': lw.LogUniform(1e-4, 1e-2)}}."
        )
    made = fresh_optimizer(optimizer)
    parts: dict[str, Any] = {}
    usual: dict[str, float | str] = {}
    for name, part in hyper.items():
        key = f"{HYPER}{check_name(name, 'hyper')}"
        if not isinstance(part, Uniform | LogUniform):
            raise SpaceError(
                f"Expected Uniform or LogUniform for {name!r} in hyper=. Found {part!r}. What does "
                f"not change is set in the optimizer: optimizer=keras.optimizers.Adam(...)."
            )
        parts[key] = part
        usual[key] = usual_number(own_number(made, name), part)
    return Choices(parts, usual)
