"""A sweep folder claimed by this process: nobody else writes it as long as this one lives."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import ExitStack
from pathlib import Path

from lossweights.base.errors import StoreError, SweepLocked
from lossweights.base.files import remove_unfinished
from lossweights.results.locks import exclusive_lock, holder_file

TRIES = 5  # somebody who asks whether a sweep is running holds its lock for an instant
TRY_SECONDS = 0.02


class Claim:
    """The lock of a sweep folder, which is made if there is none.

    Args:
        folder: The sweep folder.
        name: Name of the sweep, for messages.

    Raises:
        SweepLocked: Another process has claimed it.
        StoreError: It cannot be made.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._lock_file = folder, folder / "lock"
        self._lock = ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"Expected a root folder that can be written. Found {folder}: {error}. "
                f"Choose another with --root, or change its rights."
            ) from error
        for attempt in range(1, TRIES + 1):
            try:
                lock = exclusive_lock(self._lock_file, f"The sweep {name!r}")
                self._lock.enter_context(lock)
                remove_unfinished(folder)
                return
            except SweepLocked:
                if attempt == TRIES:
                    raise
                time.sleep(TRY_SECONDS)

    def clear(self) -> None:
        """Remove all that is in the folder, but for the lock; the manifest, which makes it a sweep,
        goes last.
        """
        kept = (self._lock_file, holder_file(self._lock_file))
        for path in sorted(self._folder.iterdir(), key=lambda path: path.name == "manifest.json"):
            if path not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def remove(self) -> None:
        """Remove the folder, and with it the claim."""
        self.clear()
        if os.name == "nt":
            self.close()  # what is open cannot be removed there
        for path in (self._lock_file, holder_file(self._lock_file)):
            path.unlink(missing_ok=True)
        self._folder.rmdir()
        self.close()

    def close(self) -> None:
        """Give the claim up."""
        self._lock.close()
