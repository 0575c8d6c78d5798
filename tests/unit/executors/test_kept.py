"""What members ended with is held while there is room, and arrives as it was sent."""

from dataclasses import replace
from multiprocessing import Pipe

import numpy as np
import pytest

from lossweights.base.errors import WorkerError
from lossweights.executors._kept import KeptParameters
from lossweights.executors._messages import send
from lossweights.executors._parameters import receive_parameters, send_parameters
from lossweights.loss.adaptive import EnCodec
from lossweights.records import Outcome, Replica
from lossweights.testing import FakeTrainer
from lossweights.training import Adaptive, Member


def members(*weights):
    """A member for each weight."""
    return [Member({"a": 1.0, "b": b}, seed=3) for b in weights]


def taken(kept, trained, **changes):
    """Have members trained and what they ended with held."""
    trainer = FakeTrainer(epochs=1)
    results = trainer.train(trained, lambda *_: True)
    kept.take(trainer, trained, [replace(result, **changes) for result in results])
    return kept


def held(kept, trained):
    """The weights in the place of parameters, of those that are held."""
    found = [kept.of(each) for each in trained]
    return [each if each is None else each[0].tolist() for each in found]


def test_a_member_is_known_by_what_decides_its_parameters():
    """Also one that came through a pipe, or is made of its result."""
    kept = taken(KeptParameters(), members(2.0, 0.1 + 0.2))
    again = Member({"b": 0.1 + 0.2, "a": 1}, 3, tested=True)
    assert held(kept, [again, *members(2.0)]) == [[1.0, 0.1 + 0.2], [1.0, 2.0]]
    others = [replace(again, seed=4), replace(again, chosen={"hyper/learning_rate": 0.1})]
    assert held(kept, [*others, *members(3.0)]) == [None] * 3


def test_the_oldest_go_where_there_is_no_room():
    """One that would fill it alone is not held at all; one that is trained again is the latest."""
    kept = KeptParameters(most=32)  # of 16 bytes each
    for weight in (1.0, 2.0, 1.0, 3.0):
        taken(kept, members(weight))
    assert held(kept, members(1.0, 2.0, 3.0)) == [[1.0, 1.0], None, [1.0, 3.0]]
    assert held(taken(KeptParameters(most=8), members(1.0)), members(1.0)) == [None]
    kept.clear()
    assert held(kept, members(1.0)) == [None]


@pytest.mark.parametrize(
    "changes", [{"outcome": Outcome.DIVERGED}, {"replicas": (Replica(3, {}), Replica(4, {}))}]
)
def test_what_is_no_winner_or_not_of_its_seed_is_not_held(changes):
    """Nor what a method of adaptive weighting moved."""
    assert held(taken(KeptParameters(), members(2.0), **changes), members(2.0)) == [None]
    moved = Member({"a": 1.0, "b": 2.0}, 3, Adaptive(EnCodec(), {"a": 1.0, "b": 1.0}))
    assert held(taken(KeptParameters(), [moved]), [moved, *members(2.0)]) == [None, None]


def passed(parameters):
    """What arrives of parameters."""
    ours, theirs = Pipe()
    with ours, theirs:
        send_parameters(theirs, parameters)
        return receive_parameters(ours)


def test_parameters_arrive_to_the_bit():
    """Whatever their shapes and types, if they are numpy's own."""
    arrays = [
        np.arange(6, dtype="float32").reshape(2, 3).T,
        np.array(3, dtype="int64"),
        np.zeros((0, 4), dtype="float16"),
        np.array([True, False]),
        np.array([np.nan, -0.0]),
    ]
    found = passed(arrays)
    assert [(a.dtype, a.shape, a.tobytes()) for a in found] == [
        (a.dtype, a.shape, a.tobytes()) for a in arrays
    ]
    assert passed(None) is None
    assert passed([np.array([object()])]) is None
    assert passed([]) == []


@pytest.mark.parametrize(
    ("arrays", "data"),
    [
        (7, []),
        ([["<f4"]], []),
        ([["|O", [1]]], []),
        ([["<f4", [-1]]], []),
        ([["<f8", [1 << 40]]], []),
        ([["<f4", [2]]], [b"1234"]),
    ],
)
def test_what_is_no_parameters_is_refused(arrays, data):
    """A worker may say anything."""
    ours, theirs = Pipe()
    with ours, theirs:
        send(theirs, "parameters", arrays=arrays)
        for each in data:
            theirs.send_bytes(each)
        with pytest.raises(WorkerError):
            receive_parameters(ours)
