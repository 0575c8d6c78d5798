"""A worker process as its parent holds it: start, pipe, exit code, and an end that is certain."""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from multiprocessing import Pipe
from pathlib import Path
from typing import IO, Any, cast

from lossweights.executors._environment import worker_environment
from lossweights.executors._failures import death
from lossweights.executors._forkserver import ForkedProcess, Forkserver
from lossweights.executors._kept import Parameters
from lossweights.executors._messages import MAX_BYTES, member_json, parse, send
from lossweights.executors._parameters import receive_parameters
from lossweights.training import Member

ANSWER_SECONDS = 10.0  # in which a worker that trains nothing answers
LOOK_SECONDS = 0.25  # how often a silent worker is looked at: its pipe may outlive it in a child
TERMINATE_SECONDS = 10.0  # from SIGTERM to SIGKILL
CLOSE_SECONDS = 3.0  # from a closed pipe to SIGKILL
LOG_TAIL_BYTES = 4000


class Child:
    """One worker process and this end of its pipe.

    It is forked from a process that has TensorFlow imported and nothing run, or else a fresh
    Python, never a fork of this process: a TensorFlow that has run does not survive forking. It
    stands in a process group of its own, so that Ctrl-C reaches the driver alone.

    Args:
        log: File that its output is appended to; ``None`` keeps it in a file without a name, until
            `log_to` says where to.
        cores: How many threads its numerical libraries may use.
        forkserver: What it is forked from, if there is such a process.
        gpu: The one card that it sees; see `worker_environment`.

    Attributes:
        node: Empty: it is on this machine.

    Raises:
        OSError: It could not be started.
    """

    node = ""

    def __init__(
        self,
        log: Path | None,
        cores: int,
        forkserver: Forkserver | None = None,
        gpu: str | None = None,
    ) -> None:
        self.pipe, theirs = Pipe()
        self._send_lock = threading.Lock()
        self._log, self._log_start = log, 0 if log is None else _end_of(log)
        self._unnamed: IO[bytes] | None = None
        if log is None:
            self._unnamed = tempfile.TemporaryFile()  # noqa: SIM115  closed with the last look
        with ExitStack() as ours:
            ours.enter_context(theirs)
            output = self._unnamed or ours.enter_context(_made(cast("Path", log)).open("ab"))
            self._process: subprocess.Popen[bytes] | ForkedProcess
            if forkserver is None or forkserver.is_hopeless:
                self._process = _spawned(theirs.fileno(), output, cores, gpu)
            else:
                self._process = forkserver.fork(theirs.fileno(), output.fileno(), cores, gpu)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, say: str, **content: Any) -> None:
        """Send a message; from any thread.

        Raises:
            OSError: The process is gone.
        """
        with self._send_lock:
            send(self.pipe, say, **content)

    def send_bytes(self, *data: bytes | mmap.mmap) -> None:
        """Send messages as they are, or what is none after one that announces it.

        Raises:
            OSError: The process is gone.
        """
        with self._send_lock:
            for each in data:
                self.pipe.send_bytes(each)

    def hear(self) -> dict[str, Any]:
        """The next message of the worker.

        Raises:
            EOFError, OSError: The worker is dead; a child of its own may keep the pipe open.
            WorkerError: It sent something else than a message.
        """
        return parse(self.hear_bytes())

    def hear_bytes(self) -> bytes:
        """The bytes of its next message.

        Raises:
            EOFError, OSError: As `hear`.
        """
        while not self.pipe.poll(LOOK_SECONDS):
            if self.exited() and not self.pipe.poll():
                raise EOFError
        return self.pipe.recv_bytes(MAX_BYTES)

    def parameters(self, member: Member) -> Parameters | None:
        """What a member ended with, if it still has it; between batches.

        Raises:
            EOFError, OSError: It is gone, or does not answer.
            WorkerError: It sent something else.
        """
        self.send("parameters", member=member_json(member))
        if not self.pipe.poll(ANSWER_SECONDS):
            raise EOFError(f"worker {self.pid} does not answer")
        return receive_parameters(self.pipe)

    def log_to(self, log: Path) -> None:
        """Have its output appended to a file from now on, with what there was of it so far.

        Raises:
            OSError: The process is gone.
        """
        self._log, self._log_start = log, _end_of(log)
        _made(log)
        self.send("log", path=str(log))

    def exited(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the process now; from a signal handler too."""
        if self._process.returncode is None:
            self._process.kill()

    def terminate(self) -> None:
        """End the process, softly if it lets us, and wait for that."""
        self._process.terminate()
        self._wait(TERMINATE_SECONDS)

    def close(self) -> int | None:
        """Close the pipe, which ends an idle worker; its exit code, ``None`` if it took a kill."""
        with self._send_lock:
            self.pipe.close()
        return self._wait(CLOSE_SECONDS)

    def let_go(self) -> None:
        """Say that nothing more comes, which ends an idle worker; while another thread hears it."""
        with socket.socket(fileno=os.dup(self.pipe.fileno())) as pipe:
            pipe.shutdown(socket.SHUT_WR)

    def output(self, start: int, most: int) -> bytes:
        """What it has printed to its file without a name, from a place on; while it lives, too."""
        unnamed = self._unnamed
        if unnamed is None or unnamed.closed:
            return b""
        return os.pread(unnamed.fileno(), most, start)

    def end(self) -> tuple[str, str]:
        """Let an idle worker end; how it ended, and the last that it wrote."""
        return death(self.close()), self.log_tail()

    def _wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None

    def log_tail(self) -> str:
        """The last that this process wrote, whatever bytes; asked once, when it is over."""
        data = b""
        if self._log is not None and self._log.exists():
            with self._log.open("rb") as stream:
                data = _tail(stream, self._log_start)
        if self._unnamed is not None:
            with self._unnamed as unnamed:
                data = data or _tail(unnamed, 0)
        return data.decode("utf-8", "backslashreplace")


def _spawned(pipe: int, output: IO[bytes], cores: int, gpu: str | None) -> subprocess.Popen[bytes]:
    """A fresh Python, for which TensorFlow takes seconds to import."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lossweights.cli.worker", str(pipe), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=worker_environment(cores, gpu),
        pass_fds=(pipe,),
        process_group=0,
    )


def _made(log: Path) -> Path:
    """A log whose folder is there."""
    log.parent.mkdir(parents=True, exist_ok=True)
    return log


def _end_of(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _tail(stream: IO[bytes], start: int) -> bytes:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(start, size - LOG_TAIL_BYTES))
    return stream.read()
