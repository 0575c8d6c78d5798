"""Signals: the first asks the sweep to stop, the second insists."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Windows has no SIGHUP, and a SIGBREAK for what closes a console.
_STOPPING = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)


class Interrupted(KeyboardInterrupt):
    """The sweep was stopped by a signal, and can be resumed.

    Attributes:
        signal: Its number; shells count a process that it ended as 128 and this.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = number


class Signals:
    """Turns SIGINT, SIGTERM and, where there is one, SIGHUP into an orderly end; a context manager.

    Inside `patiently` the first signal is only noted, for the driver to see; anywhere else, and
    for a second signal, `Interrupted` is raised where the program stands. Signals that are ignored,
    as under nohup, stay so. In a thread other than the main one nothing is changed.

    Attributes:
        received: The first signal, ``None`` as long as there was none.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._patient = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in _STOPPING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """The first signal is noted, not raised."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._patient or self.received is not None:
            self.received = number
            raise Interrupted(number)
        self.received = number
        os.write(2, b"\nStopping: what has ended is being kept. Once more to stop at once.\n")
