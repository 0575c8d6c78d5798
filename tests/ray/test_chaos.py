"""Chaos on a cluster: workers, actors and drivers die, and the sums are right at the end."""

import random
from contextlib import suppress

import pytest

from lossweights.records import Outcome

from ..faults import test_chaos as chaos
from ..faults.helpers import check_sweep, kill
from .cluster import parent_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

TRIALS = 40
KILLS = ["worker"] * 4 + ["actor"] * 2 + ["driver"] * 2


class ClusterChaos(chaos.Chaos):
    """Without a server: what is recorded is the driver's own."""

    def __init__(self, script):
        super().__init__(script, None)

    def start(self):
        """Start the driver, anew if there was one."""
        resume = ["--resume"] if (self.script.sweep_folder / "manifest.json").exists() else []
        self.process = self.script.start(*resume, trials=TRIALS)

    def kill_actor(self):
        """That which holds the worker that began the latest training."""
        with suppress(OSError):  # it has ended
            kill(parent_of(int(self.ledger()[-1][0])))

    def kill_worker(self):
        """That which began the latest training."""
        with suppress(OSError):
            super().kill_worker()


def test_chaos_on_a_cluster(scripted):
    """40 weight sets, 8 kills: every number is there, once."""
    rng = random.Random(0)
    script = scripted(chaos.BODY.format(capacity=1))
    disturbed = ClusterChaos(script)
    kills = [*KILLS]
    rng.shuffle(kills)
    for what in kills:
        disturbed.wait_for(rng.randint(2, 4))
        getattr(disturbed, f"kill_{what}")()
    disturbed.safe.append((disturbed.complete(), len(disturbed.ledger())))
    while disturbed.process.wait(120) != 0:
        disturbed.go_on()
    results = script.results()
    ended = [finished for finished in results.values() if not finished.again]
    assert len(ended) == TRIALS
    assert {f.result.outcome for f in ended} <= {Outcome.COMPLETE, Outcome.FAILED}
    assert len({f.result.weights["b"] for f in ended}) == TRIALS, "a weight set was tried twice"
    ledger = disturbed.ledger()
    for complete, length in disturbed.safe:
        assert not {weight for _, weight in ledger[length:]} & complete, "trained again"
    check_sweep(script.root)
