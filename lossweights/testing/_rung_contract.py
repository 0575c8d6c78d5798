"""The executor contract at rungs: what waits is told of, goes on when told, and can be ended."""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path

from lossweights.executors import Batch, Ended, Event, Executor, Lost, Reported, Started, Waiting
from lossweights.records import Failure, Outcome
from lossweights.testing._contract_tools import INFINITE, member, train


class RungContract(ABC):
    """What every executor must do with batches that wait."""

    @abstractmethod
    def make(self, folder: Path, epochs: int = 3) -> Executor:
        """An executor for the contract's sweep."""

    def test_a_batch_waits_at_its_rungs(self, tmp_path: Path) -> None:
        """Until it is told who goes on; those that do not end there, and are told of no more."""
        batch = Batch(0, tuple(member(b) for b in (1.0, 2.0, 3.0)), rungs=frozenset({1, 3}))
        stops = {1: [2], 3: [0]}
        with self.make(tmp_path, epochs=5) as executor:
            executor.start()

            def listen(event: Event) -> None:
                if isinstance(event, Waiting):
                    executor.go_on(7, event.epoch, [0, 1, 2])  # another batch, or none
                    executor.go_on(0, event.epoch, stops[event.epoch])

            *events, ended = train(executor, [batch], listen)
        waits = [event for event in events if isinstance(event, Waiting)]
        assert [(event.epoch, sorted(event.standings)) for event in waits] == [
            (1, [0, 1, 2]),
            (3, [0, 1]),
        ]
        assert isinstance(ended, Ended)
        assert [result.outcome for result in ended.results] == [
            Outcome.PRUNED,
            Outcome.COMPLETE,
            Outcome.PRUNED,
        ]
        assert [len(result.reports) for result in ended.results] == [4, 6, 2]
        for event in waits:
            for position, metrics in event.standings.items():
                assert metrics == ended.results[position].reports[event.epoch].metrics
        for wait in waits:  # nobody trains beyond a rung before it is decided
            before = events[: events.index(wait)]
            epochs = [event.report.epoch for event in before if isinstance(event, Reported)]
            assert max(epochs) <= wait.epoch

    def test_how_members_stand_tells_what_diverged(self, tmp_path: Path) -> None:
        """It has no metrics to be compared by."""
        batch = Batch(0, (member(1.0), member(seed=INFINITE)), rungs=frozenset({2}))
        with self.make(tmp_path) as executor:
            executor.start()
            found = []

            def listen(event: Event) -> None:
                if isinstance(event, Waiting):
                    found.append(event.standings)
                    executor.go_on(0, event.epoch, [])

            train(executor, [batch], listen)
        (standings,) = found
        assert standings[0] is not None
        assert standings[1] is None

    def test_a_batch_that_waits_can_be_stopped(self, tmp_path: Path) -> None:
        """As one that trains: the sweep may end while it waits."""
        batch = Batch(0, (member(1.0), member(2.0)), rungs=frozenset({1}))
        with self.make(tmp_path) as executor:
            executor.start()

            def listen(event: Event) -> None:
                if isinstance(event, Waiting):
                    executor.stop(0, [0, 1])

            ended = train(executor, [batch], listen)[-1]
        assert isinstance(ended, Ended)
        assert [result.outcome for result in ended.results] == [Outcome.PRUNED] * 2
        assert [len(result.reports) for result in ended.results] == [2, 2]


class IsolatedRungContract(RungContract):
    """What an executor must do besides, if its workers can die without taking the driver along."""

    def test_a_worker_that_dies_while_it_waits_is_found(self, tmp_path: Path) -> None:
        """Its batch is lost, and nobody waits for it."""
        with self.make(tmp_path) as executor:
            executor.start()
            pids: list[int] = []

            def listen(event: Event) -> None:
                if isinstance(event, Started):
                    pids.append(event.pid)
                if isinstance(event, Waiting):
                    os.kill(pids[-1], signal.SIGKILL)

            batch = Batch(0, (member(1.0),), rungs=frozenset({1}))
            lost = train(executor, [batch], listen)[-1]
        assert isinstance(lost, Lost)
        assert lost.failure is Failure.WORKER_KILLED

    def test_waiting_takes_no_time_of_its_own(self, tmp_path: Path) -> None:
        """A batch may wait for longer than its time limit."""
        members = (member(1.0), member(2.0))
        batch = Batch(0, members, seconds=0.5, rungs=frozenset({1}))
        with self.make(tmp_path) as executor:
            executor.start()

            def listen(event: Event) -> None:
                if isinstance(event, Waiting):
                    time.sleep(1.0)
                    executor.go_on(0, event.epoch, [])

            ended = train(executor, [batch], listen)[-1]
        assert isinstance(ended, Ended)
