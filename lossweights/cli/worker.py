"""A worker process: it loads a sweep once, then trains batches until its driver wants no more.

Forked by `lossweights.cli.forkserver`, or started by `lossweights.executors` as
``python -m lossweights.cli.worker``, with the number of its pipe and the process id of its parent.
It holds no database and writes no file of the sweep.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NoReturn

from lossweights.base.autologging import autologging_off
from lossweights.base.quiet_start import quiet_start
from lossweights.cli._script import load_location
from lossweights.executors import Loaded, serve
from lossweights.foreign.generated_files import own_temporary_folder
from lossweights.sweep.abstract import AbstractSweep
from lossweights.sweep.carried import unpacked

if TYPE_CHECKING:
    from lossweights.data.once import Neighbours

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Work in a process of its own."""
    work(int(sys.argv[1]), int(sys.argv[2]))


def work(pipe: int, parent: int) -> NoReturn:
    """Serve the driver at the other end of a pipe.

    Args:
        pipe: Number of the open pipe.
        parent: Process id of the parent, with which this process ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to decide on
    faulthandler.enable()  # a crash in native code leaves its traceback in the log
    _die_with(parent)
    with ExitStack() as meanwhile:
        serve(Connection(pipe), partial(_load, meanwhile))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # taking TensorFlow down in order would keep the driver waiting for seconds


def _load(meanwhile: ExitStack, request: Mapping[str, Any], receive: Callable[[], bytes]) -> Loaded:
    sys.argv = list(request["arguments"])
    location = request["location"]
    sweep = _unpacked(receive()) if location is None else load_location(location)
    neighbours = _neighbours(request["once"])  # in the folder of temporary files of all
    # Not before: what the script opens has the numbers that it has in the driver.
    meanwhile.enter_context(own_temporary_folder())
    if request["settings"]:
        # Now, as the driver's were: what the script makes on import, it made before.
        from lossweights.training.settings import apply_settings

        apply_settings(request["settings"])
    with nullcontext() if neighbours is None else neighbours.turn():
        prepared = sweep.prepare(rehearse=False)
        if neighbours is not None:
            prepared = prepared.held_with(neighbours)
    if request["shared"] is not None:
        prepared = prepared.taking(request["shared"])
    meanwhile.enter_context(autologging_off())  # the script may have turned it on
    trainer = prepared.make_trainer(request["trainer"], request["members"])
    return Loaded(trainer, prepared.fingerprint, prepared.shared)


def _neighbours(once: Mapping[str, Any] | None) -> Neighbours | None:
    """What is known of other workers of this sweep, where they are to hold its data together."""
    if once is None:
        return None
    from lossweights.data.once import Neighbours  # Keras, which not every sweep needs

    return Neighbours(once["key"], once["nbytes"])


def _unpacked(carried: bytes) -> AbstractSweep:
    with quiet_start():
        sweep = unpacked(carried)
    assert isinstance(sweep, AbstractSweep)
    return sweep


def _die_with(parent: int) -> None:
    """End with the parent even in the middle of a training, where the kernel offers that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)  # it ended before this process could ask for that


if __name__ == "__main__":
    main()
