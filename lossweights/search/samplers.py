"""Samplers by name, and those of others: what ``Sweep(sampler=...)`` takes."""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lossweights.base.errors import RecipeError

if TYPE_CHECKING:  # a sweep is declared without Optuna, which takes a second to load
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

SamplerLike: TypeAlias = Union[str, "BaseSampler", Callable[[int], "BaseSampler"]]

DEFAULT = "thompson"  # by the benchmark of docs/search.md
BEFORE = "tpe"  # of sweeps whose manifest names none
NAMES = ("thompson", "tpe", "tpe-multivariate", "filler", "mix", "sobol")

STARTUP_TRIALS = 16  # before anything is modelled; baselines count among them


def make_sampler(
    name: str, seed: int = 0, space: Mapping[str, BaseDistribution] | None = None
) -> BaseSampler:
    """One of our samplers, for any Optuna study.

    Args:
        name: One of `NAMES`.
        seed: Seed.
        space: What is sampled, where it is known before the first trial.

    Raises:
        RecipeError: There is none of that name.

    >>> import optuna
    >>> study = optuna.create_study(sampler=make_sampler("thompson", seed=1))
    >>> study.optimize(lambda trial: trial.suggest_float("x", -1.0, 1.0) ** 2, n_trials=30)
    >>> study.best_value < 1e-3
    True
    """
    from lossweights.search.filler import Filler
    from lossweights.search.rota import Rota
    from lossweights.search.sobol import Sobol
    from lossweights.search.thompson import Thompson
    from lossweights.search.tpe import TPE

    check_name_of_sampler(name)
    if name == "tpe":
        return TPE(seed, space, multivariate=False, startup=STARTUP_TRIALS)
    if name == "sobol":
        return Sobol(seed, space)
    if name == "tpe-multivariate":
        then: BaseSampler = TPE(seed, space, startup=0)
    elif name == "filler":
        then = Filler(seed, space)
    elif name == "thompson":
        then = Thompson(seed, space)
    else:
        rota = (Thompson(seed, space), TPE(seed, space, startup=0), Filler(seed, space))
        then = Rota(rota, seed, space)
    return Sobol(seed, space, points=STARTUP_TRIALS, then=then)


def check_sampler(sampler: object) -> SamplerLike | None:
    """What a sweep was given as its sampler.

    Args:
        sampler: ``None``, a name of ours, a sampler of Optuna's, or a function from a seed to one.

    Raises:
        RecipeError: It is none of these; or a class, or a function that does not pass the seed on:
            what such a sampler asks for would not follow from the sweep's seed.
    """
    if sampler is None:
        return None
    if isinstance(sampler, str):
        return check_name_of_sampler(sampler)
    from optuna.samplers import BaseSampler

    if isinstance(sampler, BaseSampler):
        return sampler
    if callable(sampler):
        return _check_function(sampler)
    raise RecipeError(
        f"Expected a sampler among {NAMES}, one of Optuna's, or a function from a seed to one. "
        f"Found {sampler!r}."
    )


def _check_function(function: Callable[[int], Any]) -> Callable[[int], BaseSampler]:
    """A function from a seed to a sampler, which it gives for that seed again."""
    from optuna.samplers import BaseSampler, GridSampler, QMCSampler

    made_of = function.func if isinstance(function, functools.partial) else function
    if isinstance(made_of, type):
        raise RecipeError(
            f"Expected a function from a seed to a sampler as sampler=. Found the class "
            f"{made_of.__name__}, whose first argument need not be its seed. Write "
            f"sampler=lambda seed: {made_of.__name__}(seed=seed)."
        )
    example = "for example `lambda seed: optuna.samplers.NSGAIISampler(seed=seed)`"
    try:
        one, other = function(0), function(0)
    except Exception as error:
        raise RecipeError(
            f"Expected a function from a seed to a sampler of Optuna's as sampler=. Found one that "
            f"raised {type(error).__name__}: {error}. Write {example}."
        ) from error
    if not isinstance(one, BaseSampler):
        raise RecipeError(
            f"Expected a function from a seed to a sampler of Optuna's as sampler=. Found one that "
            f"gives {one!r}. Write {example}."
        )
    if isinstance(one, GridSampler):
        raise RecipeError(
            "Expected a sampler that any seed makes anew. Found a function that gives a "
            "GridSampler, whose seed numbers the points of the grid. Give the sampler itself: "
            "sampler=optuna.samplers.GridSampler({...})."
        )
    if _first_of(one) != _first_of(other):
        raise RecipeError(
            f"Expected a function that gives the same sampler for the same seed as sampler=. Found "
            f"two of {type(one).__name__} that ask for different weights. Pass the seed on, "
            f"{example}."
        )
    # Those of Optuna's draw what they ask for first, but for one; of others nobody knows.
    draws = type(one).__module__.startswith("optuna.") and not isinstance(one, QMCSampler)
    first = _first_of(one) if draws else None
    if first is not None and first == _first_of(function(1)):
        raise RecipeError(
            f"Expected a function that passes its seed on as sampler=. Found one whose "
            f"{type(one).__name__} asks for the same weights whatever the seed, and would in "
            f"every trial. Write {example}, or give the sampler itself."
        )
    return function


