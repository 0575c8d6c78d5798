"""Locks that the operating system drops with the process, on every system; they are never stale.

The lock itself is `filelock`'s: `flock` where there is one, `LockFileEx` on Windows, and where the
system has neither, a file that names its process and is taken over once that is gone.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor

from lossweights.base.errors import StoreError, SweepLocked

LOOKS = 3  # somebody else who asks whether a lock is held holds it for an instant
LOOK_SECONDS = 0.01


@contextmanager
def exclusive_lock(path: Path, what: str) -> Iterator[None]:
    """Hold a lock, and say in a file beside it who does: on Windows nobody can read what is locked.

    Raises:
        SweepLocked: Another process holds it; the message names it and its machine.
        StoreError: The lock file cannot be created.
    """
    holder = holder_file(path)
    lock = FileLock(path, mode=0o644, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise SweepLocked(
            f"{what} is being driven by {_named_in(holder)}. Wait for it to end, or stop it "
            f"first; one process at a time may write a sweep."
        ) from None
    except OSError as error:
        raise StoreError(
            f"Cannot create {path}: {error}. Check the folder and its rights."
        ) from error
    try:
        with suppress(OSError):  # of a full disk there is worse to tell
            holder.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def waited_for_lock(path: Path) -> Iterator[None]:
    """Hold a lock, waiting for it as long as it takes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path, mode=0o644):
        yield


def holder_file(lock: Path) -> Path:
    """The file beside a lock that says who holds it."""
    return lock.with_name(f"{lock.name}.holder")


def is_held(path: Path) -> bool:
    """Whether a process holds a lock; who may only read the folder can ask as well."""
    for look in range(LOOKS):
        if look:
            time.sleep(LOOK_SECONDS)
        if not _is_taken(path):
            return False
    return True


def _is_taken(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not lock_descriptor(handle, blocking=False)  # given back as it is closed
    except OSError:
        return _is_taken_by_name(path)  # the system has no locks
    finally:
        os.close(handle)


def _is_taken_by_name(path: Path) -> bool:
    try:
        with FileLock(path, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:
        return path.exists()


def _named_in(holder: Path) -> str:
    try:
        with holder.open("rb") as stream:
            text = stream.read(200).decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    return text or "another process"
