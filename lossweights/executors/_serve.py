"""The worker's side of the pipe: batches in, reports and results out."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeAlias

from lossweights.base.memory import own_bytes
from lossweights.executors._contract import Batch
from lossweights.executors._failures import failure_of
from lossweights.executors._kept import KeptParameters
from lossweights.executors._limit import ReportLimit
from lossweights.executors._messages import (
    check_report,
    receive,
    received_batch,
    received_member,
    send,
    standings_content,
)
from lossweights.executors._parameters import send_parameters
from lossweights.foreign.generated_files import leave_temporary_folder, remove_generated_files
from lossweights.records import EpochReport
from lossweights.training import Halts, Standings, Trainer

# Given what the first message says, and what receives the sweep after it where that comes by value.
Load: TypeAlias = Callable[[Mapping[str, Any], Callable[[], bytes]], "Loaded"]


@dataclass(frozen=True)
class Loaded:
    """What a worker has loaded: the trainer, and the fingerprint of what it trains.

    Attributes:
        held: What is kept for as long as it trains, since others find data in it.
    """

    trainer: Trainer
    fingerprint: str
    held: object = None


def serve(pipe: Connection, load: Load) -> None:
    """Load the sweep that the first message names, then do what is asked, until the pipe ends.

    Args:
        pipe: To the driver.
        load: Loads what the first message says, or the sweep that comes after it by value. It
            receives that itself, so that nobody holds the bytes, which may be all data, once it
            has unpacked them.
    """
    try:
        request = receive(pipe)
        try:
            loaded = load(request, pipe.recv_bytes)
        except (Exception, SystemExit) as error:
            _, reason, details = failure_of(error)
            send(pipe, "broken", reason=reason, details=details)
            return
        trainer, kept = loaded.trainer, KeptParameters()
        send(
            pipe,
            "ready",
            trainer=trainer.name,
            capacity=trainer.capacity,
            fingerprint=loaded.fingerprint,
        )
        if request.get("warm_up"):
            _warm_up(trainer)
        while True:
            message = receive(pipe)
            if message["say"] == "batch":
                _train(trainer, received_batch(message), pipe, kept, request["report_seconds"])
            elif message["say"] == "parameters":
                send_parameters(pipe, kept.of(received_member(message["member"])))
            elif message["say"] == "log":
                _print_to(message["path"])
    except (EOFError, OSError):
        return  # the driver has gone, or wants no more
    finally:
        remove_generated_files()  # the end of TensorFlow may be cut short


def _warm_up(trainer: Trainer) -> None:
    """Compile while the driver gets its first batch ready."""
    try:
        trainer.warm_up()
    except Exception:  # a batch that fails for it is told of
        print(traceback.format_exc(), file=sys.stderr, flush=True)


def _print_to(path: str) -> None:
    """Go on printing to a file, after what was printed so far."""
    sys.stdout.flush()
    sys.stderr.flush()
    with open(path, "ab", buffering=0) as log:  # noqa: PTH123  no buffer between us and the file
        with suppress(OSError):  # the script has sent its output somewhere else
            log.write(os.pread(1, os.fstat(1).st_size, 0))
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _train(
    trainer: Trainer, batch: Batch, pipe: Connection, kept: KeptParameters, report_seconds: float
) -> None:
    limit = ReportLimit(batch, report_seconds)
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
            _end()
        return position not in stopped

    def wait(epoch: int, standings: Standings) -> Collection[int]:
        content = {"batch": batch.key, "epoch": epoch}
        try:
            send(pipe, "waiting", **content, standings=standings_content(standings))
            while True:
                message = receive(pipe)
                if message.get("batch") != batch.key:
                    continue
                if message["say"] == "stop":  # the driver ends the batch, or some of it
                    stopped.update(message["positions"])
                elif message["say"] == "go_on" and message["epoch"] == epoch:
                    stopped.update(message["stopped"])
                    break
                if stopped >= standings.keys():
                    break
            send(pipe, "going_on", batch=batch.key)
        except (EOFError, OSError):
            _end()
        return stopped

    send(pipe, "started", batch=batch.key)
    try:
        results = trainer.train(batch.members, report, Halts(batch.rungs, wait))
    except (Exception, SystemExit) as error:  # the user's code may raise anything at all
        failure, reason, details = failure_of(error)
        print(details, file=sys.stderr, flush=True)
        content: dict[str, Any] = {"reason": reason[:5000], "details": details[-5000:]}
        send(pipe, "lost", batch=batch.key, failure=failure.name, **content)
    else:
        kept.take(trainer, batch.members, results)
        for position, result in enumerate(results):  # one by one: a message has its limit
            send(pipe, "result", batch=batch.key, position=position, result=result.to_json())
        send(pipe, "ended", batch=batch.key, dropped=limit.dropped, memory=own_bytes())


def _end() -> NoReturn:
    """The driver has gone: whatever the user's code would catch, this ends."""
    leave_temporary_folder()
    os._exit(0)
