"""The files that TensorFlow writes of code that it has translated, removed before their time.

TensorFlow translates Python functions into others, writes each into a temporary file and imports
it. It removes the files when Python exits. A process that is killed never does, so that processes
of ours have a folder each for temporary files: the next one removes what is in those of the dead.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

GENERATED = "__autograph_generated_file"  # how the names of such modules begin
FOLDER = "lossweights-"  # how the names of our folders begin; a process id follows
LOCK = "lock"  # in such a folder, held by the process that it belongs to


def generated_files() -> list[Path]:
    """The files of this process, there or not."""
    known = sys.modules.copy()  # at once: another thread may be importing
    modules = [module for name, module in known.items() if name.startswith(GENERATED)]
    return [Path(file) for module in modules if (file := getattr(module, "__file__", None))]


def remove_generated_files() -> None:
    """Remove them; what was imported stays imported."""
    for file in generated_files():
        with suppress(OSError):
            file.unlink()


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Have the temporary files of this process in a folder of its own, for as long as it takes.

    Nothing but generated files is removed from it, by this process at the end or by another one if
    this one is killed: what the user's code keeps there is left alone. Where no folder can be made,
    and within another such context, everything stays as it is.
    """
    common = Path(tempfile.gettempdir())
    if _is_ours(common):
        yield
        return
    _clear_those_of_the_dead(common)
    before, folder = tempfile.tempdir, common / f"{FOLDER}{os.getpid()}"
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        lock.acquire(blocking=False)
    except (OSError, Timeout):
        yield
        return
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        lock.release()
        _clear(folder)
        _clear_those_of_the_dead(common)  # of our workers


def leave_temporary_folder() -> None:
    """Remove the folder of this process now, which ends without another word."""
    remove_generated_files()
    folder = Path(tempfile.gettempdir())
    if _is_ours(folder):
        _clear(folder)


def _is_ours(folder: Path) -> bool:
    return folder.name.removeprefix(FOLDER).isdecimal() and folder.name.startswith(FOLDER)


def _clear_those_of_the_dead(common: Path) -> None:
    """Clear the folders whose locks nobody holds any more."""
    for folder in common.glob(f"{FOLDER}[0-9]*"):
        lock = FileLock(folder / LOCK, thread_local=False)
        with suppress(OSError, Timeout):  # it is another user's; or its process is at work
            if not (folder / LOCK).exists():
                folder.rmdir()  # it ended between two steps of clearing
                continue
            lock.acquire(blocking=False)
            lock.release()
            _clear(folder)


def _clear(folder: Path) -> None:
    """Remove generated files and lock, and then the folder if it is empty."""
    with suppress(OSError):
        for file in [*folder.glob(f"{GENERATED}*"), folder / LOCK]:
            file.unlink(missing_ok=True)
        folder.rmdir()
