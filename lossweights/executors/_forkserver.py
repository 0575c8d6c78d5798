"""The process that workers are forked from, as the driver holds it, and workers that it forked."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lossweights.executors._environment import module_path, read_on_import, worker_environment

_MODULE = "lossweights.cli.forkserver"
HOPELESS = 2  # failures in a row after which workers are better started without it
_ENDED = "the process that workers are forked from was ended"
_ANSWER = 64  # bytes that a number takes at most


class Forkserver:
    """A process that has TensorFlow imported and forks workers.

    `start` returns at once: it imports beside this process. One that dies is started again with the
    next worker. Its workers end with it, and it ends with this process, whatever that has forked.

    Args:
        imports: Modules that take workers long to import.
    """

    def __init__(self, imports: Sequence[str] = ()) -> None:
        self._imports = tuple(imports)
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._changing = threading.Lock()
        self._failures = 0
        self._closed = False
        self._began_with: dict[str, str] = {}

    @staticmethod
    def is_possible() -> bool:
        """Whether this system can: it has to name processes by files, and signal them, as Linux."""
        try:
            with open(os.pidfd_open(os.getpid()), "rb") as file:  # noqa: PTH123  a file descriptor
                signal.pidfd_send_signal(file.fileno(), 0)
        except (AttributeError, OSError):  # another system, or a container that forbids it
            return False
        return hasattr(socket, "recv_fds")

    @property
    def is_hopeless(self) -> bool:
        """Whether it has failed again and again; workers are to be started without it."""
        return self._failures >= HOPELESS

    @property
    def pid(self) -> int | None:
        """Its process id; ``None`` before it is started."""
        return None if self._process is None else self._process.pid

    @property
    def is_outdated(self) -> bool:
        """Whether variables have changed that what it has imported has read."""
        return self._process is not None and self._began_with != read_on_import()

    def start(self) -> None:
        """Start the process, if it is not there."""
        with self._changing:
            self._start()

    def _start(self) -> socket.socket:
        if self._closed:
            raise OSError(_ENDED)
        if self._requests is not None and self._process is not None:
            if not _is_ending(self._process, self._requests):
                return self._requests
            self._requests.close()
            self._process.kill()
            self._process.wait()
        self._requests, theirs = socket.socketpair()
        self._began_with = read_on_import()
        with theirs, open(os.pidfd_open(os.getpid()), "rb") as us:  # noqa: PTH123  a file descriptor
            files = (theirs.fileno(), us.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, *map(str, files), *self._imports],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # a worker that cannot import says so itself
                stderr=subprocess.DEVNULL,
                env=worker_environment(1),  # one thread: what forks has no others
                pass_fds=files,
                process_group=0,
            )
        return self._requests

    def fork(self, pipe: int, output: int, cores: int, gpu: str | None = None) -> ForkedProcess:
        """Fork a worker, after what it needs is imported.

        Args:
            pipe: Its end of the pipe to the driver, an open file.
            output: An open file that it prints to.
            cores: How many threads its numerical libraries may use.
            gpu: The one card that it sees; see `worker_environment`.

        Raises:
            OSError: The process is gone, or cannot fork.
        """
        channel, theirs = socket.socketpair()
        try:
            with theirs, self._changing:
                socket.send_fds(self._start(), [b"f"], [pipe, output, theirs.fileno()])
            asked = {
                "environment": worker_environment(cores, gpu),
                "folder": str(Path.cwd()),
                "path": module_path(),
                "cores": cores,
            }
            channel.sendall(json.dumps(asked).encode() + b"\n")
            answer, files, _, _ = socket.recv_fds(channel, _ANSWER, 1)
            if not answer or not files:
                raise EOFError
        except (EOFError, OSError) as error:
            channel.close()
            if self._closed:
                raise OSError(_ENDED) from error
            self._failures += 1
            raise OSError("the process that workers are forked from has died") from error
        self._failures = 0
        return ForkedProcess(int(answer), files[0], channel)

    def kill(self) -> None:
        """End it now, and its workers; from a signal handler too."""
        self._closed = True
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()

    def close(self) -> None:
        """End it; no worker is left by then."""
        self.kill()
        with self._changing:
            if self._requests is not None:
                self._requests.close()
            if self._process is not None:
                self._process.wait()


def _is_ending(process: subprocess.Popen[bytes], requests: socket.socket) -> bool:
    """Whether it reads no more. A killed process lets go of its files before its end is told."""
    hung_up = select.poll()
    hung_up.register(requests, 0)
    return process.poll() is not None or bool(hung_up.poll(0))


class ForkedProcess:
    """A process that another one has forked for us, with what `subprocess.Popen` has.

    Args:
        pid: Its process id.
        file: An open file that stands for the process, whoever has its number later.
        channel: Where its exit code comes from.

    Attributes:
        pid: As given.
        returncode: Its exit code, negative for a signal; ``None`` as long as it is not known.
    """

    def __init__(self, pid: int, file: int, channel: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._file, self._channel = file, channel
        self._hearing = threading.Lock()  # its end is told once; `kill` does not take it
        # Not as soon as it has ended: another thread may be about to signal it.
        weakref.finalize(self, os.close, file)

    def poll(self) -> int | None:
        """Its exit code, ``None`` while it lives."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; its exit code. Several threads may.

        Raises:
            subprocess.TimeoutExpired: It lives on.
        """
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._file, select.POLLIN)
            if not poll.poll(None if timeout is None else 1000 * timeout):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            with self._hearing:
                if self.returncode is None:  # no other thread has heard it meanwhile
                    self.returncode = self._code()
                    self._channel.close()
        return self.returncode

    def _code(self) -> int:
        """What its parent tells of its end; nothing, if it was killed with its parent."""
        with suppress(OSError):
            answer = os.read(self._channel.fileno(), _ANSWER)
            if answer:
                return int(answer)
        return -signal.SIGKILL

    def kill(self) -> None:
        """End it now; from a signal handler too."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with suppress(OSError):  # it has ended
                signal.pidfd_send_signal(self._file, number)
