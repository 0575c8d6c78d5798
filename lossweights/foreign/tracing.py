"""Whether a program is being made rather than run: Keras describing a model, or JAX compiling."""

from __future__ import annotations

from typing import Any


def is_described() -> bool:
    """Whether Keras only asks for shapes, with tensors that have no values; false if unknown.

    It asks metrics so before the first step of a training on JAX, also if that runs eagerly.
    """
    try:
        from keras.src.backend.common.symbolic_scope import in_symbolic_scope
    except ImportError:
        return False
    return bool(in_symbolic_scope())


def is_traced_by_jax(*values: Any) -> bool:
    """Whether any of these has no value yet on JAX, without importing JAX to ask.

    What is only differentiated has one.
    """
    return any(
        any(b.__module__.startswith("jax") and b.__name__ == "Tracer" for b in type(value).__mro__)
        and getattr(value, "to_concrete_value", lambda: None)() is None
        for value in values
    )


def is_compiled_by_jax(*values: Any) -> bool:
    """Whether any of these is a part of a program that JAX compiles, and not only described."""
    return is_traced_by_jax(*values) and not is_described()
