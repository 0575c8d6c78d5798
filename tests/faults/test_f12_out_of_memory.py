"""F12: memory runs out in a trial."""

import pytest

from lossweights.base.errors import SweepFailed
from lossweights.executors._failures import failure_of
from lossweights.executors._supervisor import Supervisor
from lossweights.records import Failure

pytestmark = pytest.mark.faults

ALLOCATES = """
import resource
import numpy as np

def during(member, epoch):
    if epoch == 1 and {condition}:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        try:
            np.zeros(1 << 36, np.uint8)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (-1, resource.getrlimit(resource.RLIMIT_AS)[1]))

sweep = FakeSweep("fake", during=during, baselines=[{{"b": 1.5}}])
"""


def unlimited(text):
    """The script, with a soft limit that can be raised again."""
    return text.replace("(1 << 30, 1 << 30)", "(1 << 30, resource.RLIM_INFINITY)")


def test_f12_a_trial_that_needs_too_much_fails_alone(scripted):
    """Failed for that reason, not tried again, the others go on."""
    body = unlimited(ALLOCATES.format(condition="member.weights['b'] == 1.5"))
    script = scripted(body)
    script.run(6)
    assert script.outcomes() == {"COMPLETE": 5, "FAILED": 1}
    (failed,) = [f.result for f in script.results().values() if f.result.failure is not None]
    assert failed.failure is Failure.OUT_OF_MEMORY
    assert "64.0 GiB" in failed.reason
    assert "in during" in failed.details


def test_f12_three_in_a_row_stop_the_sweep(scripted):
    """Before a night is lost on a model that does not fit."""
    script = scripted(unlimited(ALLOCATES.format(condition="True")))
    with pytest.raises(SweepFailed, match="memory ran out") as raised:
        script.run(50)
    assert "3 failures in a row" in str(raised.value)
    assert script.outcomes()["FAILED"] in (3, 4)  # the other worker may have had one more


AT_MOST_THREE = """
stack = []

def during(member, epoch):
    if epoch == 0:
        stack.append(member)
    if epoch == 1 and len(stack) > 3:
        stack.clear()
        raise MemoryError("a stack of more than three")
    if epoch == 2:
        stack.clear()

sweep = FakeSweep("fake", during=during, capacity=8)
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_f12_a_stack_that_does_not_fit_is_halved_until_it_does(scripted, workers):
    """Nothing fails, retries or not; and no stack larger than what fitted is tried again."""
    script = scripted(AT_MOST_THREE)
    script.run(20, workers=workers, max_retries=0)
    assert script.outcomes() == {"COMPLETE": 20, "AGAIN": 7 + 4}


@pytest.mark.parametrize("workers", [0, 1])
def test_f12_stacks_of_which_nothing_fits_stop_the_sweep(scripted, workers):
    """A stack and its parts are one failure, each member alone is another: three are enough."""
    script = scripted(AT_MOST_THREE.replace("> 3", "> 0"))
    with pytest.raises(SweepFailed, match="memory ran out"):
        script.run(20, workers=workers)
    assert script.outcomes()["FAILED"] == 2


def test_f12_tensorflow_says_it_in_its_own_words():
    """By the name of the error, so that no TensorFlow is needed to tell."""
    error = type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor")
    failure, reason, _ = failure_of(error)
    assert failure is Failure.OUT_OF_MEMORY
    assert not failure.transient
    assert reason == "ResourceExhaustedError: OOM when allocating tensor".replace(
        "ResourceExhaustedError", f"{__name__}.ResourceExhaustedError"
    )


def test_f12_the_kernel_kills_without_a_word(scripted):
    """A worker that got signal 9 may have lacked memory: the reason says so."""
    script = scripted(
        "def during(member, epoch):\n"
        "    if epoch == 1 and once('killed'):\n        os.kill(os.getpid(), 9)\n"
        "sweep = FakeSweep('fake', during=during)"
    )
    script.run(3)
    (killed,) = [f.result for f in script.results().values() if f.again]
    assert "perhaps for lack of memory" in killed.reason


def test_f12_a_worker_that_has_grown_is_replaced(scripted, monkeypatch):
    """Memory that earlier trials left behind is given back between two batches."""
    made = []
    init = Supervisor.__init__

    def small(self, desk, number, start, logs, memory, *others):
        init(self, desk, number, start, logs, 1, *others)  # every worker holds more than a byte
        made.append(self)

    monkeypatch.setattr(Supervisor, "__init__", small)
    script = scripted(
        "def during(member, epoch):\n    (HERE / f'pid-{os.getpid()}').touch()\n"
        "sweep = FakeSweep('fake', during=during)"
    )
    script.run(4, workers=1)
    assert script.outcomes() == {"COMPLETE": 4}
    assert len(list(script.folder.glob("pid-*"))) == 4
    assert len(made) == 1
