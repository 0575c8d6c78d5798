"""What a worker says is checked on arrival."""

import json
from dataclasses import replace

import pytest

from lossweights.base.errors import WorkerError
from lossweights.executors import Batch
from lossweights.executors._messages import (
    MAX_KEYS,
    batch_message,
    parse,
    received_batch,
    received_report,
    received_result,
)
from lossweights.loss.adaptive import EnCodec
from lossweights.records import EpochReport
from lossweights.testing import FakeTrainer
from lossweights.training import Adaptive, Member

MEMBER = Member({"a": 1.0, "b": 4.0}, seed=3)
(RESULT,) = FakeTrainer(epochs=2).train([MEMBER], lambda *_: True)
REPORT = RESULT.reports[-1]
READERS = [(received_report, "report"), (received_result, "result")]


def said(kind, value, position=0):
    """A message about a member."""
    return {"position": position, kind: value.to_json()}


def test_a_batch_arrives_as_it_was_sent():
    """Members, seeds, and the epochs that a decision hangs on."""
    batch = Batch(7, (MEMBER, MEMBER), rungs=frozenset({1, 3}))
    assert received_batch(batch_message(batch)) == batch


def test_a_member_arrives_with_its_method_and_whether_it_is_tested():
    """With what its method was configured with, and its units."""
    adaptive = Adaptive(EnCodec(shares={"a": 0.25, "b": 0.75}), {"a": 1 / 3, "b": 1e-9})
    members = (MEMBER, replace(MEMBER, tested=True), replace(MEMBER, adaptive=adaptive))
    message = parse(json.dumps({"say": "train", **batch_message(Batch(1, members))}).encode())
    assert received_batch(message).members == members


def test_weights_and_test_metrics_have_a_bounded_size():
    """As all that a report holds."""
    many = dict.fromkeys(map(str, range(MAX_KEYS + 1)), 1.0)
    with pytest.raises(WorkerError, match=f"at most {MAX_KEYS} terms"):
        received_report(said("report", replace(REPORT, weights=many)), members=1)
    with pytest.raises(WorkerError, match=f"at most {MAX_KEYS} terms"):
        received_result(said("result", replace(RESULT, test=many)), members=1)


def test_reports_and_results_arrive_as_they_were_sent():
    """With the place of their member."""
    assert received_report(said("report", REPORT, 1), members=2) == (1, REPORT)
    assert received_result(said("result", RESULT), members=1) == (0, RESULT)


@pytest.mark.parametrize("position", [-1, 2, "x", None])
@pytest.mark.parametrize(("read", "kind"), READERS)
def test_a_member_that_is_not_in_the_batch_is_refused(read, kind, position):
    """The message says of how many it should have been."""
    value = {"report": REPORT, "result": RESULT}[kind]
    with pytest.raises(WorkerError, match=f"Expected a {kind}"):
        read(said(kind, value, position), members=2)


@pytest.mark.parametrize("value", [None, [], "text", {}, {"reports": 3}])
@pytest.mark.parametrize(("read", "kind"), READERS)
def test_what_is_none_is_refused(read, kind, value):
    """Whatever a worker's code may have sent."""
    with pytest.raises(WorkerError, match=f"Expected a {kind}"):
        read({"position": 0, kind: value}, members=1)


def test_a_report_has_a_bounded_size():
    """No flood of names."""
    many = dict.fromkeys(map(str, range(MAX_KEYS + 1)), 1.0)
    with pytest.raises(WorkerError, match=f"at most {MAX_KEYS} terms"):
        received_report(said("report", EpochReport(0, many, {}, {})), members=1)


@pytest.mark.parametrize("data", [b"[1]", b"{}", b'{"say": 3}', b"{", b'{"say": NaN}', b"\xff"])
def test_what_is_no_message_is_refused(data):
    """Strict JSON, an object, with a word that names it."""
    with pytest.raises(WorkerError, match="Expected a message"):
        parse(data)
