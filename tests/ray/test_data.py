"""Large data are held once by all workers of a node, and are trained on as anywhere."""

from lossweights.cli._script import load_sweep
from lossweights.data import shared
from lossweights.executors import Batch, RayExecutor, Slots
from lossweights.testing._contract_tools import train
from lossweights.training import Member

from ..contract.test_shared_data import SCRIPT as ON_ONE_MACHINE
from .test_same_numbers import with_both

# On a node all data are large enough.
SCRIPT = ON_ONE_MACHINE.replace(
    "SCALE = []\n", "from lossweights.data import shared\nshared.LARGE = 1\nSCALE = []\n", 1
)


def test_the_workers_of_a_node_hold_one_copy(connection, tmp_path, monkeypatch):
    """Both read one file in memory, and come to the bits of data that nobody shares."""
    monkeypatch.setattr(shared, "LARGE", shared.LARGE)  # which the script sets here as well
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    member = Member({"mse": 1.0, "mae": 2.0}, seed=3)
    alone = load_sweep(script).prepare(rehearse=False)
    (here,) = alone.make_trainer("fit").train((member,), lambda *_: True)
    location = {"script": str(script)}
    executor = RayExecutor(
        connection, Slots(2), location, "fit", alone.fingerprint, tmp_path / "logs",
        data=alone.bytes_to_share,
    )  # fmt: skip
    with executor:
        with_both(executor)
        events = train(executor, [Batch(key, (member,)) for key in range(4)])
    there = [event.results[0] for event in events if hasattr(event, "results")]
    assert len(there) == 4
    for each in there:
        assert [r.to_json() for r in each.reports] == [r.to_json() for r in here.reports]
    logs = [path.read_text().splitlines() for path in (tmp_path / "logs").iterdir()]
    held = [[line for line in log if line.startswith("held")][-1] for log in logs]
    assert len(held) == 2
    assert len(set(held)) == 1
    assert len(held[0].split()) == 2
