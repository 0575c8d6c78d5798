"""Files to be trusted: paths that stay inside, atomic writes."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from lossweights.base.errors import StoreError
from lossweights.base.names import shown

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}")  # what `write_all` has not renamed yet


def inside(root: Path, *parts: str) -> Path:
    """The path of ``parts`` below ``root``, refused if it (or a link on the way) leads out of it.

    Raises:
        StoreError: The resolved path is not below the resolved root.
    """
    base = root.resolve()
    path = base.joinpath(*parts)
    resolved = path.resolve()
    if not resolved.is_relative_to(base):
        raise StoreError(
            f"Expected a path inside {base}. Found {shown(str(path))}, which leads to {resolved}. "
            f"Remove the link or choose another root."
        )
    return path


def is_full(error: BaseException) -> bool:
    """Whether an error says that nothing more can be written, here or elsewhere on the disk.

    >>> is_full(OSError(errno.ENOSPC, "no space left")), is_full(FileNotFoundError("bert.h5"))
    (True, False)
    """
    full = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
    return isinstance(error, StoreError) or (isinstance(error, OSError) and error.errno in full)


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Raises:
        StoreError: The folder cannot be written; nothing is left behind.
    """
    write_all({path: data})


def write_all(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files, each as `write_atomic` does; flushing the disk costs little more once.

    Raises:
        StoreError: A folder cannot be written; some files may have been, each of them whole.
    """
    mark = secrets.token_hex(4)
    temporaries = {path.with_name(f".{path.name}.{mark}"): path for path in contents}
    path = next(iter(contents))
    handles = ExitStack()
    try:
        with handles:
            streams = []
            for temporary, path in temporaries.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                streams.append(handles.enter_context(temporary.open("xb")))
                data = contents[path]
                streams[-1].write(data.encode("utf-8") if isinstance(data, str) else data)
                streams[-1].flush()
            for stream in streams:
                os.fsync(stream.fileno())
        for temporary, path in temporaries.items():
            temporary.replace(path)
        for folder in {path.parent for path in contents}:
            _sync_folder(folder)
    except OSError as error:
        raise StoreError(
            f"Cannot write {path}: {error}. Check the folder, its rights and the disk's free space."
        ) from error
    finally:
        for temporary in temporaries:
            with suppress(OSError):
                temporary.unlink()


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder and in those inside it.

    Nobody else may be writing there.
    """
    for path in folder.rglob(".*"):
        if _UNFINISHED.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: on POSIX the entry lives in the folder, which has its own fsync."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
