"""The arguments that a class takes, its own and those that it hands on, and an instance keeps."""

import inspect
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


def kept_arguments(instance: object) -> dict[str, Any]:
    """The arguments of the constructor that an instance keeps under their own names.

    An argument that it keeps elsewhere, as a class of the user's may, is left out.
    """
    return {
        name: getattr(instance, name)
        for name in parameters(type(instance))
        if hasattr(instance, name)
    }
