"""A search space with one dimension too many: the common factor of all weights."""

from __future__ import annotations

from lossweights.search.space import Space


def free_factor(space: Space) -> str | None:
    """The term to fix where a common factor of all weights is free, or ``None`` where none is.

    It is free if no weight is fixed above 0, and the weights do not share a total.

    >>> from lossweights.search.space import Fixed, LogUniform, Simplex
    >>> both = {"mse": LogUniform(0.01, 100.0), "under": LogUniform(0.01, 100.0)}
    >>> free_factor(Space(["mse", "under"], both))
    'mse'
    >>> free_factor(Space(["mse", "under"], {**both, "mse": Fixed(1.0)})) is None
    True
    >>> free_factor(Space(["mse", "under"], Simplex())) is None
    True
    """
    if space.simplex is not None:
        return None
    off = space.switched_off
    on = [name for name in space.names if name not in off]
    return on[0] if all(name in space.parameters for name in on) else None


def redundant_scale(space: Space, optimizer: str) -> str:
    """What to say of a space whose common factor is searched for nothing; empty if it is not.

    Args:
        space: The space.
        optimizer: Name of an optimizer that makes the same steps whatever that factor is.

    >>> from lossweights.search.space import LogUniform
    >>> print(redundant_scale(Space(["mse"], {"mse": LogUniform(0.1, 10.0)}), "Adam"))
    The weight of 'mse', the only term, does nothing under Adam: all trials train alike. Add a term.
    """
    name = free_factor(space)
    if name is None:
        return ""
    if len(space.parameters) == 1:
        return (
            f"The weight of {name!r}, the only term, does nothing under {optimizer}: all trials "
            f"train alike. Add a term."
        )
    part = space.parameters[name]
    value = 1.0 if part.low <= 1.0 <= part.high else float(f"{part.at(0.5):.3g}")
    return (
        f"The common factor of all weights does nothing under {optimizer}, which divides by the "
        f'size of the gradients: fix one weight ("{name}": lw.Fixed({value!r})) or use '
        f"lw.Simplex(), so that the search has one dimension less."
    )
