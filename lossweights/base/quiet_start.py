"""Leaving TensorFlow's start-up notes out of the output of a program.

TensorFlow's libraries write them to file descriptor 2 while they are loaded, before any setting of
TensorFlow's or Python's counts. All else that is written there, errors above all, is to be seen: at
once, and also where the process ends there and then, as TensorFlow ends it on a processor that it
was not built for. So a process of its own reads what is written meanwhile.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar

from lossweights.base import _sieve
from lossweights.base.imports import around_import

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_SECONDS = 5.0  # that the sieve may take to pass on what is left

_wanted = ContextVar("_wanted", default=False)
_sifting = threading.Lock()  # there is one file descriptor 2


@contextmanager
def quiet_start() -> Iterator[None]:
    """Within this context and thread, an import of TensorFlow writes no start-up notes.

    Nor does that TensorFlow write notes later, when it first compiles something; warnings and
    errors it does. Nothing else changes, nor does an import by anybody else. What the environment
    says of ``TF_CPP_MIN_LOG_LEVEL`` counts: with 0 the user has asked for the notes, and gets them.
    """
    if "tensorflow" in sys.modules or os.environ.get(_LEVEL) == "0":
        yield
        return
    around_import("tensorflow", _quietly)
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)


@contextmanager
def _quietly() -> Iterator[None]:
    if not _wanted.get():
        yield
        return
    with _sifted_stderr(), _no_notes_later():
        yield
        _look_for_devices()


@contextmanager
def _no_notes_later() -> Iterator[None]:
    """TensorFlow reads its level when it is loaded, and no more; so the environment stays as is."""
    if _LEVEL in os.environ:
        yield
        return
    os.environ[_LEVEL] = "1"  # no notes, but warnings
    try:
        yield
    finally:
        os.environ.pop(_LEVEL, None)


def _look_for_devices() -> None:
    """Have TensorFlow say that there is no driver, as it would at its first operation.

    Not where there is one: what the program sets before its first operation, such as
    ``CUDA_VISIBLE_DEVICES``, would come too late.
    """
    import ctypes  # only who imports TensorFlow needs it

    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        tensorflow = sys.modules["tensorflow"]
        with suppress(Exception):  # what is wrong shows where the program needs it
            if tensorflow.test.is_built_with_cuda():  # others have settings of their own
                tensorflow.config.list_physical_devices()


@contextmanager
def _sifted_stderr() -> Iterator[None]:
    """What anybody writes to file descriptor 2 meanwhile passes through the sieve."""
    if not _sifting.acquire(blocking=False):
        yield
        return
    try:
        with ExitStack() as ending:
            with suppress(OSError):  # no standard error, or no more processes: nothing is sifted
                _sift(ending)
            yield
    finally:
        _sifting.release()


def _sift(ending: ExitStack) -> None:
    """Put the sieve in front of standard error until the end, and then wait for what is left."""
    if not sys.executable or getattr(sys, "frozen", False):  # what runs here is not Python's own
        return
    import subprocess  # only who imports TensorFlow needs it

    def wait() -> None:
        # A process that was started meanwhile, and goes on, still writes through the sieve.
        with suppress(subprocess.TimeoutExpired):
            sieve.wait(_SECONDS)

    stderr = os.dup(2)
    ending.callback(os.close, stderr)
    sieve = subprocess.Popen(
        [sys.executable, "-I", "-S", _sieve.__file__],
        stdin=subprocess.PIPE,
        stdout=stderr,
        process_group=0,  # Ctrl-C is not for it: it ends when all has been read
    )
    ending.callback(wait)
    assert sieve.stdin is not None
    ending.callback(sieve.stdin.close)
    ending.callback(os.dup2, stderr, 2)
    os.dup2(sieve.stdin.fileno(), 2)
