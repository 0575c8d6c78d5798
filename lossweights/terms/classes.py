"""Which classes count: all but those that are ignored, or those that are named."""

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, TypeAlias, TypedDict

from lossweights.base.errors import LossweightsError, TermError

Classes: TypeAlias = int | Sequence[int] | None


class ChosenClasses(TypedDict, total=False):
    """The arguments of what is about classes, which those with further ones hand on.

    Attributes:
        ignore: The class, or several, that counts nothing, such as the background.
        classes: The classes that count; only one of the two may be said.
    """

    ignore: Classes
    classes: Classes


def checked_classes(
    ignore: Any, classes: Any, error: type[LossweightsError] = TermError
) -> tuple[Classes, Classes]:
    """Both as they are kept: ``None``, a number, or a tuple of numbers.

    Raises:
        LossweightsError: ``error``: both are given, or one is made of no numbers from 0.
    """
    if ignore is not None and classes is not None:
        raise error(
            f"Expected `ignore` or `classes`, not both. Found ignore={ignore!r}, "
            f"classes={classes!r}. Name the classes that count, or those that do not."
        )
    return _checked("ignore", ignore, error), _checked("classes", classes, error)


def kept_channels(
    ignore: Classes,
    classes: Classes,
    shape: Sequence[int | None],
    error: type[LossweightsError] = TermError,
) -> slice | list[int]:
    """The channels of the classes that count, of arrays whose last axis holds the classes.

    Args:
        ignore: The classes that count nothing, as `checked_classes` gives them.
        classes: The classes that count, alike.
        shape: Shape of the arrays.
        error: What to raise.

    Raises:
        LossweightsError: ``error``: a class is not there, or none is left.

    >>> kept_channels(0, None, (8, 64, 64, 3)), kept_channels(None, (2, 0), (8, 64, 64, 3))
    (slice(1, 3, None), [0, 2])
    """
    size = shape[-1] if len(shape) > 1 else 0
    named = _several(classes if ignore is None else ignore)
    spelled = f"classes={classes!r}" if ignore is None else f"ignore={ignore!r}"
    kept: list[int] = []
    if size is not None and max(named) < size:
        kept = sorted(named) if ignore is None else [i for i in range(size) if i not in named]
    if not kept:
        raise error(
            f"Expected the classes on the last axis, one-hot, and some of them to count under "
            f"{spelled}. Found shape {tuple(shape)}. Name classes from 0, and give each a channel; "
            f"masks of one class alone need neither."
        )
    in_a_row = kept == list(range(kept[0], kept[-1] + 1))
    return slice(kept[0], kept[-1] + 1) if in_a_row else kept


def without_unsaid(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration that says of classes no more than was said: as before there was a choice."""
    unsaid = [name for name in ("ignore", "classes") if config.get(name, 0) is None]
    return {name: value for name, value in config.items() if name not in unsaid}


def _checked(argument: str, value: Any, error: type[LossweightsError]) -> Classes:
    if value is None or _is_class(value):
        return None if value is None else int(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        several = list(value)
        if several and all(map(_is_class, several)) and len(set(several)) == len(several):
            return tuple(int(each) for each in several)
    raise error(
        f"Expected `{argument}` to be the number of a class, or several, counted from 0. Found "
        f"{argument}={value!r:.80}. Write {argument}=0 for the first channel."
    )


def _is_class(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= 0


def _several(classes: Classes) -> tuple[int, ...]:
    return (classes,) if isinstance(classes, int) else tuple(classes or ())
