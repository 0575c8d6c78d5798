"""F01 and F02 with Keras: what trains a stack of models in one graph is killed in the midst."""

import json

import numpy as np
import pytest

from lossweights.records import Failure
from lossweights.results.status import read_status

from .helpers import eventually, kill

pytestmark = [pytest.mark.faults, pytest.mark.slow]

TRIALS = 8  # of one stack, the largest for so few

BODY = """
import keras
import numpy as np
import lossweights as lw
from lossweights.executors import _limit, _pool

# Every report is spooled: the test sees how far the stack is.
_limit.REPORT_SECONDS = _pool.REPORT_SECONDS = 0.0
_pool.REPORTS_A_SECOND = float("inf")

def load_data():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3))
    y = x @ [[1.0], [-2.0], [0.5]] + 2 + 0.3 * rng.normal(size=(60, 1))
    return lw.Data(train=(x[:40], y[:40]), val=(x[40:], y[40:]))

def build_model():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

sweep = lw.Sweep(
    name="fake",
    build_model=build_model,
    load_data=load_data,
    terms={"mse": "mse", "under": lw.terms.Underestimation()},
    space={"mse": lw.Fixed(1.0), "under": lw.LogUniform(0.01, 100.0)},
    metrics={"rmse": lw.metrics.RMSE(), "shortfall": lw.metrics.Shortfall()},
    objectives={"rmse": "minimize", "shortfall": "minimize"},
    optimizer=keras.optimizers.SGD(0.01),
    epochs=400,
    batch_size=20,
)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, fake_programs):
    """The results of the sweep that nobody disturbs."""
    from .helpers import Scripted

    script = Scripted(tmp_path_factory.mktemp("undisturbed"), fake_programs, BODY)
    done = script.call(trials=TRIALS, workers=0)
    assert done.returncode == 0, done.stderr
    assert "trainer: stacked" in done.stderr
    results = script.results()
    script.close()
    return results


def wait_until_in_the_middle(script):
    """Wait until all members of the first stack have trained for some epochs."""

    def epochs():
        files = sorted((script.sweep_folder / "spool").glob("*.jsonl"))
        lines = [path.read_text().split("\n")[:-1] for path in files]
        return [json.loads(each[-1])["epoch"] for each in lines if each]

    eventually(lambda: len(found := epochs()) == TRIALS and min(found) >= 5, seconds=120)


def check_same(script, undisturbed):
    """The weights of the stack were tried again, all of them, and the numbers are as ever."""
    assert script.outcomes() == {"COMPLETE": TRIALS, "AGAIN": TRIALS}
    results = script.results()
    retries = {f.asked.retry_of: f for f in results.values() if f.asked.retry_of is not None}
    for number, wanted in undisturbed.items():
        again = retries[number]
        assert again.asked.parameters == wanted.asked.parameters
        last, expected = again.result.reports[-1], wanted.result.reports[-1]
        assert last.epoch == expected.epoch
        for name, value in expected.metrics.items():
            np.testing.assert_allclose(last.metrics[name], value, rtol=1e-5)
        cut_short = results[number].result
        assert [report.epoch for report in cut_short.reports][:5] == [0, 1, 2, 3, 4]
        assert len(cut_short.reports) < len(wanted.result.reports)


def test_f02_driver_killed_in_a_stack(scripted, undisturbed):
    """The stack trains in the driver itself and dies with it; resumed, the numbers are the same."""
    script = scripted(BODY)
    process = script.start(trials=TRIALS, workers=0)
    wait_until_in_the_middle(script)
    kill(process.pid)
    process.communicate()
    assert script.results() == {}
    done = script.call("--resume", trials=TRIALS, workers=0)
    assert done.returncode == 0, done.stderr
    check_same(script, undisturbed)
    failures = {f.result.failure for f in script.results().values() if f.again}
    assert failures == {Failure.INTERRUPTED}


def test_f01_worker_killed_in_a_stack(scripted, undisturbed):
    """A worker trains the stack: the driver finds it dead and has both halves trained."""
    script = scripted(BODY)
    process = script.start(trials=TRIALS, workers=1)
    wait_until_in_the_middle(script)
    (worker,) = read_status(script.root, "fake").workers
    kill(worker.pid)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "tried again, 4 at once" in err
    check_same(script, undisturbed)
    failures = {f.result.failure for f in script.results().values() if f.again}
    assert failures == {Failure.WORKER_KILLED}
