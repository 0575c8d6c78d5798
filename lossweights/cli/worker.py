"""A worker process: it loads the sweep once, then trains batches until its pipe closes.

Started by `lossweights.executors` as ``python -m lossweights.cli.worker``, with the number of its
pipe and the process id of its driver. It holds no database and writes no file of the sweep.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lossweights.executors._contract import Batch
from lossweights.executors._failures import failure_of
from lossweights.executors._limit import ReportLimit
from lossweights.executors._messages import (
    check_report,
    read_batch,
    receive,
    send,
)
from lossweights.records import EpochReport
from lossweights.training._contract import Trainer

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Serve the driver that started this process."""
    pipe, driver = Connection(int(sys.argv[1])), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to decide on
    faulthandler.enable()  # a crash in native code leaves its traceback in the log
    _die_with(driver)
    serve(pipe)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # taking TensorFlow down in order would keep the driver waiting for seconds


def serve(pipe: Connection) -> None:
    """Load the sweep that the first message names, then train what comes, until the pipe ends."""
    try:
        request = receive(pipe)
        try:
            trainer, fingerprint = _load(request)
        except (Exception, SystemExit) as error:
            _, reason, details = failure_of(error)
            send(pipe, "broken", reason=reason, details=details)
            return
        send(
            pipe,
            "ready",
            trainer=trainer.name,
            capacity=trainer.capacity,
            fingerprint=fingerprint,
        )
        while True:
            message = receive(pipe)
            if message["say"] == "batch":
                _train(trainer, read_batch(message), pipe)
    except (EOFError, OSError):
        return  # the driver has gone, or wants no more


def _load(request: Mapping[str, Any]) -> tuple[Trainer, str]:
    from lossweights.cli._script import load_target
    from lossweights.store.manifest import digest

    prepared = load_target(request["target"]).prepare(rehearse=False)
    trainer = prepared.make_trainer(request["trainer"], request["members"])
    return trainer, digest(prepared.parts)


def _train(trainer: Trainer, batch: Batch, pipe: Connection) -> None:
    limit = ReportLimit(batch)
    stopped: set[int] = set()

    def report(position: int, epoch: EpochReport) -> bool:
        check_report(epoch)
        try:
            if limit.passes(position, epoch.epoch):
                content = {"position": position, "report": epoch.to_json()}
                send(pipe, "report", batch=batch.key, **content)
            while pipe.poll():
                message = receive(pipe)
                if message["say"] == "stop" and message["batch"] == batch.key:
                    stopped.update(message["positions"])
        except (EOFError, OSError):
            os._exit(0)  # the driver has gone: whatever the user's code would catch, this ends
        return position not in stopped

    send(pipe, "started", batch=batch.key)
    try:
        results = trainer.train(batch.members, report)
    except (Exception, SystemExit) as error:  # the user's code may raise anything at all
        failure, reason, details = failure_of(error)
        print(details, file=sys.stderr, flush=True)
        content: dict[str, Any] = {"reason": reason[:5000], "details": details[-5000:]}
        send(pipe, "lost", batch=batch.key, failure=failure.name, **content)
    else:
        for position, result in enumerate(results):  # one by one: a message has its limit
            send(pipe, "result", batch=batch.key, position=position, result=result.to_json())
        send(pipe, "ended", batch=batch.key, dropped=limit.dropped, memory=memory())


def memory() -> int:
    """Bytes of memory that this process holds; where /proc does not tell, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _die_with(driver: int) -> None:
    """End with the driver even in the middle of a training, where the kernel offers that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != driver:
        sys.exit(0)  # it ended before this process could ask for that


if __name__ == "__main__":
    main()
