"""A kill in the middle of a rung: nothing is lost, and the same is decided."""

import pytest

from .helpers import kill

pytestmark = pytest.mark.faults

# Of the second wave one trial announces itself between the rungs, once, and hangs.
BODY = """
def during(member, epoch):
    if epoch == 3 and HANGS and member.weights["b"] == HANGS and once("hung"):
        announce()
        hang()

sweep = FakeSweep("fake", during=during, epochs=8, objectives={"cost": "minimize"}, prune=True,
                  capacity=CAPACITY)
"""


def body(capacity, hangs):
    """The script."""
    return f"HANGS, CAPACITY = {hangs!r}, {capacity}\n{BODY}"


def ends(script):
    """What was sampled at each place, and how it ended: retries in the place of the lost."""
    results, places, found = script.results(), {}, {}
    for number in sorted(results):
        asked, result = results[number].asked, results[number].result
        at = places[number] = places.get(asked.retry_of, len(found))
        found.setdefault(at, None)
        if not results[number].again:
            found[at] = (dict(asked.parameters), result.outcome.name, result.reason, result.metrics)
    return found


@pytest.mark.parametrize(
    ("victim", "capacity"),
    [
        ("driver", 4),
        ("worker", 1),
        pytest.param("driver", 1, marks=pytest.mark.slow),
        pytest.param("worker", 4, marks=pytest.mark.slow),
    ],
)
def test_a_kill_in_the_middle_of_a_rung_loses_nothing(scripted, victim, capacity):
    """The sweep goes on as one that nobody disturbed: the same trials stop at the same rungs."""
    whole = scripted(body(capacity, None))
    whole.run(24)
    expected = ends(whole)
    going = [found for place, found in expected.items() if place >= 8 and found[1] == "COMPLETE"]
    script = scripted(body(capacity, going[0][0]["b"]))
    process = script.start(trials=24, workers=2)
    worker = script.announced()
    kill(process.pid if victim == "driver" else worker)
    process.communicate()
    if victim == "driver":
        script.run(24, resume=True)
    assert ends(script) == expected
    outcomes = [outcome for _, outcome, *_ in expected.values()]
    assert outcomes.count("PRUNED") > 8
