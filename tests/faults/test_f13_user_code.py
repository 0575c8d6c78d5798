"""F13: the user's own code raises, exits, or is where no worker can find it."""

import sqlite3
import threading
import traceback
from contextlib import closing

import keras
import pytest

from lossweights.base.errors import ModelError, SweepFailed, WorkerError
from lossweights.records import Failure
from lossweights.results.folder import list_results
from lossweights.testing import FakeSweep

from .helpers import check_mlflow, check_sweep
from .tiny import build_model, tiny_sweep

pytestmark = pytest.mark.faults


class Fails:
    """A `build_model` that works so many times, and then raises."""

    def __init__(self, good, error):
        self.good, self.error = good, error

    def __call__(self):
        """A model, or the error."""
        if self.good == 0:
            raise self.error
        self.good -= 1
        return build_model()


def test_f13_a_model_that_cannot_be_built_raises_at_once(root):
    """Before the first trial, with the user's own traceback; nothing is made on the disk."""
    with pytest.raises((ModelError, ZeroDivisionError)) as raised:
        tiny_sweep(build_model=lambda: 1 / 0).run(3, root=root, quiet=True)
    text = "".join(traceback.format_exception(raised.value))
    assert "ZeroDivisionError" in text
    assert "build_model=lambda: 1 / 0" in text
    assert not (root / "studies").exists()


class Raises(keras.layers.Layer):
    """A layer with a mistake in it."""

    def call(self, x):
        """The mistake."""
        return undefined_name + x  # noqa: F821


def raises(y_true, y_pred):
    """A term with a mistake in it."""
    return undefined_name * y_true  # noqa: F821


def model_that_raises():
    """A model whose layer raises when it is called, which is when it is built."""
    return keras.Sequential([keras.Input((1,)), Raises(), keras.layers.Dense(1)])


@pytest.mark.parametrize(
    ("change", "where"),
    [({"build_model": model_that_raises}, "in call"),
     ({"terms": {"mse": "mse", "own": raises}}, "in raises")],
    ids=["layer", "term"],
)  # fmt: skip
def test_f13_a_mistake_in_a_layer_or_a_term_raises_at_once(root, change, where):
    """The rehearsal calls every part once: the user's own traceback, before anything is made."""
    with pytest.raises(Exception, match="undefined_name") as raised:
        tiny_sweep(**change).run(3, root=root, quiet=True)
    assert where in "".join(traceback.format_exception(raised.value))
    assert not (root / "studies").exists()


@pytest.mark.parametrize(
    ("error", "says"),
    [(ValueError("odd shape"), "ValueError: odd shape"), (SystemExit(3), "SystemExit: 3")],
)
def test_f13_code_that_raises_later_fails_its_trial(root, error, says):
    """The traceback is kept in the result; not tried again; three in a row stop the sweep."""
    # Twice in the rehearsal, once for its size, once for the trainer, and for the first two trials.
    sweep = tiny_sweep(build_model=Fails(6, error))
    with pytest.raises(SweepFailed, match="3 failures in a row") as raised:
        sweep.run(9, root=root, workers=0, trainer="fit", tracking=False, quiet=True)
    assert says in str(raised.value)
    results = [f.result for f in list_results(root / "studies" / "tiny").values()]
    assert [result.outcome.name for result in results] == ["COMPLETE"] * 2 + ["FAILED"] * 3
    for failed in results[2:]:
        assert failed.failure is Failure.EXCEPTION
        assert failed.reason == says
        assert "in __call__" in failed.details
    check_sweep(root, "tiny")


RAISES = """
def during(member, epoch):
    if epoch == 1 and member.weights["b"] == 1.5:
        raise ValueError("no such column")

sweep = FakeSweep("fake", during=during, baselines=[{"b": 1.5}])
"""


def test_f13_the_traceback_is_in_the_log_and_in_mlflow(tracked):
    """Where people look for it."""
    script = tracked(RAISES)
    script.run(4, workers=1, tracking=True)
    assert script.outcomes() == {"COMPLETE": 3, "FAILED": 1}
    log = (script.sweep_folder / "logs" / "worker-1.log").read_text()
    assert 'raise ValueError("no such column")' in log
    with closing(sqlite3.connect(script.root / "mlflow.db")) as database:
        tags = database.execute(
            "SELECT value FROM tags JOIN runs USING (run_uuid) "
            "WHERE key = 'mlflow.note.content' AND status = 'FAILED'"
        ).fetchall()
    assert len(tags) == 1
    assert 'raise ValueError("no such column")' in tags[0][0]
    check_mlflow(script.root)


SEVERAL = """
from lossweights.search.space import LogUniform

def during(member, epoch):
    if epoch == 1 and member.weights["b"] < 2:
        raise ValueError("one kind")
    if epoch == 1 and member.weights["b"] < 3:
        raise MemoryError("another")

sweep = FakeSweep("fake", during=during, space={"a": 1.0, "b": LogUniform(1.0, 100.0)},
                  baselines=[{"b": x} for x in (1.5, 2.5, 1.6, 2.6, 1.7, 10.0)])
"""


def test_f13_failures_for_different_reasons_do_not_add_up(scripted):
    """Three in a row for one reason stop a sweep; bad luck of several kinds does not."""
    script = scripted(SEVERAL)
    script.run(6, workers=0)
    assert script.outcomes() == {"COMPLETE": 1, "FAILED": 5}


def test_f13_a_sweep_inside_a_function_is_told_where_to_go(root):
    """Workers import it again, or get it pickled: what cannot be has to be in a file."""
    lock = threading.Lock()
    sweep = FakeSweep("local", during=lambda member, epoch: lock.locked() and None)
    with pytest.raises(WorkerError, match="top level of a script") as raised:
        sweep.run(3, root=root, workers=1, tracking=False, quiet=True)
    assert "workers=0" in str(raised.value)


def test_f13_closures_and_lambdas_do_no_harm(scripted):
    """Nothing of a script is pickled: it may hold what no pickle takes."""
    script = scripted(
        """
def make():
    lock = threading.Lock()
    return lambda member, epoch: lock.acquire() and lock.release()

sweep = FakeSweep("fake", during=make())
"""
    )
    script.run(3, workers=1)
    assert script.outcomes() == {"COMPLETE": 3}


def test_f13_a_script_without_a_main_guard_is_told_so(scripted):
    """A worker that would run the sweep itself stops; if it cannot be pickled, it is said why."""
    script = scripted("sweep = FakeSweep('fake')\nsweep.main()\n")
    done = script.call(trials=2, workers=1)
    assert done.returncode == 0, done.stderr
    assert script.outcomes() == {"COMPLETE": 2}


def test_f13_a_script_without_a_main_guard_that_no_pickle_takes(scripted):
    """Both are named: the way of the script, and what would be in the way of a pickle."""
    script = scripted(
        """
def make():
    lock = threading.Lock()
    return lambda member, epoch: lock.acquire() and lock.release()

sweep = FakeSweep("fake", during=make())
sweep.main()
"""
    )
    done = script.call(trials=2, workers=1)
    assert done.returncode == 70
    assert "_during" in done.stderr
    assert "if __name__ == '__main__'" in done.stderr
