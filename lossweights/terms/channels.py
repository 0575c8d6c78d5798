"""Which channels of an array are meant: the last axis by a number, a slice or a list of numbers."""

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, TypeAlias

from lossweights.base.errors import LossweightsError, TermError

Channels: TypeAlias = int | slice | Sequence[int]


def as_channels(
    channels: Any, what: str, error: type[LossweightsError] = TermError
) -> slice | list[int]:
    """Channels as what keeps the axis: a slice, or a list of numbers.

    Args:
        channels: A number, a slice without a step, several numbers, or a text of `spelled`.
        what: What to call them in errors.
        error: What to raise.

    >>> as_channels(2, "target"), as_channels(slice(0, 3), "target")
    ([2], slice(0, 3, None))
    """
    if isinstance(channels, str):
        return from_text(channels)
    if isinstance(channels, slice):
        ends = (channels.start, channels.stop)
        if channels.step is None and all(end is None or _is_whole(end) for end in ends):
            start, stop = (None if end is None else int(end) for end in ends)
            return slice(start, stop)
    elif _is_whole(channels):
        return [int(channels)]
    elif isinstance(channels, Iterable) and not isinstance(channels, bytes):
        several = list(channels)
        if several and all(map(_is_whole, several)) and len(set(several)) == len(several):
            return [int(each) for each in several]
    raise error(
        f"Expected `{what}` to be channels of y_true: a number, slice(start, stop) or a list of "
        f"numbers. Found {what}={channels!r:.80}. Count the channels of the last axis from 0."
    )


def pick(values: Any, channels: slice | list[int]) -> Any:
    """Those channels of an array or tensor; the axis stays.

    Raises:
        TermError: There is no such axis, or no such channel.
    """
    shape = tuple(values.shape)
    size = shape[-1] if len(shape) > 1 else None
    if len(shape) < 2 or (size is not None and count(channels, size) == 0):
        raise TermError(
            f"Expected y_true with the channels {spelled(channels)} on its last axis. Found shape "
            f"{shape}. Put target and extras side by side: np.concatenate([y, extra], axis=-1)."
        )
    if isinstance(channels, slice):
        return values[..., channels]
    parts = [values[..., i : i + 1] if i != -1 else values[..., -1:] for i in channels]
    return parts[0] if len(parts) == 1 else _joined(parts)


def count(channels: slice | list[int], size: int) -> int:
    """How many channels of so many are meant; 0 if one of them is not there."""
    if isinstance(channels, slice):
        start, stop, _ = channels.indices(size)
        beyond = channels.stop is not None and channels.stop > size
        return 0 if beyond else max(stop - start, 0)
    return len(channels) if all(-size <= each < size for each in channels) else 0


def spelled(channels: slice | list[int]) -> str:
    """Channels as a short text, for files and messages.

    >>> spelled(slice(0, 3)), spelled(slice(-2, None)), spelled([0, 2])
    ('0:3', '-2:', '0,2')
    """
    if isinstance(channels, slice):
        start, stop = ("" if end is None else end for end in (channels.start, channels.stop))
        return f"{start}:{stop}"
    return ",".join(map(str, channels))


def from_text(text: Any) -> slice | list[int]:
    """Channels from what `spelled` wrote.

    Raises:
        TermError: It is something else.
    """
    try:
        if len(text) > 1000:
            raise ValueError("too long")
        if ":" in text:
            start, stop = (int(end) if end else None for end in text.split(":"))
            return slice(start, stop)
        return as_channels([int(each) for each in text.split(",")], "channels")
    except (AttributeError, TypeError, ValueError):
        raise TermError(
            f"Expected channels such as '0:3' or '0,2'. Found {text!r:.80}. Describe the term with "
            f"lw.terms.describe."
        ) from None


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _joined(parts: list[Any]) -> Any:
    import numpy as np
    from keras import ops

    return (np if isinstance(parts[0], np.ndarray) else ops).concatenate(parts, axis=-1)
