"""Data that several processes of one machine hold once: in a file without a name that all map.

The driver of a sweep copies its arrays into such a file (`memfd_create(2)`), seals it, and goes on
with what it maps of it. A worker loads the data as ever, since a script may set up more in
`load_data` than it returns, then puts what it finds in the driver's file in the place of each
array that is the same to the byte, and gives its own ones up. The file lies in memory alone and
ends with the last process that has it open, killed or not. What is mapped may be written to as any
array: whoever does gets a copy of that page.
"""

from __future__ import annotations

import logging
import mmap
import os
import weakref
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lossweights.base.memory import free_bytes
from lossweights.data._data import Data, with_arrays
from lossweights.data._folds import Folds

log = logging.getLogger("lossweights")

Whole: TypeAlias = Data | Folds

LARGE = 64 << 20  # bytes: below, what is saved is little beside TensorFlow
ALIGNED = 64  # bytes: where TensorFlow reads an array without copying it first
COMPARED = 16 << 20  # bytes at once


class SharedFile:
    """An open file that holds arrays, for other processes of this machine and user.

    Attributes:
        number: Its number in this process.
        nbytes: Its size.
    """

    def __init__(self, number: int, nbytes: int) -> None:
        self.number, self.nbytes = number, nbytes
        weakref.finalize(self, os.close, number)

    @classmethod
    def opened(cls, path: str) -> SharedFile | None:
        """What another process has open, ``None`` if it is gone or not for us to open.

        Args:
            path: What `path` is there.
        """
        try:
            # By now it may be the number of anything of anybody's, such as a pipe that waits.
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            log.debug("data are not shared: %s", error)
            return None
        return cls(file, os.fstat(file).st_size)

    @property
    def path(self) -> str:
        """Where another process finds it, as long as this one has it open."""
        return f"/proc/{os.getpid()}/fd/{self.number}"


class _Mapped(mmap.mmap):
    """What is mapped here, so that arrays in it are known by what they lie in."""


def bytes_to_share(data: Whole) -> int:
    """How large a file with the arrays of data is; 0 where they are not worth one.

    Args:
        data: The data.
    """
    size = _layout(_arrays(data))[1]
    return size if size >= LARGE else 0


def share(data: Whole) -> tuple[Whole, SharedFile | None]:
    """Put the arrays of large data where other processes can read them.

    Args:
        data: The data.

    Returns:
        The same data in shared memory, and the file; or the data as they are and ``None``, where
        they are small, the system has no such files, or there is no room for a copy.
    """
    arrays = _arrays(data)
    places, size = _layout(arrays)
    if not LARGE <= size < free_bytes() or not hasattr(os, "memfd_create"):
        return data, None
    try:
        file = os.memfd_create("lossweights-data", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:  # forbidden, as by some containers
        log.debug("data are not shared: %s", error)
        return data, None
    import fcntl  # which other systems than those with such files have not

    held = SharedFile(file, size)
    os.ftruncate(file, size)
    with mmap.mmap(file, size) as filled:
        for array, place in zip(arrays, places, strict=True):
            np.copyto(_at(filled, place, array), array)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    mapped = zip(map(id, arrays), _mapped(file, size, arrays), strict=True)
    return _placed(data, dict(mapped)), held


def take(data: Whole, path: str) -> Whole:
    """Give up arrays for what another process shares, where that is the same to the byte.

    Args:
        data: The data as they were loaded here.
        path: What `SharedFile.path` is there.
    """
    arrays, held = _arrays(data), SharedFile.opened(path)
    if held is None or held.nbytes != _layout(arrays)[1]:
        return data  # nobody shares any more; or they are other data, as the driver will say
    mapped = _mapped(held.number, held.nbytes, arrays)
    pairs = zip(arrays, mapped, strict=True)
    return _placed(data, {id(own): theirs for own, theirs in pairs if _are_same(own, theirs)})


def is_shared(array: NDArray[Any]) -> bool:
    """Whether an array is one of those that lie in shared memory, whole and as they were put."""
    return isinstance(array.base, _Mapped)


def are_shared(data: Whole) -> bool:
    """Whether all arrays are."""
    return all(map(is_shared, _arrays(data)))


def _arrays(data: Whole) -> list[NDArray[Any]]:
    """The arrays of data in a fixed order, each once."""
    found: dict[int, NDArray[Any]] = {}
    for part in data if isinstance(data, Folds) else [data]:
        with_arrays(part, lambda array: found.setdefault(id(array), array))
    return list(found.values())


def _placed(data: Whole, others: dict[int, NDArray[Any]]) -> Whole:
    """The data with other arrays in the place of some, by the `id` of each."""

    def other(array: NDArray[Any]) -> NDArray[Any]:
        return others.get(id(array), array)

    if isinstance(data, Folds):
        return Folds(tuple(with_arrays(part, other) for part in data))
    return with_arrays(data, other)


def _layout(arrays: list[NDArray[Any]]) -> tuple[list[int], int]:
    """Where each array begins, in bytes, and where all end."""
    places, end = [], 0
    for array in arrays:
        places.append(end)
        end += -(-array.nbytes // ALIGNED) * ALIGNED
    return places, end


def _mapped(file: int, size: int, like: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """The arrays that lie in a file, of which this process alone sees what it changes."""
    places, _ = _layout(like)
    whole = _Mapped(file, size, access=mmap.ACCESS_COPY)
    return [_at(whole, place, array) for place, array in zip(places, like, strict=True)]


def _at(where: mmap.mmap, place: int, like: NDArray[Any]) -> NDArray[Any]:
    return np.ndarray(like.shape, like.dtype, where, place)


def _are_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays of one shape have the same bytes; NaN is the same as itself."""
    step = max(1, COMPARED * len(one) // max(one.nbytes, 1))
    parts = (slice(start, start + step) for start in range(0, len(one), step))
    return all(np.array_equal(_bytes(one[part]), _bytes(other[part])) for part in parts)


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
