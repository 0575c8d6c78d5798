"""The process that workers are forked from: TensorFlow imported once, and never an operation run.

It imports what workers need while the driver does the same, and then forks a worker whenever the
driver asks, in milliseconds. A process that has run an operation of TensorFlow must not fork, so
that this one does nothing else.

The driver asks by one byte over a socket, with three open files: the worker's pipe, what it prints
to, and a channel. Over the channel go the request to the worker, and back from here its process id
with a file that stands for the process (`pidfd_open(2)`), and in the end its exit code.
"""

from __future__ import annotations

import json
import os
import random
import socket
import sys
import warnings
from collections.abc import Callable
from selectors import EVENT_READ, DefaultSelector

from lossweights.executors._environment import THREAD_COUNTS

Work = Callable[[int, int], None]  # serves the pipe of a number, for the parent of a process id
FILES = 3  # that come with a request


def serve_forks(requests: socket.socket, driver: int, work: Work) -> None:
    """Fork workers until the driver is gone.

    Args:
        requests: The driver's socket.
        driver: An open file that stands for the driver. What the user's code has forked there has
            the other end of the socket open too, and may live longer.
        work: What a worker does, with the number of its pipe and the id of this process.
    """
    children: dict[int, tuple[int, socket.socket]] = {}  # by their file: process id, channel
    with DefaultSelector() as selector:
        selector.register(requests, EVENT_READ)
        selector.register(driver, EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == driver:
                    return
                if key.fd != requests.fileno():
                    selector.unregister(key.fd)
                    _tell_end(key.fd, *children.pop(key.fd))
                    continue
                asked, files, _, _ = socket.recv_fds(requests, 1, FILES)
                if not asked:
                    return
                pipe, output, number = files
                channel = socket.socket(fileno=number)
                parent, pid = os.getpid(), _fork()
                if pid == 0:
                    selector.close()
                    requests.close()
                    os.close(driver)
                    for file, (_, other) in children.items():
                        os.close(file)
                        other.close()
                    _be_a_worker(pipe, output, channel, parent, work)
                os.close(pipe)
                os.close(output)
                file = os.pidfd_open(pid)
                children[file] = pid, channel
                selector.register(file, EVENT_READ)
                _tell(channel, pid, [file])


def _fork() -> int:
    with warnings.catch_warnings():
        # An allocator's thread of its own, which forks as the allocator provides for.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _tell_end(file: int, pid: int, channel: socket.socket) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(file)
    _tell(channel, os.waitstatus_to_exitcode(status))
    channel.close()


def _tell(channel: socket.socket, number: int, files: list[int] | None = None) -> None:
    line = f"{number}\n".encode()
    try:
        if files:
            socket.send_fds(channel, [line], files)
        else:
            channel.sendall(line)
    except OSError:
        pass  # the driver has let go of this worker


def _be_a_worker(pipe: int, output: int, channel: socket.socket, parent: int, work: Work) -> None:
    """Become what a fresh Python would be, work, and end."""
    code = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C reaches the driver alone
        with channel, channel.makefile("rb") as lines:
            asked = json.loads(lines.readline())
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        sys.path[:] = asked["path"]
        _be_random()
        _take_threads(asked["cores"])
        work(pipe, parent)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _be_random() -> None:
    """No two workers have the random numbers of their common parent."""
    random.seed()
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed()


def _take_threads(cores: int) -> None:
    """Have libraries that are loaded use as many threads as this worker has cores.

    TensorFlow reads its own numbers later, when it runs its first operation.
    """
    if cores == 1 or any(os.environ[name] != str(cores) for name in THREAD_COUNTS):
        return  # as they were loaded; or the user has said how many
    from threadpoolctl import threadpool_limits

    threadpool_limits(cores)
