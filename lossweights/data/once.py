"""Data that the workers of a node of a cluster hold once, which the driver cannot give to them.

Each loads them as ever. The first puts them into a file without a name, as a driver does for the
workers of its own machine; who comes later takes those of them that are the same to the byte. Where
they are is noted in a file that all workers of a sweep on a node know. Each of them has the data
open and notes that, so that they are found for as long as one of them lives.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lossweights.base.memory import free_bytes
from lossweights.data.shared import SharedFile, Whole, are_shared, share, take

log = logging.getLogger("lossweights")

_NOTE = ".held"  # how files end that say where data are


class Neighbours:
    """What the workers of a sweep that are on this machine know of each other.

    Args:
        key: Of the run of the sweep, another one for each.
        nbytes: The size of its data.
    """

    def __init__(self, key: str, nbytes: int) -> None:
        # In the folder of this machine's temporary files, which a worker does not keep as its own.
        self._folder = Path(tempfile.gettempdir()) / f"lossweights-data-{os.getuid()}"
        self._note = self._folder / f"{key}{_NOTE}"
        self._nbytes = nbytes

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Load the data meanwhile: others wait where half of the free memory has no room for all.

        Each holds its own copy until it has compared.
        """
        turns = [f"turn-{number}" for number in range(max(free_bytes() // (2 * self._nbytes), 1))]
        lock = None
        for name in turns[: os.cpu_count()]:
            with suppress(Timeout, OSError):
                lock = self._lock(name)
                lock.acquire(blocking=False)
                break
        else:
            with suppress(OSError):  # no folder can be made here: so nobody waits
                lock = self._lock(turns[0])
                lock.acquire()
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def hold(self, data: Whole) -> tuple[Whole, SharedFile | None]:
        """Take what another worker has, or have others find what this one has.

        Args:
            data: The data as they were loaded here.

        Returns:
            The same data in shared memory, and the file that is to be kept open for others; or the
            data as they are and ``None``, where nothing can be shared.
        """
        try:
            with self._lock("note"):
                return self._hold(data)
        except OSError as error:
            log.debug("data are not shared: %s", error)
            return data, None

    def _hold(self, data: Whole) -> tuple[Whole, SharedFile | None]:
        self._forget_the_dead()
        noted = self._note.read_text().splitlines() if self._note.exists() else []
        for path in noted:
            held = SharedFile.opened(path)
            if held is not None:
                taken = take(data, held.path)
                if are_shared(taken):
                    self._note.write_text("\n".join([*noted, held.path]))
                    return taken, held
        shared, file = share(data)
        if file is not None:
            self._note.write_text(file.path)
        return shared, file

    def _forget_the_dead(self) -> None:
        """Remove notes of sweeps that have ended, and of workers that have."""
        for note in self._folder.glob(f"*{_NOTE}"):
            noted = note.read_text().splitlines()
            alive = [path for path in noted if _is_there(path)]
            if not alive:
                note.unlink()
            elif alive != noted:
                note.write_text("\n".join(alive))

    def _lock(self, name: str) -> FileLock:
        """A lock of all workers of this machine and user.

        Raises:
            OSError: There is no folder for it, or it is somebody else's.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._folder.lstat().st_uid != os.getuid():
            raise PermissionError(f"{self._folder} belongs to somebody else")
        return FileLock(self._folder / name)


def _is_there(path: str) -> bool:
    """Whether a process has a file open; one of another user's is none of ours."""
    try:
        return Path(path).exists()
    except OSError:
        return False
