"""The executor contract: what every executor must do, as tests to inherit."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import ClassVar

from lossweights.base.errors import WorkerError
from lossweights.executors import Batch, Ended, Event, Executor, Lost, Reported, Started, Waiting
from lossweights.records import Failure, Outcome
from lossweights.testing._contract_tools import (
    CONTRACT_SCRIPT,
    DIE,
    EXHAUST,
    EXIT,
    HANG,
    INFINITE,
    RAISE,
    WELL,
    member,
    train,
)
from lossweights.testing._fake import FakeTrainer
from lossweights.testing._rung_contract import IsolatedRungContract, RungContract


class ExecutorContract(RungContract):
    """What every executor must do; subclass it in a test module and say how to make yours.

    Needs pytest to run, but not to import.

    Attributes:
        holds: Whether yours holds the parameters that members ended with.
    """

    holds: ClassVar[bool] = False

    def make_executor(self, script: Path, folder: Path) -> Executor:
        """An executor for the sweep that a script declares, not started.

        Args:
            script: The script, as for ``lossweights run``.
            folder: For logs and the like.
        """
        raise NotImplementedError

    def make(self, folder: Path, epochs: int = 3) -> Executor:
        """An executor for the contract's sweep."""
        script = folder / "contract.py"
        script.write_text(f"EPOCHS = {epochs}\n{CONTRACT_SCRIPT}")
        return self.make_executor(script, folder)

    def test_says_what_it_trains_with(self, tmp_path: Path) -> None:
        """Slots, capacity and trainer are known once it has started."""
        with self.make(tmp_path) as executor:
            executor.start()
            assert executor.slots >= 1
            assert (executor.capacity, executor.trainer) == (4, "fake")
            assert len(executor.workers()) >= 1

    def test_every_batch_ends_once_with_a_result_for_each_member(self, tmp_path: Path) -> None:
        """Start, reports in order of epochs, end; whatever the number of batches."""
        batches = [Batch(key, (member(key + 1.0), member(0.1 + 0.2))) for key in range(5)]
        with self.make(tmp_path) as executor:
            executor.start()
            events = train(executor, batches)
        for batch in batches:
            mine = [event for event in events if event.batch == batch.key]
            assert isinstance(mine[0], Started)
            assert isinstance(mine[-1], Ended)
            assert all(isinstance(event, Reported) for event in mine[1:-1])
            for position, (each, result) in enumerate(
                zip(batch.members, mine[-1].results, strict=True)
            ):
                alone = FakeTrainer().train([each], lambda *_: True)[0]
                assert result.to_json() == alone.to_json()  # to the last bit
                seen = [
                    event.report.epoch
                    for event in mine
                    if isinstance(event, Reported) and event.position == position
                ]
                assert seen == sorted(set(seen))

    def test_batches_start_in_their_order(self, tmp_path: Path) -> None:
        """First come, first served."""
        with self.make(tmp_path) as executor:
            executor.start()
            events = train(executor, [Batch(key, (member(1.0),)) for key in range(12)])
        starts: dict[int, list[int]] = {}
        for event in events:
            if isinstance(event, Started):
                starts.setdefault(event.pid, []).append(event.batch)
        assert sorted(key for keys in starts.values() for key in keys) == list(range(12))
        # Workers that start at one moment may be heard in either order.
        assert all(keys == sorted(keys) for keys in starts.values())

    def test_numbers_that_are_not_finite_arrive_as_such(self, tmp_path: Path) -> None:
        """Infinity is no number in JSON, and must not become one on the way."""
        with self.make(tmp_path) as executor:
            executor.start()
            (ended,) = train(executor, [Batch(0, (member(seed=INFINITE),))])[-1:]
        assert isinstance(ended, Ended)
        assert ended.results[0].outcome is Outcome.DIVERGED
        assert [report.finite for report in ended.results[0].reports] == [True, False]

    def test_parameters_are_those_of_the_member(self, tmp_path: Path) -> None:
        """Of members that were trained to their ends, between batches, if they are held."""
        trained = [member(0.1 + 0.2), member(2.0), member(3.0)]
        batches = [Batch(key, (each, member(seed=RAISE))) for key, each in enumerate(trained)]
        batches += [Batch(3, tuple(trained)), Batch(4, (member(seed=INFINITE),))]
        with self.make(tmp_path) as executor:
            executor.start()
            found = []
            for batch in batches:
                train(executor, [batch])
                found.append([executor.parameters(each) for each in batch.members])
            found.append([executor.parameters(trained[0])])
        assert found[:3] == [[None, None]] * 3
        assert found[4] == [None]
        for each, parameters in zip([*trained, trained[0]], [*found[3], *found[5]], strict=True):
            assert (parameters is not None) is self.holds
            if parameters is not None:
                assert [array.tolist() for array in parameters] == [[1.0, each.weights["b"]]]

    def test_exceptions_lose_their_batch_alone(self, tmp_path: Path) -> None:
        """Code that raises, exits or asks for too much memory ends one batch, with its reason."""
        seeds = (RAISE, EXIT, EXHAUST, WELL)
        batches = [Batch(key, (member(seed=seed),)) for key, seed in enumerate(seeds)]
        with self.make(tmp_path) as executor:
            executor.start()
            ends = {e.batch: e for e in train(executor, batches) if isinstance(e, Ended | Lost)}
        lost = [ends[0], ends[1], ends[2]]
        assert all(isinstance(event, Lost) for event in lost)
        failures = [event.failure for event in lost if isinstance(event, Lost)]
        assert failures == [Failure.EXCEPTION, Failure.EXCEPTION, Failure.OUT_OF_MEMORY]
        assert isinstance(ends[0], Lost)
        assert ends[0].reason == "ValueError: no such thing"
        assert "in during" in ends[0].details
        assert isinstance(ends[3], Ended)

    def test_members_stop_alone(self, tmp_path: Path) -> None:
        """A member that is told to stop ends early; its neighbour trains to the end."""
        batch = Batch(0, (member(1.0), member(2.0)))
        with self.make(tmp_path, epochs=20_000) as executor:
            executor.start()
            told = False

            def listen(event: Event) -> None:
                nonlocal told
                if isinstance(event, Reported) and event.report.epoch >= 3 and not told:
                    executor.stop(0, [1])
                    told = True

            ended = train(executor, [batch], listen)[-1]
        assert isinstance(ended, Ended)
        first, second = ended.results
        assert (first.outcome, len(first.reports)) == (Outcome.COMPLETE, 20_001)
        assert second.outcome is Outcome.PRUNED
        assert 3 < len(second.reports) < 20_001

    def test_a_flood_of_reports_drowns_nobody(self, tmp_path: Path) -> None:
        """Results hold all reports; of live ones few arrive, but at rungs every one."""
        rungs = frozenset({10_000, 20_000})
        with self.make(tmp_path, epochs=20_000) as executor:
            executor.start()
            batch = Batch(0, (member(1.0),), rungs=rungs)

            def listen(event: Event) -> None:
                if isinstance(event, Waiting):
                    executor.go_on(0, event.epoch, [])

            *events, ended = train(executor, [batch], listen)
        assert isinstance(ended, Ended)
        assert len(ended.results[0].reports) == 20_001
        seen = [event.report.epoch for event in events if isinstance(event, Reported)]
        assert rungs <= set(seen)
        assert len(seen) + ended.dropped == 20_001

    def test_withdrawn_batches_never_start(self, tmp_path: Path) -> None:
        """What has not started can be given up, and nothing is told of it."""
        with self.make(tmp_path) as executor:
            executor.start()
            for key in range(50):
                executor.submit(Batch(key, (member(1.0),)))
            withdrawn = set(executor.withdraw())
            kept = set(range(50)) - withdrawn
            events = train(executor, [], wanted=len(kept))
        assert withdrawn
        assert {event.batch for event in events} == kept

    def test_close_gives_up_what_is_queued(self, tmp_path: Path) -> None:
        """Closing waits for nothing but the end of the workers."""
        executor = self.make(tmp_path)
        executor.start()
        for key in range(50):
            executor.submit(Batch(key, (member(1.0),)))
        executor.close()
        executor.close()


