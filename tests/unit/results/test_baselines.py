"""Baselines of a sweep: which are trials, what starts the others, and their table."""

from dataclasses import replace

import pytest

from lossweights.loss.adaptive import DWA, method_json
from lossweights.records import Outcome
from lossweights.results.baselines import (
    contestants_inside,
    contestants_outside,
    starting_magnitudes,
)
from lossweights.results.contest import Contest, Contestant, Outing
from lossweights.results.folder import Asked, list_results
from lossweights.results.result import SweepResult
from lossweights.search.baselines import check_baselines
from lossweights.search.space import LogUniform, Space

from ..samples import finished, save_sweep

SPACE = Space(["mse", "under"], {"mse": 1.0, "under": LogUniform(0.1, 10.0)})
SCALES = {"mse": 10.0, "under": 4.0}


def named(number, name, **changes):
    """A trial that is a baseline."""
    made = finished(number, kind="baseline", **changes)
    return replace(made, asked=replace(made.asked, baseline=name))


def moved(result, *weights):
    """The same result as of weights that moved to these."""
    first, *reports = result.reports
    reports = [
        replace(report, weights={"mse": 1.0, "under": under})
        for report, under in zip(reports, weights, strict=True)
    ]
    return replace(result, reports=(first, *reports))


def outing(name, look=0, **changes):
    """A training of a contestant."""
    return Outing(name, 7, look, finished(0, **changes).result)


CONTEST = Contest(
    contestants={
        0: (
            Contestant("without:under", "baseline", {"mse": 1.0, "under": 0.0}),
            Contestant("dwa", "baseline", {"mse": 1.0, "under": 1.0}, method_json(DWA())),
            Contestant("only:under", "baseline", {"mse": 0.0, "under": 1.0}),
        ),
        1: (Contestant("knee", "pick", {"mse": 1.0, "under": 2.0}, trial=1),),
    },
    outings=(
        outing("without:under", outcome=Outcome.FAILED),
        outing("without:under", rmse=2.0),
        replace(outing("dwa"), result=moved(finished(0).result, 0.5, 0.75, 0.25)),
        outing("knee", look=1),
        outing("without:under", look=1, rmse=9.0),
    ),
)


@pytest.fixture
def result(root):
    """A sweep of which one trial is a baseline, with others beside it."""
    save_sweep(root, [named(0, "equal"), finished(1)], scales=SCALES)
    return replace(SweepResult.read("demand", root), contest=CONTEST)


def test_table_has_those_beside_the_trials(result):
    """One row each, of the last training from the sweep's seed; none of what is a trial."""
    table = result.baselines.set_index("name")
    assert list(table.index) == ["without:under", "dwa"]
    assert table["rmse"].to_dict() == {"without:under": 2.0, "dwa": 1.0}
    assert table["method"].dropna().to_dict() == {"dwa": "dwa"}
    assert (table["driver"] == "mse").all()
    assert len(result.trials) == 2


def test_weights_that_moved_are_those_of_the_end(result):
    """Those in force before the parameters that count."""
    dwa = result.baselines.set_index("name").loc["dwa"]
    assert (dwa["weight/under"], dwa["relative/under"]) == (0.25, 1.0)
    early = moved(replace(finished(0).result, best_epoch=2), 0.5, 0.75, 0.25)
    contest = replace(CONTEST, outings=(Outing("dwa", 7, 0, early),))
    assert replace(result, contest=contest).baselines["weight/under"].tolist() == [0.75]


def test_table_of_no_baselines_is_empty(root):
    """With its columns."""
    save_sweep(root, [finished(0)])
    table = SweepResult.read("demand", root).baselines
    assert table.empty
    assert {"name", "method", "rmse", "shortfall"} <= set(table)


def test_a_trial_is_known_by_the_name_of_the_baseline(result):
    """In the table of trials, and in the pick."""
    assert result.trials["baseline"].dropna().to_dict() == {0: "equal"}
    assert result.best("knee").origin["baseline"] == "equal"


def test_a_trial_keeps_its_baseline_on_disk(root):
    """And trials of earlier versions have none."""
    folder = save_sweep(root, [named(0, "without:under"), finished(1, kind="baseline")])
    found = list_results(folder)
    assert found[0].asked == Asked(0, {"under": 0.5}, "baseline", baseline="without:under")
    assert found[1].asked.baseline is None


def test_magnitudes_before_training_are_those_of_the_first_trial_that_measured():
    """In units of the space."""
    nothing = finished(0)
    nothing = replace(nothing, result=replace(nothing.result, reports=()))
    first = finished(1).result.reports[0].train
    tried = {2: finished(2, driver="under"), 0: nothing, 1: finished(1)}
    assert starting_magnitudes(tried, None) == first
    expected = {name: first[name] / SCALES[name] for name in first}
    assert starting_magnitudes(tried, SCALES) == pytest.approx(expected)
    assert starting_magnitudes({0: nothing}, SCALES) is None


def test_contestants_are_all_that_was_asked_for():
    """Those beside the trials, and for a confirmation those among them with their numbers."""
    raced = check_baselines("all", SPACE)
    tried = {0: named(0, "equal", under=1.0)}
    outside = contestants_outside(raced, SPACE, tried, SCALES)
    inside = contestants_inside(raced, SPACE, tried)
    assert {each.role for each in (*inside, *outside)} == {"baseline"}
    assert sorted(each.name for each in (*inside, *outside)) == sorted(raced.names)
    assert inside == (Contestant("equal", "baseline", {"mse": 1.0, "under": 1.0}, trial=0),)
    by_name = {each.name: each for each in outside}
    start = starting_magnitudes(tried, SCALES)
    inverse = by_name["inverse"].weights
    assert inverse["under"] / inverse["mse"] == pytest.approx(start["mse"] / start["under"])
    assert by_name["dwa"].method == method_json(DWA())
    assert contestants_inside(raced, SPACE, {})[0].trial is None


def test_a_baseline_that_did_not_train_to_its_end_has_no_metrics(result):
    """Its row says how it ended."""
    ended = outing("without:under", outcome=Outcome.DIVERGED)
    table = replace(result, contest=replace(CONTEST, outings=(ended,))).baselines
    assert table["outcome"].tolist() == ["DIVERGED"]
    assert table["rmse"].isna().all()
