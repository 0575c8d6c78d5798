"""Files to be trusted: paths that stay inside, atomic writes, locks that are never stale."""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lossweights.base.errors import StoreError, SweepLocked
from lossweights.base.names import shown


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


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: on POSIX the entry lives in the folder, which has its own fsync."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_still(handle: int, path: Path) -> bool:
    """Whether an open file is the one at a path: a lock on a removed file locks nothing."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def exclusive_lock(path: Path, what: str) -> Iterator[None]:
    """Hold a lock that the operating system drops with the process, so it is never stale.

    Raises:
        SweepLocked: Another process holds it; the message names it and its machine.
        StoreError: The lock file cannot be created.
    """
    import fcntl  # POSIX only; imported here so that reading weight sets works on Windows too

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"Cannot create {path}: {error}. Check the folder and its rights."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 200).decode("ascii", "replace").strip() or "another process"
            raise SweepLocked(
                f"{what} is being driven by {holder}. Wait for it to end, or stop it first; one "
                f"process at a time may write a sweep."
            ) from None
        if not _is_still(handle, path):
            raise SweepLocked(f"{what} was being made by another process just now. Try again.")
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {platform.node()}".encode())
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)
