"""What one driver bears: 1,000 slots of a cluster that train nothing, so all time is the driver's.

    python benchmarks/cluster.py --trials 10000
    python benchmarks/cluster.py --trials 3000 --seconds 20

All of the driver's side is real: the supervisors, the pump, the loop, the sampler, result files and
study. Only the actors are made up, in one thread whose time is taken off; Ray need not be there.
With ``--seconds 0`` trainings end at once, and the driver says how many it bears in a second; else
each takes so long and reports after each epoch as often as workers of so many slots do.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import os
import platform
import resource
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue

from lossweights.base.versions import versions
from lossweights.executors import Node, RayExecutor, ReportLimit
from lossweights.executors._messages import parse, received_batch
from lossweights.sweep import _cluster as cluster
from lossweights.sweep import _telemetry as telemetry
from lossweights.sweep import _where as where
from lossweights.testing import FakeSweep, FakeTrainer

EPOCHS = 20
SCRIPT = (
    f"from lossweights.testing import FakeSweep\nsweep = FakeSweep('cluster', epochs={EPOCHS})\n"
)


class Simulation(threading.Thread):
    """All nodes of a cluster: does what is due, when it is due."""

    def __init__(self, seconds):
        super().__init__(daemon=True)
        self.seconds, self.count = seconds, Counter()
        self._tasks, self._due, self._order = SimpleQueue(), [], itertools.count()
        self.spent = 0.0

    def at(self, when, task):
        """Have something done at a time, on the clock of `time.monotonic`."""
        self._tasks.put((when, next(self._order), task))

    def run(self):
        """Do what is due."""
        while True:
            wait = self._due[0][0] - time.monotonic() if self._due else 1.0
            try:
                heapq.heappush(self._due, self._tasks.get(timeout=max(wait, 0.0)))
                while not self._tasks.empty():
                    heapq.heappush(self._due, self._tasks.get())
            except Empty:
                pass
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()
            self.spent = time.thread_time()


class Call:
    """A method of an actor."""

    def __init__(self, call):
        self.remote = call


class Answer:
    """What a call will give."""

    def __init__(self):
        self.given = Future()

    def future(self):
        """As Ray's references have it."""
        return self.given


class Actor:
    """A slot that trains nothing."""

    def __init__(self, simulation, number, load, fingerprint):
        self._simulation, self._load = simulation, load
        self._said, self._asked, self._beat = [], None, 0
        self.hear, self.tell = Call(self._hear), Call(self._tell)
        self.let_go = self.terminate = Call(
            lambda *_: self.later(lambda: self._say("gone", how="", tail=""))
        )
        here = {
            "node": f"{platform.node()}/{number:06x}",
            "node_id": f"{number:06x}",
            "pid": os.getpid(),
            "versions": versions(),
        }
        ready = {"trainer": "fake", "capacity": 1, "fingerprint": fingerprint}
        self.later(lambda: (self._say("here", **here), self._say("ready", **ready)))

    def later(self, task, seconds=0.0):
        """Do something in the thread of the simulation."""
        self._simulation.at(time.monotonic() + seconds, task)

    def _hear(self, seconds):
        answer = Answer()
        self.later(lambda: self._ask(answer, seconds))
        return answer

    def _ask(self, answer, seconds):
        self._asked, self._beat = answer, self._beat + 1
        beat = self._beat
        if self._said:
            self._give()
        else:
            self.later(lambda: beat == self._beat and self._give(), seconds)

    def _give(self):
        answer, self._asked = self._asked, None
        if answer is not None:
            self._beat += 1
            said, self._said = self._said, []
            self._simulation.count["answers"] += 1
            answer.given.set_result((said, b"", False))

    def _say(self, say, **content):
        self._said.append(json.dumps({"say": say, **content}).encode())
        self._simulation.count[say] += 1
        self._give()

    def _tell(self, number, data, _goes_on):
        self.later(lambda: self._train(parse(data)))

    def _train(self, message):
        if message["say"] != "batch":
            return
        batch, seconds = received_batch(message), self._simulation.seconds
        begun, reports = time.monotonic(), []
        results = FakeTrainer(EPOCHS).train(
            batch.members, lambda *report: reports.append(report) or True
        )
        step = seconds / (EPOCHS + 1)
        clock = iter([begun + step * report.epoch for _, report in reports])
        limit = ReportLimit(batch, self._load["report_seconds"], clock.__next__)
        self._say("started", batch=batch.key)
        for position, report in reports:
            if limit.passes(position, report.epoch):
                content = {"position": position, "report": report.to_json()}
                self.later(lambda content=content: self._say("report", batch=batch.key, **content),
                           step * report.epoch)  # fmt: skip
        self.later(lambda: self._end(batch, results, limit.dropped), seconds)

    def _end(self, batch, results, dropped):
        for position, result in enumerate(results):
            self._say("result", batch=batch.key, position=position, result=result.to_json())
        self._say("ended", batch=batch.key, dropped=dropped, memory=0)


class Cluster:
    """What stands for a connection to Ray."""

    def __init__(self, simulation, slots, fingerprint):
        self._simulation, self._slots, self._fingerprint = simulation, slots, fingerprint
        self._numbers = itertools.count()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def nodes(self):
        """Nodes of eight cores."""
        return [Node(8)] * -(-self._slots // 8)

    def place(self, location):
        """Nothing is copied."""
        return dict(location)

    def start(self, _slots, load, _carried, _avoided=()):
        """An actor."""
        return Actor(self._simulation, next(self._numbers), load, self._fingerprint)

    def kill(self, actor):
        """Nothing to end."""


def main():
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.0, help="of each training")
    options = parser.parse_args()
    simulation = Simulation(options.seconds)
    simulation.start()
    sweep = FakeSweep("cluster", epochs=EPOCHS)
    fingerprint = sweep.prepare(rehearse=False).fingerprint
    cluster.RayCluster = lambda *_: Cluster(simulation, options.slots, fingerprint)
    where.refuse_without_ray = lambda: None
    at: dict[str, list[float]] = {"begin": [], "end": []}

    def note(when):
        at[when] = [time.perf_counter(), time.process_time() - simulation.spent]

    started = RayExecutor.start
    RayExecutor.start = lambda self: (started(self), note("begin"))

    class Watch(telemetry.StatusBoard):
        """Notes when the last trial was safe: conclusions are not the driver's."""

        def trial_ended(self, finished):
            note("end")
            super().trial_ended(finished)

    telemetry.StatusBoard = Watch
    with tempfile.TemporaryDirectory() as root:
        script = Path(root) / "script.py"
        script.write_text(SCRIPT)
        sweep.run(
            options.trials,
            root=Path(root) / "mlruns",
            workers=options.slots,
            executor="ray",
            tracking=False,
            quiet=True,
            script=script,
        )
    wall, cpu = (end - begin for begin, end in zip(at["begin"], at["end"], strict=True))
    trials, slots, seconds = options.trials, options.slots, options.seconds
    print(f"{trials} trials of {seconds:g} s in {slots} slots: {wall:.1f} s")
    could = f" of {slots / seconds:.1f} that the slots could do" if seconds else ""
    print(f"{trials / wall:.1f} trials/s{could}")
    print(f"driver: {1000 * cpu / trials:.1f} ms of a core a trial, {cpu / wall:.0%} of a core")
    for said in ("answers", "report"):
        print(f"{said}: {simulation.count[said] / wall:.0f} a second")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
