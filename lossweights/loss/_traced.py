"""Whether a tensor is a part of a program that is being compiled."""

from typing import Any


def is_traced_by_jax(value: Any) -> bool:
    """Whether ``value`` is being compiled by JAX, without importing JAX to ask."""
    return any(
        base.__module__.startswith("jax") and base.__name__ == "Tracer"
        for base in type(value).__mro__
    )
