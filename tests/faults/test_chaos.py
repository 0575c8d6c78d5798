"""Chaos: workers and drivers die, the server comes and goes, and the sums are right at the end."""

import random
import signal

import pytest

from lossweights.records import Outcome
from lossweights.results.folder import list_results

from .helpers import check_mlflow, check_sweep, eventually, kill

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(600)]

TRIALS, KILLS, DRIVER_KILLS = 200, 30, 6
# Five times the server goes, in each of its ways, and comes back.
OUTAGES = ("error", "refuse", "hang", "refuse", "error")
BOUNCES = [step for how in OUTAGES for step in (how, "accept")]

# Each training leaves a line, so that one that was trained twice is found.
BODY = """
def during(member, epoch):
    if epoch == 0:
        # Opened here: the number of an open file would be part of the script, as any other.
        ledger = os.open(HERE / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(ledger, f"{{os.getpid()}} {{member.weights['b']!r}}\\n".encode())
        os.close(ledger)
    threading.Event().wait(0.01)  # a training takes its time

sweep = FakeSweep("fake", during=during, capacity={capacity})
"""


class Chaos:
    """A sweep that is driven to its end whatever is done to it."""

    def __init__(self, script, server):
        self.script, self.server = script, server
        self.safe = []  # weights of complete trials, and how long the ledger was then
        self.process = None
        self.start()

    def start(self):
        """Start the driver, anew if there was one."""
        resume = ["--resume"] if (self.script.sweep_folder / "manifest.json").exists() else []
        self.process = self.script.start(
            "--tracking-uri", self.server.uri, *resume, trials=TRIALS, tracking=True
        )

    def ledger(self):
        """The trainings so far: process and weight."""
        path = self.script.folder / "ledger"
        lines = path.read_text().splitlines() if path.exists() else []
        return [tuple(line.split()) for line in lines]

    def complete(self):
        """The weights of the trials that are complete on the disk."""
        if not (self.script.sweep_folder / "trials").exists():
            return set()
        results = list_results(self.script.sweep_folder).values()
        done = [f for f in results if f.result.outcome is Outcome.COMPLETE]
        return {repr(f.result.weights["b"]) for f in done}

    def wait_for(self, trainings):
        """Wait until so many trainings have begun."""
        wanted = len(self.ledger()) + trainings
        while len(self.ledger()) < wanted:
            eventually(lambda: len(self.ledger()) >= wanted or self.ended(), seconds=60)
            if self.ended() and len(self.ledger()) < wanted:
                self.go_on()

    def ended(self):
        """Whether the driver has ended."""
        return self.process.poll() is not None

    def go_on(self):
        """Resume a sweep that gave up since three workers in a row were killed."""
        _, err = self.process.communicate()
        assert self.process.returncode == 70, "it ended before all was done to it: " + err
        assert "failures in a row" in err
        self.start()

    def kill_worker(self):
        """The worker that began the latest training."""
        kill(int(self.ledger()[-1][0]))

    def kill_driver(self):
        """The driver; what was complete by then is not to be trained again."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        self.safe.append((self.complete(), len(self.ledger())))
        self.start()

    def bounce(self, how):
        """The server goes, or falls silent, or comes back."""
        if how == "refuse":
            self.server.refuse()
        elif not self.server.listening:
            self.server.listen()
        self.server.mode = "error" if how == "refuse" else how


@pytest.mark.parametrize(
    ("seed", "capacity", "least", "most"), [(0, 1, 2, 4), (1, 4, 3, 6)], ids=["single", "stacks"]
)
def test_chaos(tracked, mlflow_server, monkeypatch, seed, capacity, least, most):
    """200 weight sets, 30 kills, a server bounced five times: every number is there, once."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")  # silent servers are given up as for users
    rng = random.Random(seed)
    script = tracked(BODY.format(capacity=capacity))
    chaos = Chaos(script, mlflow_server(script))
    kills = ["driver"] * DRIVER_KILLS + ["worker"] * (KILLS - DRIVER_KILLS)
    rng.shuffle(kills)
    places = sorted(rng.sample(range(KILLS + len(BOUNCES)), len(BOUNCES)))
    for place, bounce in zip(places, BOUNCES, strict=True):
        kills.insert(place, bounce)
    for event in kills:
        chaos.wait_for(rng.randint(least, most))
        if event == "driver":
            chaos.kill_driver()
        elif event == "worker":
            chaos.kill_worker()
        else:
            chaos.bounce(event)
    chaos.safe.append((chaos.complete(), len(chaos.ledger())))
    while chaos.process.wait(120) != 0:
        chaos.go_on()

    results = script.results()
    ended = [finished for finished in results.values() if not finished.again]
    assert len(ended) == TRIALS
    assert {f.result.outcome for f in ended} <= {Outcome.COMPLETE, Outcome.FAILED}
    weights = [f.result.weights["b"] for f in ended]
    assert len(set(weights)) == TRIALS, "a weight set was tried twice"
    again = [finished for finished in results.values() if finished.again]
    assert {f.asked.number for f in again} == {f.asked.retry_of for f in results.values()} - {None}
    ledger = chaos.ledger()
    for complete, length in chaos.safe:
        trained_later = {weight for _, weight in ledger[length:]}
        assert not trained_later & complete, "what was complete was trained again"
    check_sweep(script.root)
    check_mlflow(script.root)
    assert list(script.sweep_folder.glob("study.db*")) == [script.sweep_folder / "study.db"]
    print(f"{len(again)} trials were cut short and tried again, {len(ledger)} trainings in all")
