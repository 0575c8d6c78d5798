"""Parameters of a member on their way from a worker: their shapes in a message, then bare bytes.

No pickles, as in `lossweights.executors._messages`: arrays of numbers and nothing else.
"""

from __future__ import annotations

import math
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossweights.base.errors import WorkerError
from lossweights.executors._kept import MOST_BYTES, Parameters
from lossweights.executors._messages import receive, send

_NUMBERS = "biufc"  # kinds of arrays that are nothing but their bytes


def send_parameters(pipe: Connection, parameters: Parameters | None) -> None:
    """Send parameters, or that there are none.

    Raises:
        OSError: The other end is gone.
    """
    if parameters is not None and any(a.dtype.kind not in _NUMBERS for a in parameters):
        parameters = None  # such as bfloat16, which is not numpy's own
    told = None if parameters is None else [[a.dtype.str, list(a.shape)] for a in parameters]
    send(pipe, "parameters", arrays=told)
    for each in parameters or ():
        pipe.send_bytes(each.tobytes())


def receive_parameters(pipe: Connection) -> Parameters | None:
    """Wait for what `send_parameters` sends.

    Raises:
        EOFError, OSError: The other end is gone, or sent more than it said.
        WorkerError: It sent something else.
    """
    message = receive(pipe)
    try:
        if message["say"] != "parameters":
            raise ValueError(message["say"])
        if message["arrays"] is None:
            return None
        forms = [_form(*each) for each in message["arrays"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WorkerError(f"Expected the shapes of parameters. Found: {error!r}.") from error
    sizes = [dtype.itemsize * math.prod(shape) for dtype, shape in forms]
    if sum(sizes) > MOST_BYTES:
        raise WorkerError(f"Expected at most {MOST_BYTES} bytes of parameters. Found {sum(sizes)}.")
    return [
        _array(pipe.recv_bytes(size), dtype, shape)
        for size, (dtype, shape) in zip(sizes, forms, strict=True)
    ]


def _form(name: object, shape: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    dtype, sizes = np.dtype(str(name)), tuple(map(int, shape))
    if dtype.kind not in _NUMBERS or any(size < 0 for size in sizes):
        raise ValueError((name, shape))
    return dtype, sizes


def _array(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if len(data) != dtype.itemsize * math.prod(shape):
        raise WorkerError(f"Expected parameters of the shape {shape}. Found {len(data)} bytes.")
    return np.frombuffer(data, dtype).reshape(shape)
