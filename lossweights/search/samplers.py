"""Samplers by name, and those of others: what ``Sweep(sampler=...)`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

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
        RecipeError: It is none of these.
    """
    if sampler is None:
        return None
    if isinstance(sampler, str):
        return check_name_of_sampler(sampler)
    from optuna.samplers import BaseSampler

    if isinstance(sampler, BaseSampler):
        return sampler
    if callable(sampler):
        made = sampler(0)
        if isinstance(made, BaseSampler):
            return sampler
        raise RecipeError(
            f"Expected a function from a seed to a sampler of Optuna's as sampler=. Found one that "
            f"gives {made!r}. Write for example sampler=make_sampler, with "
            f"`def make_sampler(seed): return optuna.samplers.NSGAIISampler(seed=seed)`."
        )
    raise RecipeError(
        f"Expected a sampler among {NAMES}, one of Optuna's, or a function from a seed to one. "
        f"Found {sampler!r}."
    )


def check_name_of_sampler(name: str) -> str:
    """A name of a sampler of ours.

    Raises:
        RecipeError: There is none of that name.
    """
    if name not in NAMES:
        raise RecipeError(f"Expected a sampler among {NAMES}. Found {name!r}.")
    return name


def describe_sampler(sampler: SamplerLike) -> str:
    """A sampler as a manifest names it.

    >>> describe_sampler("tpe")
    'tpe'
    >>> import optuna
    >>> describe_sampler(lambda seed: optuna.samplers.RandomSampler(seed))
    'optuna.samplers._random.RandomSampler, seeded'
    """
    if isinstance(sampler, str):
        return sampler
    from optuna.samplers import BaseSampler

    given = isinstance(sampler, BaseSampler)
    kind = type(sampler) if isinstance(sampler, BaseSampler) else type(sampler(0))
    return f"{kind.__module__}.{kind.__qualname__}" + ("" if given else ", seeded")
