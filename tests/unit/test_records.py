"""Reports and results: plain numbers that survive their files, finite or not."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossweights.base.strict_json import dump_json, parse_json
from lossweights.records import EpochReport, Outcome, Replica, TrialResult

from .samples import finished

numbers = st.floats(allow_nan=True, allow_infinity=True)
groups = st.fixed_dictionaries({"mse": numbers, "under": numbers})
epoch_reports = st.builds(
    EpochReport,
    st.integers(0, 1000),
    groups,
    groups,
    st.dictionaries(st.sampled_from(["rmse", "bias"]), numbers),
    st.none() | st.just("term mse"),
)
results = st.builds(
    TrialResult,
    weights=st.fixed_dictionaries({"mse": st.floats(0, 1e30), "under": st.floats(0, 1e30)}),
    seed=st.integers(0, 2**32 - 1),
    outcome=st.sampled_from(Outcome),
    reports=st.lists(epoch_reports, max_size=4).map(tuple),
    reason=st.text(max_size=20),
    seconds=st.floats(0, 1e9),
    trainer=st.sampled_from(["fit", "stacked"]),
)


def through_json(result):
    """The result as another process reads it."""
    return TrialResult.from_json(parse_json(dump_json(result.to_json()).encode()))


@given(results)
def test_results_survive_their_file(result):
    """Weights and finite numbers come back to the last bit, what was not finite as NaN."""
    again = through_json(result)
    assert (again.weights, again.seed, again.outcome) == (
        result.weights,
        result.seed,
        result.outcome,
    )
    for split in ("train", "val"):
        before, after = result.magnitudes(split), again.magnitudes(split)
        np.testing.assert_array_equal(after, np.where(np.isfinite(before), before, np.nan))
    metrics = {k: v if math.isfinite(v) else math.nan for k, v in result.metrics.items()}
    assert again.metrics == pytest.approx(metrics, rel=0, abs=0, nan_ok=True)
    assert [report.finite for report in again.reports] == [r.finite for r in result.reports]
    assert through_json(again).to_json() == again.to_json()


@pytest.mark.parametrize("reason", ["\ud800 lone", "x\udcff", "nul \0", "é ✓", "x" * 100_000])
def test_no_reason_makes_a_result_unreadable(reason):
    """An error message may hold anything: bytes that were no text, or a whole graph."""
    again = through_json(finished(0, outcome=Outcome.FAILED, reason=reason).result)
    assert again.reason.encode()  # it is text that every file and database takes
    assert 0 < len(again.reason) < 6000


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_first_bad_names_a_term_and_no_metric(bad):
    """The first number that went is named, a term on either split before any metric."""
    good = {"mse": 1.0, "under": 1.0}
    assert EpochReport(0, good, good, {"rmse": 1.0}).first_bad() is None
    assert EpochReport(0, good, good, {"rmse": bad}).first_bad() is None
    worse = EpochReport(0, good, {**good, "under": bad}, {"rmse": bad})
    assert worse.first_bad() == "term under"
    assert EpochReport(0, {**good, "mse": bad}, good, {}).first_bad() == "term mse"
    assert not worse.finite


def test_finite_numbers_with_a_bad_finding_are_not_finite():
    """Parameters that went are as bad as numbers that went."""
    good = {"mse": 1.0}
    assert not EpochReport(3, good, good, {}, bad="a parameter of the model").finite


def test_metrics_are_the_last_finite_ones():
    """A diverged trial keeps what it measured last; one that never was finite has nothing."""
    result = finished(0, rmse=2.0, outcome=Outcome.DIVERGED).result
    assert result.metrics == dict(result.reports[1].metrics)
    never = TrialResult({"mse": 1.0}, 0, Outcome.DIVERGED, result.reports[2:])
    assert never.metrics == {}


def test_magnitudes_have_a_row_each_report_and_the_order_of_the_weights():
    """The table follows the weights, whatever order the reports have, also when it is empty."""
    swapped = {"under": 2.0, "mse": 1.0}
    result = TrialResult(
        {"mse": 1.0, "under": 1.0}, 0, Outcome.COMPLETE, (EpochReport(0, swapped, swapped, {}),)
    )
    assert result.magnitudes("val").tolist() == [[1.0, 2.0]]
    empty = TrialResult({"mse": 1.0, "under": 1.0}, 0, Outcome.FAILED, ())
    assert empty.magnitudes().shape == (0, 2)


@pytest.mark.parametrize(
    "change",
    [{"outcome": "SPLENDID"}, {"outcome": []}, {"weights": [1.0]}, {"weights": {"mse": None}},
     {"reports": [{}]}, {"reports": 3}, {"seed": "x"}, {"reports": [{"epoch": 0}]}],
    ids=repr,
)  # fmt: skip
def test_content_of_a_wrong_kind_is_an_error_that_readers_catch(change):
    """What is no result raises one of the errors that the reader of a folder turns into its own."""
    value = {**finished(0).result.to_json(), **change}
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        TrialResult.from_json(value)


def test_the_falls_of_replicas_survive_their_file():
    """What each seed's terms fell by comes back; a file of an older version has none."""
    replicas = (Replica(0, {"rmse": 1.0}, fall={"mse": 2.5}), Replica(1, {"rmse": 2.0}))
    result = replace(finished(0).result, replicas=replicas)
    assert through_json(result).replicas == replicas
    older = result.to_json()
    for replica in older["replicas"]:
        del replica["fall"]
    assert [replica.fall for replica in TrialResult.from_json(older).replicas] == [{}, {}]


