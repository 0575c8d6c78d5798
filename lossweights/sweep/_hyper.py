"""What a sweep samples beside weights, checked: numbers of the optimizer, and of terms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from lossweights.base.errors import SpaceError
from lossweights.base.names import check_name
from lossweights.base.sampled import HYPER, Choice, Sampled
from lossweights.search.choices import NO_CHOICES, Choices, OneOf, usual_number
from lossweights.search.distributions import LogUniform, Numbers, Uniform
from lossweights.terms import Term
from lossweights.terms.chosen import dials_of
from lossweights.training.numbers import ADJUSTABLE, PARTS, own_number
from lossweights.training.optimizer import fresh_optimizer


def choices_of_terms(terms: Mapping[str, Term]) -> Choices:
    """What is chosen of terms: their numbers, and which of several they are."""
    dials = [dial for dial in dials_of(terms.values()) if dial.part is not None]
    parts: dict[str, Any] = {
        dial.key: OneOf(dial.part) if isinstance(dial.part, tuple) else dial.part for dial in dials
    }
    return Choices(parts, {dial.key: dial.usual for dial in dials})


class Hyper(NamedTuple):
    """What is sampled of optimizer and model.

    Attributes:
        choices: All of it.
        numbers: The usual numbers of the optimizer, by name.
        models: What the model is built from, by name.
        hp: The usual values of that, or ``None`` if there are none.
    """

    choices: Choices = NO_CHOICES
    numbers: Mapping[str, float] = {}
    models: Mapping[str, Any] = {}
    hp: Mapping[str, Any] | None = None


def declared_hyper(
    hyper: Mapping[str, Any] | None, optimizer: Any, build_model: Callable[..., Any] | None = None
) -> Hyper:
    """What is sampled beside the weights of optimizer and model.

    The usual value of each, which baselines are trained with, is that of the optimizer where it can
    be sampled, and else the middle of what can.

    Args:
        hyper: As `lossweights.Sweep` takes it.
        optimizer: The optimizer of the sweep, or its name.
        build_model: Makes the model. If it takes an argument, it is given all that is no number of
            the optimizer.

    Raises:
        SpaceError: It is no mapping from names to distributions.
        RecipeError: The optimizer has no such number, or computes it.

    >>> declared_hyper({"learning_rate": LogUniform(1e-4, 1e-2)}, "adam").choices.usual
    {'hyper/learning_rate': 0.0010000000474974513}
    """
    if not hyper:
        return Hyper()
    if not isinstance(hyper, Mapping):
        raise SpaceError(
            f"Expected hyper= as a mapping from names to distributions. Found {hyper!r}. Write "
            f"hyper={{'learning_rate': lw.LogUniform(1e-4, 1e-2)}}."
        )
    made = fresh_optimizer(optimizer)
    parts: dict[str, Any] = {}
    usual: dict[str, float | str] = {}
    models: dict[str, Any] = {}
    hp: dict[str, Any] = {}
    numbers: dict[str, float] = {}
    for name, part in hyper.items():
        key = f"{HYPER}{check_name(name, 'hyper')}"
        if name not in ADJUSTABLE and _takes_hp(build_model) and isinstance(part, Sampled):
            models[name] = part
            if isinstance(part, Choice):
                parts[key], usual[key] = OneOf(tuple(part.options)), next(iter(part.options))
                hp[name] = part.options[str(usual[key])]
            else:
                parts[key], usual[key] = part, usual_number(None, cast(Numbers, part))
                hp[name] = usual[key]
            continue
        if not isinstance(part, Uniform | LogUniform):
            raise SpaceError(
                f"Expected Uniform or LogUniform for {name!r} in hyper=. Found {part!r}. What does "
                f"not change is set in the optimizer: optimizer=keras.optimizers.Adam(...)."
            )
        if part.low < 0 or (name in PARTS and part.high > 1):
            raise SpaceError(
                f"Expected {name!r} in hyper= from 0 {'to 1' if name in PARTS else 'on'}. Found "
                f"{part!r}. Narrow the range."
            )
        parts[key] = part
        usual[key] = numbers[name] = usual_number(own_number(made, name), part)
    return Hyper(Choices(parts, usual), numbers, models, hp if models else None)


def _takes_hp(build_model: Callable[..., Any] | None) -> bool:
    """Whether a function can be given the values that a model is built from."""
    if build_model is None:
        return False
    try:
        inspect.signature(build_model).bind({})
    except (TypeError, ValueError):
        return False
    return True
