"""Why training failed, told from the exception or from how a process ended."""

from __future__ import annotations

import signal
import traceback

from lossweights.records import Failure

# TensorFlow's word for memory that cannot be had; by name, so that nothing need be imported.
_MEMORY_ERRORS = ("MemoryError", "ResourceExhaustedError", "OutOfMemoryError")


def failure_of(error: BaseException) -> tuple[Failure, str, str]:
    """The failure that an exception of a trainer means, its last line, and its traceback.

    >>> failure_of(MemoryError("17 GB"))[:2]
    (<Failure.OUT_OF_MEMORY: 'memory ran out'>, 'MemoryError: 17 GB')
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    failure = Failure.OUT_OF_MEMORY if names & set(_MEMORY_ERRORS) else Failure.EXCEPTION
    last = "".join(traceback.format_exception_only(error)).strip()
    return failure, last, "".join(traceback.format_exception(error))


def death(code: int | None) -> str:
    """How a process ended, as a clause.

    >>> death(-9)
    'was killed by SIGKILL, perhaps for lack of memory'
    >>> death(3)
    'exited with code 3'
    """
    if code is None:
        return "closed its pipe"
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (", perhaps for lack of memory" if code == -9 else "")
