"""Named axes: how they are given, checked against shapes, and cut."""

import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral

from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms._tensors import Tensor, expand_weight
from lossweights.terms.layout import has_many_channels, may_be_volume

IMAGE = (1, 2)  # the axes of space of (batch, height, width, channels)


def as_axes(axes: int | Iterable[int]) -> tuple[int, ...]:
    """``axes`` as a tuple, refusing what no shape could fit.

    Raises:
        TermError: ``axes`` is empty, repeats an axis, names the batch, or is not made of integers.
    """
    found = axes
    given: tuple[object, ...]
    if isinstance(axes, Iterable) and not isinstance(axes, (str, bytes)):
        given = tuple(axes)
    else:
        given = (axes,)
    if not given or not all(isinstance(a, Integral) and not isinstance(a, bool) for a in given):
        raise TermError(
            "Expected `axes` to be an axis or several: 1 for a time axis, (1, 2) for images, "
            f"(1, 2, 3) for volumes. Found axes={found!r}. Name the axes of space or time."
        )
    named = tuple(int(a) for a in given)  # type: ignore[call-overload]
    if 0 in named:
        raise TermError(
            "Expected `axes` without axis 0, which counts the samples of a batch. "
            f"Found axes={found!r}. Name the axes of space or time."
        )
    if len(set(named)) != len(named):
        raise TermError(f"Expected each axis once. Found axes={found!r}. Drop the repeated one.")
    return named


class NamedAxes:
    """The axes that a term reads along: those that were named, or those of images.

    Args:
        axes: The axes that the user named, or ``None``.
    """

    def __init__(self, axes: int | Iterable[int] | None) -> None:
        self.were_named = axes is not None
        self.axes = as_axes(IMAGE if axes is None else axes)

    def resolve(
        self, shape: Sequence[int | None], least: int, *, masks_were_seen: bool = False
    ) -> tuple[int, ...]:
        """As `resolve_axes`, refusing what may be a volume if nobody named the axes.

        What its shape alone does not clear, a stack of a few cuts as long as the images are wide,
        is read as channels with a `UserWarning`, unless the masks themselves were looked at before.

        Raises:
            TermError: It may be one, or the axes do not fit the ``shape``.
        """
        if not self.were_named:
            if may_be_volume(shape):
                raise volume_refused(shape)
            if has_many_channels(shape) and not masks_were_seen:
                warnings.warn(
                    f"Data of shape {tuple(shape)} are read as {shape[-1]} channels of images. "
                    "Name the axes of space: axes=(1, 2) if so, axes=(1, 2, 3) for a volume "
                    "(batch, depth, height, width).",
                    stacklevel=2,
                )
        return resolve_axes(self.axes, shape, least)


def volume_refused(shape: Sequence[int | None]) -> TermError:
    """What to say of an array that may be a volume where no axes were named."""
    return TermError(
        "Expected images (batch, height, width), with or without channels behind, since no axes "
        f"are named. Found shape {tuple(shape)}, which may be a volume. Name the axes of space: "
        "axes=(1, 2, 3) for a volume (batch, depth, height, width), axes=(1, 2) if the last axis "
        "holds channels."
    )


def resolve_axes(axes: tuple[int, ...], shape: Sequence[int | None], least: int) -> tuple[int, ...]:
    """``axes`` counted from the front of ``shape``, each known to hold at least ``least`` elements.

    A size that is unknown while a graph is traced (``None``) is taken on trust.

    Raises:
        TermError: An axis is the batch, is not there, is named twice or is too short.
    """
    shape = tuple(shape)
    rank = len(shape)
    resolved = tuple(axis + rank if axis < 0 else axis for axis in axes)
    if not all(1 <= axis < rank for axis in resolved) or len(set(resolved)) != len(resolved):
        raise TermError(
            f"Expected data with a batch axis and the axes {axes}, each of them another one. "
            f"Found shape {shape}. Name axes among 1 to {rank - 1}."
        )
    for axis in resolved:
        size = shape[axis]
        if size is not None and size < least:
            raise TermError(
                f"Expected at least {least} elements along each of the axes {axes}. "
                f"Found {size} along axis {axis} of shape {shape}. "
                "Name the axes of space or time, not one of channels, or drop this axis."
            )
    return resolved


def cut(x: Tensor, axis: int, start: int | None, stop: int | None) -> Tensor:
    """``x[start:stop]`` along one axis.

    By splitting where the size of the axis is known: TensorFlow differentiates a split seven times
    as fast as a slice.
    """
    size = x.shape[axis]
    first, end, _ = slice(start, stop).indices(size or 0)
    if not first < end:  # nothing is left, or nobody knows how much
        index: list[slice] = [slice(None)] * len(x.shape)
        index[axis] = slice(start, stop)
        return x[tuple(index)]
    borders = [border for border in (first, end) if 0 < border < size]
    return ops.split(x, borders, axis=axis)[1 if first else 0] if borders else x


def dilate(x: Tensor, axes: tuple[int, ...], radius: int = 1) -> Tensor:
    """The largest value within ``radius`` steps along each of ``axes``: max-pooling at stride 1.

    Steps that leave the array find nothing, as with padding by minus infinity. Where neighbours
    tie, the gradient goes to the element itself.
    """
    for axis in axes:
        for _ in range(radius):
            after = ops.concatenate([cut(x, axis, 1, None), cut(x, axis, -1, None)], axis=axis)
            before = ops.concatenate([cut(x, axis, None, 1), cut(x, axis, None, -1)], axis=axis)
            x = ops.maximum(ops.maximum(x, after), before)
    return x


def erode(x: Tensor, axes: tuple[int, ...], radius: int = 1) -> Tensor:
    """The smallest value within ``radius`` steps along each of ``axes``."""
    return -dilate(-x, axes, radius)


def full_weight(element_weight: Tensor, like: Tensor) -> Tensor:
    """``element_weight`` in the whole shape of ``like``, so that it can be cut along any axis."""
    return expand_weight(element_weight, like) * ops.ones_like(like)
