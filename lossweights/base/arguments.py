"""The arguments that a class takes, its own and those that it hands on, and an instance keeps."""

import inspect
from collections.abc import Mapping
from typing import Any

_STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Every argument of the constructor, by name: its own, then those it hands on with ``**``.

    >>> class Named:
    ...     def __init__(self, *, name="none"):
    ...         self.name = name
    >>> class Sized(Named):
    ...     def __init__(self, size, **named):
    ...         super().__init__(**named)
    ...         self.size = size
    >>> list(parameters(Sized))
    ['size', 'name']
    """
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        _self, *taken = inspect.signature(vars(base)["__init__"]).parameters.values()
        for parameter in taken:
            if parameter.kind not in _STARRED:
                found.setdefault(parameter.name, parameter)
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in taken):
            break
    return found


class SpelledOutSignature:
    """The signature of a class with all of its arguments, for `help` and `inspect.signature`.

    Set as ``__signature__``. It is the class's alone: what calls an instance, such as
    ``tf.function``, asks for the signature of the instance, and gets that of ``__call__``.

    >>> class Named:
    ...     __signature__ = SpelledOutSignature()
    ...     def __init__(self, *, name="none"):
    ...         self.name = name
    >>> class Sized(Named):
    ...     def __init__(self, size, **named):
    ...         super().__init__(**named)
    ...     def __call__(self, x):
    ...         return x
    >>> print(inspect.signature(Sized), inspect.signature(Sized(3)))
    (size, *, name='none') (x)
    """

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        spelled = sorted(parameters(owner).values(), key=lambda parameter: parameter.kind)
        return inspect.Signature(spelled)


def refuse_unknown(instance: object, unknown: Mapping[str, object]) -> None:
    """Refuse arguments that no constructor has taken, naming the class that was called.

    Raises:
        TypeError: There are any.
    """
    for name in unknown:
        raise TypeError(f"{type(instance).__name__}() got an unexpected keyword argument {name!r}")


def kept_arguments(instance: object) -> dict[str, Any]:
    """The arguments of the constructor that an instance keeps under their own names.

    An argument that it keeps elsewhere, as a class of the user's may, is left out.
    """
    return {
        name: getattr(instance, name)
        for name in parameters(type(instance))
        if hasattr(instance, name)
    }


def lost_arguments(instance: object) -> list[str]:
    """The arguments that a copy could not be made of: an instance does not keep them.

    >>> class Secretive:
    ...     def __init__(self, size, *rest):
    ...         self._size = size
    >>> lost_arguments(Secretive(3))
    ['size', '*rest']
    """
    kept = kept_arguments(instance)
    taken = inspect.signature(type(instance).__init__).parameters.values()
    rest = [f"*{p.name}" for p in taken if p.kind is p.VAR_POSITIONAL]
    return [name for name in parameters(type(instance)) if name not in kept] + rest
