"""What driver and worker say to each other: JSON over a pipe, bounded and checked on arrival.

A worker runs code of the user's own, so nothing it sends is taken on trust: no pickles, no numbers
that are not numbers, no report of unlimited size. Each message is an object whose ``"say"`` names
it; the functions below make and read them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from lossweights.base.errors import WorkerError
from lossweights.base.sampled import value_of
from lossweights.executors._contract import Batch
from lossweights.loss.adaptive import method_json, method_of
from lossweights.records import EpochReport, TrialResult
from lossweights.training import Adaptive, Member, Standings

T = TypeVar("T")

MAX_BYTES = 64 << 20  # of one member's result: 40,000 epochs of 40 numbers each
MAX_KEYS = 256  # terms or metrics in one group of a report
MAX_TEXT = 4096  # characters of a name


def send(pipe: Connection, say: str, **content: Any) -> None:
    """Send a message.

    Raises:
        OSError: The other end is gone.
        ValueError: A number is not finite; `EpochReport.to_json` spells those as ``None``.
    """
    pipe.send_bytes(json.dumps({"say": say, **content}, allow_nan=False).encode())


def receive(pipe: Connection) -> dict[str, Any]:
    """Wait for a message.

    Raises:
        EOFError, OSError: The other end is gone.
        WorkerError: It sent something else than a message.
    """
    return parse(pipe.recv_bytes(MAX_BYTES))


def parse(data: bytes) -> dict[str, Any]:
    """The message that bytes hold.

    Raises:
        WorkerError: They hold none.

    >>> parse(b'{"say": "started", "batch": 3}')
    {'say': 'started', 'batch': 3}
    """
    try:
        message = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise WorkerError(f"Expected a message in JSON. Found: {error}.") from error
    if not isinstance(message, dict) or not isinstance(message.get("say"), str):
        raise WorkerError(f"Expected a message. Found {type(message).__name__}.")
    return message


def batch_message(batch: Batch) -> dict[str, Any]:
    """A batch as the content of a message."""
    return {
        "batch": batch.key,
        "members": [member_json(member) for member in batch.members],
        "rungs": sorted(batch.rungs),
    }


def member_json(member: Member) -> dict[str, Any]:
    """A member as plain JSON values."""
    adaptive = member.adaptive and {
        "method": method_json(member.adaptive.method),
        "units": dict(member.adaptive.units),
    }
    return {
        "weights": dict(member.weights),
        "seed": member.seed,
        "adaptive": adaptive,
        "tested": member.tested,
        **({"chosen": dict(member.chosen)} if member.chosen else {}),
    }


def received_member(value: Mapping[str, Any]) -> Member:
    """The member that `member_json` described."""
    adaptive = value["adaptive"] and Adaptive(
        method_of(value["adaptive"]["method"]), value["adaptive"]["units"]
    )
    chosen = {str(name): value_of(each) for name, each in value.get("chosen", {}).items()}
    return Member(value["weights"], int(value["seed"]), adaptive, bool(value["tested"]), chosen)


def received_batch(message: Mapping[str, Any]) -> Batch:
    """The batch that `batch_message` described."""
    members = tuple(map(received_member, message["members"]))
    return Batch(int(message["batch"]), members, rungs=frozenset(message["rungs"]))


def check_report(report: EpochReport) -> EpochReport:
    """The report itself, if it is of a size that one can have.

    Raises:
        WorkerError: It has too many terms or metrics, or their names are too long.
    """
    groups = (report.train, report.val, report.metrics, report.gram or {}, report.weights or {})
    for group in groups:
        if len(group) > MAX_KEYS or any(len(str(name)) > MAX_TEXT for name in group):
            raise WorkerError(
                f"Expected a report of at most {MAX_KEYS} terms and as many metrics, with names of "
                f"at most {MAX_TEXT} characters. Found {len(group)}. Report fewer numbers."
            )
    return report


def received_report(message: Mapping[str, Any], members: int) -> tuple[int, EpochReport]:
    """Position and report of a message about one member's epoch.

    Raises:
        WorkerError: It is no report of one of so many members.
    """
    position, report = _of_member(message, members, "report", EpochReport.from_json)
    return position, check_report(report)


def standings_content(standings: Standings) -> list[Any]:
    """How members stand at a rung, as the content of a message."""
    return [
        [position, metrics and {name: _plain(value) for name, value in metrics.items()}]
        for position, metrics in standings.items()
    ]


def received_standings(message: Mapping[str, Any], members: int) -> tuple[int, Standings]:
    """Epoch and standings of a message about a batch that waits at a rung.

    Raises:
        WorkerError: They are not those of so many members.
    """
    try:
        epoch = int(message["epoch"])
        standings = {
            int(position): None if metrics is None else _metrics(metrics)
            for position, metrics in message["standings"]
        }
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise WorkerError(f"Expected how members stand. Found: {error!r}.") from error
    if not all(0 <= position < members for position in standings):
        raise WorkerError(f"Expected how {members} members stand. Found {sorted(standings)}.")
    return epoch, standings


def _metrics(value: Mapping[str, Any]) -> dict[str, float]:
    if len(value) > MAX_KEYS or any(len(name) > MAX_TEXT for name in value):
        raise ValueError(f"{len(value)} metrics")
    return {name: math.nan if number is None else float(number) for name, number in value.items()}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def received_result(message: Mapping[str, Any], members: int) -> tuple[int, TrialResult]:
    """Position and result of a message about a member that was trained.

    Raises:
        WorkerError: It is no result of one of so many members, or its weights are not finite.
    """
    position, result = _of_member(message, members, "result", TrialResult.from_json)
    for report in result.reports:
        check_report(report)
    check_report(EpochReport(0, {}, {}, result.test))
    if not _sound(result):
        raise WorkerError(f"Expected a result with finite weights. Found {dict(result.weights)}.")
    return position, result


def _of_member(
    message: Mapping[str, Any], members: int, what: str, read: Callable[[Any], T]
) -> tuple[int, T]:
    """Position of a member in its batch, and what a message says of it."""
    try:
        position, value = int(message["position"]), read(message[what])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise WorkerError(f"Expected a {what}. Found: {error!r}.") from error
    if not 0 <= position < members:
        raise WorkerError(f"Expected a {what} of one of {members} members. Found {position}.")
    return position, value


def _sound(result: TrialResult) -> bool:
    return all(map(math.isfinite, (*result.weights.values(), result.seconds)))


def _refuse(constant: str) -> Any:
    raise ValueError(f"the constant {constant}")
