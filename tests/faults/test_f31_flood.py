"""F31: a worker floods its driver with reports, or sends what is no report."""

import json

import pytest

from lossweights.base.errors import WorkerError
from lossweights.executors import _messages as messages
from lossweights.executors._contract import REPORT_SECONDS, Batch, Reported
from lossweights.executors._pool import MAX_WAITING_EVENTS
from lossweights.executors._processes import ProcessExecutor
from lossweights.records import EpochReport, Failure
from lossweights.testing import FakeTrainer
from lossweights.training import Member

pytestmark = pytest.mark.faults

REPORT = EpochReport(1, {"a": 1.0}, {"a": 1.0}, {"miss": 1.0})


@pytest.mark.slow
def test_f31_a_hundred_thousand_reports_end_as_one_result(scripted, monkeypatch):
    """Live ones are left out beyond one in 0.1 s; the result holds them all."""
    script = scripted("sweep = FakeSweep('fake', epochs=100_000)")
    seen = []
    poll = ProcessExecutor.poll

    def counting(self, timeout, listener):
        def listen(event):
            if isinstance(event, Reported):
                seen.append(event)
            listener(event)

        poll(self, timeout, listen)

    monkeypatch.setattr(ProcessExecutor, "poll", counting)
    script.run(1, workers=1)
    (finished,) = script.results().values()
    assert len(finished.result.reports) == 100_001
    assert 1 <= len(seen) < 100_001 * REPORT_SECONDS


def test_f31_reports_of_any_size_fail_their_trial(scripted):
    """More numbers than a report can have: the trial fails with a sentence, the others go on."""
    script = scripted(
        """
def during(member, epoch):
    if epoch == 1 and member.weights["b"] == 1.5:
        many = {f"metric-{i}": 1.0 for i in range(300)}
        return EpochReport(epoch, {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0}, many)

sweep = FakeSweep("fake", during=during, baselines=[{"b": 1.5}])
"""
    )
    script.run(3)
    assert script.outcomes() == {"COMPLETE": 2, "FAILED": 1}
    failed = script.results()[0].result
    assert failed.failure is Failure.EXCEPTION
    assert "at most 256" in failed.reason


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'{"say": 3}', b"\xff\xfe", b"[" * 100_000, b'{"say": NaN}',
     b'{"say": "report"', b'{"said": "x"}'],
    ids=lambda data: repr(data[:16]),
)  # fmt: skip
def test_f31_what_is_no_message_is_named(data):
    """Whatever bytes a worker sends, the driver gets one kind of error."""
    with pytest.raises(WorkerError, match="Expected a message"):
        messages.parse(data)


@pytest.mark.parametrize(
    "change",
    [{"position": 2}, {"position": -1}, {"position": None}, {"position": "x"}, {"report": None},
     {"report": {}}, {"report": {**REPORT.to_json(), "train": [1]}},
     {"report": {**REPORT.to_json(), "train": {"a": "x"}}},
     {"report": {**REPORT.to_json(), "metrics": {f"m{i}": 1.0 for i in range(257)}}},
     {"report": {**REPORT.to_json(), "metrics": {"m" * 5000: 1.0}}},
     {"report": {**REPORT.to_json(), "epoch": "x"}}],
    ids=lambda change: repr(change)[:40],
)  # fmt: skip
def test_f31_reports_are_checked_on_arrival(change):
    """A worker runs code of the user's own; nothing it sends is taken on trust."""
    message = {"say": "report", "batch": 0, "position": 1, "report": REPORT.to_json(), **change}
    with pytest.raises(WorkerError):
        messages.received_report(json.loads(json.dumps(message)), members=2)


RESULT = FakeTrainer().train([Member({"a": 1.0, "b": 2.0}, 0)], lambda *_: True)[0].to_json()


@pytest.mark.parametrize(
    "change",
    [{"position": 2}, {"position": None}, {"result": None}, {"result": {}},
     {"result": {**RESULT, "weights": {"a": float("inf")}}}, {"result": {**RESULT, "outcome": 3}},
     {"result": {**RESULT, "reports": [{}]}}, {"result": {**RESULT, "seconds": float("nan")}}],
    ids=lambda change: repr(change)[:40],
)  # fmt: skip
def test_f31_results_are_checked_on_arrival(change):
    """The same holds of the end of a training."""
    message = {"say": "result", "batch": 0, "position": 1, "result": RESULT}
    position, result = messages.received_result(message, members=2)
    assert (position, result.to_json()) == (1, RESULT)
    with pytest.raises(WorkerError):
        messages.received_result({**message, **change}, members=2)


def test_f31_results_of_a_large_stack_need_no_large_message(scripted, monkeypatch):
    """Each member's result is a message: what one of them may hold does not bound the stack."""
    script = scripted("sweep = FakeSweep('fake', capacity=64, epochs=30)")
    limit = 20_000  # bytes; that of one member here is less, that of all is more
    monkeypatch.setattr(messages, "MAX_BYTES", limit)
    script.run(64, workers=1)
    assert script.outcomes() == {"COMPLETE": 64}
    sizes = [len(json.dumps(f.result.to_json())) for f in script.results().values()]
    assert max(sizes) < limit < sum(sizes)


def test_f31_numbers_survive_the_pipe():
    """Batches, reports and what is not finite."""
    batch = Batch(3, (Member({"a": 0.1 + 0.2}, 7), Member({"a": 1e-300}, 2**32 - 1)), rungs={1, 5})
    message = messages.parse(json.dumps({"say": "x", **messages.batch_message(batch)}).encode())
    again = messages.received_batch(message)
    assert (again.key, again.members, again.rungs) == (3, batch.members, {1, 5})
    bad = EpochReport(1, {"a": float("inf")}, {"a": 1.0}, {"miss": float("nan")})
    message = {"position": 0, "report": json.loads(json.dumps(bad.to_json()))}
    _, report = messages.received_report(message, members=1)
    assert report.first_bad() == "term a"


def test_f31_events_that_nobody_takes_are_bounded(tmp_path):
    """While the driver is busy, reports beyond ten thousand are dropped; ends never are."""
    executor = ProcessExecutor(1, {"script": "none"}, "auto", "", tmp_path)
    for _ in range(MAX_WAITING_EVENTS + 100):
        executor.put(Reported(0, 0, REPORT))
    assert executor._events.qsize() == MAX_WAITING_EVENTS
    executor.put(WorkerError("said all the same"))
    assert executor._events.qsize() == MAX_WAITING_EVENTS + 1
