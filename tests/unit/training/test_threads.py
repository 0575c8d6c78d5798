"""TensorFlow has no more threads than a quota leaves cores."""

from types import SimpleNamespace

import pytest

from lossweights.training import threads


@pytest.fixture
def set_to(monkeypatch):
    """The numbers of threads that TensorFlow was set to, by name; nobody has said any."""
    found = {}
    fake = SimpleNamespace(
        get_intra_op_parallelism_threads=lambda: found.get("before", 0),
        set_intra_op_parallelism_threads=lambda number: found.update(intra=number),
        set_inter_op_parallelism_threads=lambda number: found.update(inter=number),
    )
    monkeypatch.setattr(threads, "tf", SimpleNamespace(config=SimpleNamespace(threading=fake)))
    monkeypatch.setattr(threads, "bound_cores", lambda: 64)
    monkeypatch.setattr(threads, "available_cores", lambda: 3)
    monkeypatch.delenv(threads.THREADS, raising=False)
    return found


def test_f40_a_quota_limits_threads(set_to):
    """Of operations and of what they are made of."""
    threads.limit_threads()
    assert set_to == {"intra": 3, "inter": 3}


@pytest.mark.parametrize(
    "said",
    [
        lambda found, patch: patch.setattr(threads, "available_cores", lambda: 64),
        lambda found, patch: patch.setenv(threads.THREADS, "9"),
        lambda found, patch: found.update(before=9),
    ],
    ids=["no quota", "the environment", "the program"],
)
def test_what_was_said_stays(set_to, monkeypatch, said):
    """And without a quota TensorFlow counts right by itself."""
    said(set_to, monkeypatch)
    threads.limit_threads()
    assert "intra" not in set_to


def test_a_tensorflow_that_runs_stays_as_it_is(set_to, monkeypatch):
    """It takes no other number any more."""

    def late(number):
        raise RuntimeError

    monkeypatch.setattr(threads.tf.config.threading, "set_intra_op_parallelism_threads", late)
    threads.limit_threads()
    assert set_to == {}
