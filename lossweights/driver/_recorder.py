"""The thread that writes: results and study to the disk, then word of it to tracker and progress.

A commit costs a disk several flushes, 10 to 30 ms. The driver does not wait for them: the recorder
writes all that has come up since its last write in one group. Who counts a trial as ended, such as
MLflow or the progress bar, hears of it once it is safe on the disk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from lossweights.results.folder import Finished
from lossweights.store import Store

log = logging.getLogger("lossweights")

MAX_BEHIND = 512  # trials that may wait to be written; beyond, the driver waits
IDLE_SECONDS = 1.0


class Recorder:
    """Flushes a store from a thread of its own; a context manager.

    Args:
        store: The store; it is `behind` from now on.
        safe: Called in the thread with each trial whose result is on the disk.
        idle: Called in the thread about once a second.
    """

    def __init__(
        self, store: Store, safe: Callable[[Finished], None], idle: Callable[[], None]
    ) -> None:
        self._store, self._safe, self._idle = store, safe, idle
        self._due = threading.Event()
        self._closing = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="lossweights-recorder", daemon=True)

    def __enter__(self) -> Recorder:
        self._store.behind = True
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write what is left.

        Raises:
            StoreError: It cannot be written, unless something else went wrong before.
        """
        self._closing = True
        self._due.set()
        self._thread.join()
        self._store.behind = False
        try:
            self._flush()  # once more, should the disk have room again
        except Exception as failure:
            if error is None:
                raise
            log.warning("%s", failure)

    @property
    def error(self) -> Exception | None:
        """Why writing failed; nothing is written any more."""
        return self._error

    def wake(self) -> None:
        """There is something to write."""
        self._due.set()

    def wait(self) -> None:
        """Wait while too much is waiting."""
        while self._store.waiting > MAX_BEHIND and self._error is None:
            self._thread.join(0.01)

    def _run(self) -> None:
        while self._error is None:
            self._due.wait(IDLE_SECONDS)
            self._due.clear()
            try:
                self._flush()
                self._idle()
            except Exception as error:  # the driver sees it, and raises it in its own thread
                self._error = error
            if self._closing:
                return

    def _flush(self) -> None:
        while self._store.waiting:
            for finished in self._store.flush():
                self._safe(finished)