def _first_of(sampler: BaseSampler) -> dict[str, Any] | None:
    """What a sampler asks for first, if it can be asked for just any number."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of each study otherwise
    study = optuna.create_study(sampler=copied(sampler))
    try:
        return study.ask({"x": optuna.distributions.FloatDistribution(0.0, 1.0)}).params
    except Exception:  # one of a space of its own, such as a grid
        return None


def copied(sampler: BaseSampler) -> BaseSampler:
    """A sampler that draws what this one would, and leaves this one as it is.

    So every run of a sweep begins with the same random numbers. One that cannot be copied goes on
    from where it is.
    """
    try:
        return copy.deepcopy(sampler)
    except Exception:  # it holds what only it can have: a lock, a connection
        return sampler


def check_name_of_sampler(name: str) -> str:
    """A name of a sampler of ours.

    Raises:
        RecipeError: There is none of that name.
    """
    if name not in NAMES:
        raise RecipeError(f"Expected a sampler among {NAMES}. Found {name!r}.")
    return name


def describe_sampler(sampler: SamplerLike) -> str:
    """A sampler as a manifest names it: with its plain arguments, as far as it keeps them.

    Its seed is left out, and what is left at its default: another version may have more of them.

    >>> describe_sampler("tpe")
    'tpe'
    >>> import optuna
    >>> describe_sampler(lambda seed: optuna.samplers.NSGAIISampler(population_size=8, seed=seed))
    'optuna.samplers.nsgaii._sampler.NSGAIISampler(population_size=8), seeded'
    """
    if isinstance(sampler, str):
        return sampler
    from optuna.samplers import BaseSampler

    if isinstance(sampler, BaseSampler):
        return _with_arguments(sampler)
    return f"{_with_arguments(sampler(0))}, seeded"


def without_arguments(described: str) -> str:
    """A description as earlier versions wrote it.

    >>> without_arguments("a.NSGAIISampler(population_size=8), seeded")
    'a.NSGAIISampler, seeded'
    """
    head, bracket, rest = described.partition("(")
    return head + rest.rpartition(")")[2] if bracket else described


def _with_arguments(sampler: BaseSampler) -> str:
    kind, kept = type(sampler), vars(sampler)
    said = []
    for name, argument in inspect.signature(kind).parameters.items():
        spelled = _spelled(kept.get(name, kept.get(f"_{name}")))
        said_nothing = spelled in (None, _spelled(argument.default))
        if name != "seed" and not name.startswith("warn_") and not said_nothing:
            said.append(f"{name}={spelled}")
    return f"{_name_of(kind)}({', '.join(said)})"


def _name_of(value: Any) -> str:
    """What a class or function is called, whoever runs the script that it is in."""
    inside = value.__module__ in ("__main__", "lossweights_script")
    return value.__qualname__ if inside else f"{value.__module__}.{value.__qualname__}"


def _spelled(value: Any) -> str | None:
    """A plain value, the same in every process; `None` for all others."""
    from optuna.samplers import BaseSampler

    if isinstance(value, BaseSampler):
        return _with_arguments(value)
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = [f"{key!s}: {_spelled(each)}" for key, each in value.items()]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(str(_spelled(each)) for each in value)}]"
    if inspect.isfunction(value) or isinstance(value, type):
        return _name_of(value)
    return None