class IsolatedExecutorContract(ExecutorContract, IsolatedRungContract):
    """What an executor must do besides, if its workers can die without taking the driver along."""

    def test_a_worker_that_dies_is_found_and_replaced(self, tmp_path: Path) -> None:
        """Its batch is lost within a second, the next ones are trained."""
        with self.make(tmp_path) as executor:
            executor.start()
            batches = [Batch(0, (member(seed=DIE),)), Batch(1, (member(1.0),))]
            events = train(executor, batches)
        ends = {event.batch: event for event in events if isinstance(event, Ended | Lost)}
        assert isinstance(ends[0], Lost)
        assert ends[0].failure is Failure.WORKER_KILLED
        assert "SIGKILL" in ends[0].reason
        assert isinstance(ends[1], Ended)

    def test_a_worker_that_is_killed_is_found_within_a_second(self, tmp_path: Path) -> None:
        """From outside, in the middle of a training that would never end."""
        with self.make(tmp_path) as executor:
            executor.start()
            killed = 0.0

            def listen(event: Event) -> None:
                nonlocal killed
                if isinstance(event, Started):
                    killed = time.monotonic()
                    os.kill(event.pid, signal.SIGKILL)

            lost = train(executor, [Batch(0, (member(seed=HANG),))], listen)[-1]
            took = time.monotonic() - killed
        assert isinstance(lost, Lost)
        assert lost.failure is Failure.WORKER_KILLED
        assert took < 1.0

    def test_a_time_limit_ends_what_hangs(self, tmp_path: Path) -> None:
        """The batch is lost for that reason, the next one is trained."""
        with self.make(tmp_path) as executor:
            executor.start()
            batches = [Batch(0, (member(seed=HANG),), seconds=0.1), Batch(1, (member(1.0),))]
            events = train(executor, batches)
        ends = {event.batch: event for event in events if isinstance(event, Ended | Lost)}
        assert isinstance(ends[0], Lost)
        assert ends[0].failure is Failure.TIMEOUT
        assert isinstance(ends[1], Ended)

    def test_a_script_that_cannot_be_loaded_is_said_at_the_start(self, tmp_path: Path) -> None:
        """With the error of the script, not with a worker that dies again and again."""
        script = tmp_path / "broken.py"
        script.write_text("raise ValueError('no data today')")
        with self.make_executor(script, tmp_path) as executor:
            said = ""
            try:
                executor.start()
            except WorkerError as error:
                said = str(error)
        assert "no data today" in said

    def test_nothing_is_left_after_kill_and_close(self, tmp_path: Path) -> None:
        """Not even of workers that hang."""
        with self.make(tmp_path) as executor:
            executor.start()
            pids: list[int] = []
            executor.submit(Batch(0, (member(seed=HANG),)))
            while not pids:
                executor.poll(1.0, lambda e: pids.append(e.pid) if isinstance(e, Started) else None)
            executor.kill()
        for pid in pids:
            for _ in range(500):
                try:
                    os.kill(pid, 0)
                except ProcessLookupError:
                    break
                threading.Event().wait(0.01)  # until somebody has taken notice of its end
            else:
                raise AssertionError(f"worker {pid} is left")
