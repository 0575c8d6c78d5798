"""How soon a driver knows that a worker, its actor or their node was killed, on a cluster here.

    pip install '.[ray]'
    python benchmarks/ray_faults.py --times 7

Two nodes of Ray on this machine, one of which joins anew for each kill of a node. Seconds from the
signal to the loss of the batch, as the driver's loop is told it, least, median and most.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="a" * 64, RAY_USAGE_STATS_ENABLED="0")
sys.path.insert(0, str(Path(__file__).parents[1]))

from lossweights.cli._script import load_sweep
from lossweights.executors import Batch, Lost, RayCluster, RayExecutor, Slots, Started
from lossweights.testing._contract_tools import CONTRACT_SCRIPT, HANG, member
from tests.ray.cluster import LocalCluster, parent_of


def main() -> None:
    """Kill, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=7, help="kills of each kind")
    times = parser.parse_args().times
    with ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="lwray-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = LocalCluster(folder)
        stack.callback(cluster.close)
        connection = stack.enter_context(RayCluster(cluster.address))
        script = Path(folder) / "contract.py"
        script.write_text(f"EPOCHS = 3\n{CONTRACT_SCRIPT}")
        fingerprint = load_sweep(script).prepare(rehearse=False).fingerprint
        executor = RayExecutor(connection, Slots(3), {"script": str(script)}, "auto", fingerprint)
        stack.callback(executor.close)
        stack.callback(executor.kill)
        executor.start()
        trial = Trial(executor)
        kinds: dict[str, Callable[[Started], None]] = {
            "worker": lambda begun: os.kill(begun.pid, signal.SIGKILL),
            "actor": lambda begun: os.kill(parent_of(begun.pid), signal.SIGKILL),
        }
        for kind, kill in kinds.items():
            told(kind, [trial.seconds(kill) for _ in range(times)])
        found = []
        for _ in range(times):
            node = cluster.add()
            name = node.node_id[:6]
            found.append(trial.seconds(lambda _, node=node: cluster.kill(node), name))
        told("node", found)


class Trial:
    """Kills what trains a batch that never ends.

    Args:
        executor: Trains it.
    """

    def __init__(self, executor: RayExecutor) -> None:
        self._executor, self._key = executor, 0

    def seconds(self, kill: Callable[[Started], None], node: str = "") -> float:
        """From the signal to the loss.

        Args:
            kill: Given what trains the batch.
            node: The end of the name of the node that is to train it; any, if empty.
        """
        begun = self._begin()
        others = []
        while not begun.node.endswith(node):
            others.append(begun)
            begun = self._begin()
        started = time.perf_counter()
        kill(begun)
        self._until(lambda event: isinstance(event, Lost) and event.batch == begun.batch)
        found = time.perf_counter() - started
        for other in others:
            os.kill(other.pid, signal.SIGKILL)
            self._until(lambda e, other=other: isinstance(e, Lost) and e.batch == other.batch)
        return found

    def _begin(self) -> Started:
        self._key += 1
        self._executor.submit(Batch(self._key, (member(seed=HANG),)))
        return self._until(lambda event: isinstance(event, Started))

    def _until(self, wanted: Callable[[object], bool]) -> Started:
        found: list[Started] = []
        while not found:
            self._executor.poll(0.05, lambda event: found.append(event) if wanted(event) else None)
        return found[0]


def told(kind: str, seconds: list[float]) -> None:
    """Print a row."""
    least, most = min(seconds), max(seconds)
    print(f"{kind:8}{least:8.3f}{statistics.median(seconds):8.3f}{most:8.3f}", flush=True)


if __name__ == "__main__":
    main()
