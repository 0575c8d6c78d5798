"""A sweep gives the same trials, to the bit, on a cluster and on this machine."""

from pathlib import Path

import pytest

from lossweights.cli._script import load_sweep
from lossweights.executors import RayExecutor
from lossweights.executors import _processes as processes
from lossweights.results.folder import list_results, sweep_folder
from lossweights.sweep._prepare import PreparedSweep
from lossweights.training import TrainingSetup

BIKE = Path(__file__).parents[2] / "sweeps" / "bike_demand.py"
TRIALS = 4


start = RayExecutor.start


def with_both(executor):
    """Start, and wait for the second worker too: the first would have trained all there is."""
    ready = []
    check = executor._check
    executor._check = lambda each: (check(each), ready.append(each))
    start(executor)
    while len(ready) < executor.slots:
        executor.poll(0.25, lambda event: None)


@pytest.mark.usefixtures("without_report")
def test_bike_demand_is_the_same_on_two_nodes(cluster, tmp_path, monkeypatch):
    """With the same stacks and threads: every report of every trial."""
    script = tmp_path / "code" / "bike_demand.py"
    script.parent.mkdir()
    script.write_text(BIKE.read_text(encoding="utf-8").replace("epochs=20", "epochs=2"))
    monkeypatch.setattr(
        PreparedSweep,
        "choose",
        lambda self, request: TrainingSetup("stacked", request.workers, members=2),
    )
    monkeypatch.setattr(processes, "available_cores", lambda: 2)  # a core for each, as the nodes
    monkeypatch.setattr(RayExecutor, "start", with_both)
    found = {}
    for executor, address in (("processes", None), ("ray", cluster.address)):
        root = tmp_path / executor
        load_sweep(script).run(
            TRIALS,
            root=root,
            workers=2,
            executor=executor,
            address=address,
            confirm=0,
            tracking=False,
            quiet=True,
            script=script,
        )
        found[executor] = list_results(sweep_folder(root, "bike-demand"))
    here, there = (
        {n: {**f.result.to_json(), "seconds": 0} for n, f in results.items()}
        for results in found.values()
    )
    assert len(here) == TRIALS
    assert here == there
    assert {each.node for each in found["processes"].values()} == {""}
    assert len({each.node for each in found["ray"].values()}) == 2