def test_a_term_of_weight_zero_may_be_undefined():
    """It is not what went, and the metrics of such a report are those of the trial."""
    report = EpochReport(
        1, {"mse": 1.0, "log": math.nan}, {"mse": 1.0, "log": math.inf}, {"r": 2.0}
    )
    assert report.first_bad() == report.first_bad({"mse": 1.0, "log": 0.1}) == "term log"
    assert report.first_bad({"mse": 1.0, "log": 0.0}) is None
    assert report.first_bad({"mse": 0.0, "log": 1.0}) == "term log"
    for weight, metrics in ((0.0, {"r": 2.0}), (1.0, {})):
        weights = {"mse": 1.0, "log": weight}
        assert TrialResult(weights, 0, Outcome.COMPLETE, (report,)).metrics == metrics
    switched = replace(report, weights={"mse": 1.0, "log": 0.0})  # while it was trained
    result = TrialResult({"mse": 1.0, "log": 1.0}, 0, Outcome.COMPLETE, (switched,))
    assert (result.metrics, result.weights_moved) == ({"r": 2.0}, True)


def moved(*weights):
    """A training of which the weights moved: two terms, one report for each pair of weights."""
    reports = [
        EpochReport(
            epoch,
            {"mse": 8.0 / (epoch + 1), "under": 2.0, "model": 1.0},
            {"mse": 1.0, "under": 1.0, "model": 1.0},
            {"rmse": 3.0},
            weights=dict(zip(("mse", "under"), pair, strict=True)),
        )
        for epoch, pair in enumerate(weights)
    ]
    given = {"mse": 1.0, "under": 1.0}
    return TrialResult(given, 0, Outcome.COMPLETE, tuple(reports), test={"rmse": 4.0})


def test_weights_that_moved_and_test_metrics_survive_their_file():
    """To the last bit; reports of fixed weights say nothing of weights, as in older versions."""
    result = moved((1 / 3, 5 / 3), (0.1, 1.9))
    again = through_json(result)
    assert (again.reports, again.test) == (result.reports, result.test)
    fixed = finished(0).result
    assert "weights" not in fixed.to_json()["reports"][0]
    assert through_json(fixed).reports[0].weights is None
    older = fixed.to_json()
    del older["test"]
    assert TrialResult.from_json(older).test == {}


def test_weights_in_force_are_those_of_each_report():
    """And 1 for what the model adds; the parts are those of the end."""
    result = moved((1.0, 1.0), (0.5, 1.5), (0.25, 1.75))
    found = {name: values.tolist() for name, values in result.in_force().items()}
    assert found == {"mse": [1.0, 0.5, 0.25], "under": [1.0, 1.5, 1.75], "model": [1.0, 1.0, 1.0]}
    assert result.parts == {"mse": 0.25, "under": 1.75, "model": 1.0}
    fixed = finished(0, under=0.5).result
    assert {name: set(row.tolist()) for name, row in fixed.in_force().items()} == {
        "mse": {1.0}, "under": {0.5}
    }  # fmt: skip
    assert fixed.parts == fixed.weights
    empty = TrialResult({"mse": 1.0}, 0, Outcome.FAILED, ())
    assert empty.in_force()["mse"].shape == (0,)
