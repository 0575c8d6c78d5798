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
from pathlib import Path
from typing import TYPE_CHECKING

from lossweights.base import _sieve
from lossweights.base.imports import around_import

if TYPE_CHECKING:
    import subprocess

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_ASKED_FOR = ("TF_CPP_MAX_VLOG_LEVEL", "TF_CPP_VMODULE")  # whoever sets these wants to read notes
_SECONDS = 0.5  # that the sieve may take to pass on what is left

_wanted = ContextVar("_wanted", default=False)
_sifting = threading.Lock()  # there is one file descriptor 2


@contextmanager
def quiet_start() -> Iterator[None]:
    """Within this context and thread, an import of TensorFlow writes no start-up notes.

    Nor does that TensorFlow write notes later, when it first compiles something or places an
    operation; warnings and errors it does. An import by anybody else stays as it is. What the
    environment says of ``TF_CPP_MIN_LOG_LEVEL`` counts: with 0, or with a level of verbose notes,
    the user has asked for the notes, and gets them.
    """
    asked_for = os.environ.get(_LEVEL) == "0" or any(name in os.environ for name in _ASKED_FOR)
    if "tensorflow" in sys.modules or asked_for:
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
    if os.name != "posix" or not sys.executable or getattr(sys, "frozen", False):
        return  # no such processes, or what runs here is not Python's own
    import subprocess  # only who imports TensorFlow needs it

    if not Path(_sieve.__file__).is_file():  # imported from an archive
        return
    stderr = os.dup(2)
    ending.callback(os.close, stderr)
    ready, theirs = os.pipe()
    with open(ready, "rb") as saying:  # noqa: PTH123  a file descriptor
        try:
            sieve = subprocess.Popen(
                [sys.executable, "-I", "-S", _sieve.__file__, str(theirs)],
                stdin=subprocess.PIPE,
                stdout=stderr,
                pass_fds=(theirs,),
                # Neither Ctrl-C nor a terminal that stops background writers is for it: it ends
                # when all has been read.
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        assert sieve.stdin is not None
        ending.callback(_wait_for, sieve)
        ending.callback(sieve.stdin.close)
        if not saying.read(1):  # it is no Python that was started
            return
    ending.callback(os.dup2, stderr, 2)
    os.dup2(sieve.stdin.fileno(), 2)


def _wait_for(sieve: subprocess.Popen[bytes]) -> None:
    """Wait for the end of the sieve, but not for a process that still writes through it.

    One that was started meanwhile, and goes on, may do so for long.
    """
    try:
        sieve.wait(_SECONDS)
    except Exception:  # it has not ended yet
        threading.Thread(target=sieve.wait, daemon=True).start()
