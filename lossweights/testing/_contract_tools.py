"""What the tests of the executor contract share: their sweep, its members, and training them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lossweights.executors import Batch, Ended, Event, Executor, Lost
from lossweights.training import Member

# What the members of the contract's batches do is told by their seed.
WELL, RAISE, EXIT, EXHAUST, INFINITE, HANG, DIE = range(7)

CONTRACT_SCRIPT = """
import os, threading
from lossweights.records import EpochReport
from lossweights.testing import FakeSweep
from lossweights.testing._contract_tools import *

def during(member, epoch):
    if epoch == 1 and member.seed == RAISE:
        raise ValueError("no such thing")
    if epoch == 1 and member.seed == EXIT:
        raise SystemExit(3)
    if epoch == 1 and member.seed == EXHAUST:
        raise MemoryError("17 GB")
    if epoch == 1 and member.seed == INFINITE:
        bad = {"a": float("inf"), "b": float("nan")}
        return EpochReport(epoch, bad, bad, {"miss": 1.0, "cost": 1.0})
    if epoch == 1 and member.seed == HANG:
        threading.Event().wait()
    if epoch == 1 and member.seed == DIE:
        os.kill(os.getpid(), 9)

sweep = FakeSweep("contract", epochs=EPOCHS, during=during, capacity=4)
"""


def member(b: float = 1.0, seed: int = WELL) -> Member:
    """A member that does as its seed says."""
    return Member({"a": 1.0, "b": b}, seed)


def train(
    executor: Executor,
    batches: Sequence[Batch],
    listen: Callable[[Event], None] = lambda event: None,
    wanted: int | None = None,
) -> list[Event]:
    """Submit batches and wait until they have ended; what was told, in order."""
    events: list[Event] = []

    def hear(event: Event) -> None:
        events.append(event)
        listen(event)

    for batch in batches:
        executor.submit(batch)
    wanted = len(batches) if wanted is None else wanted
    while sum(isinstance(event, Ended | Lost) for event in events) < wanted:
        executor.poll(1.0, hear)
    return events
