"""Picks of sweeps with a wish and constraints: where they are made, and what is said of them."""

from dataclasses import replace

import pytest

import lossweights as lw
from lossweights.base.errors import PickError
from lossweights.records import Outcome, Replica
from lossweights.results.result import SweepResult
from lossweights.results.weights import model_path, promoted_path

from ..samples import finished, save_sweep
from .contests import both, contest, contestant

METRICS = {
    "rmse": {"class": "RMSE", "direction": "minimize"},
    "shortfall": {"class": "Shortfall", "direction": "minimize"},
}
TRIALS = [
    finished(0, 3.0, 1.0),
    finished(1, 1.0, 3.0),
    finished(2, 1.5, 1.5),
    finished(3, 2.0, 1.2),
    finished(4, 0.1, 0.1, outcome=Outcome.DIVERGED),
    finished(5, 2.9, 0.1, outcome=Outcome.PRUNED),
]


def read(root, trials=TRIALS, **changes):
    """The result of a sweep of these trials."""
    save_sweep(root, trials, metrics=METRICS, **changes)
    return SweepResult.read("demand", root)


def test_the_table_says_what_is_violated(root):
    """In sum, in parts of the bounds; of complete trials alone."""
    result = read(root, constraints={"shortfall": "<=1.2", "rmse": "<2"})
    assert result.trials["violation"].tolist()[:4] == pytest.approx([0.5, 1.5, 0.25, 0.0], abs=1e-9)
    assert result.trials["violation"].tolist()[3] > 0  # 2 is not below 2
    assert result.trials["violation"].isna().tolist()[4:] == [True, True]
    assert "violation" not in read(root).trials


def test_picks_satisfy_the_constraints_and_the_front_stays(root):
    """The knee of what is feasible, and the best of it."""
    result = read(root, constraints={"shortfall": "<=1.3"})
    assert result.pareto["number"].tolist() == [1, 2, 3, 0]
    assert result.best_number("min:rmse") == 3
    assert result.best_number("min:shortfall") == 0
    assert result.best_number("max:rmse") == 0
    assert result.best_number("knee") in (0, 3)
    assert read(root).best_number("min:rmse") == 1


def test_if_none_satisfies_them_the_nearest_is_picked_and_it_is_said(root):
    """By every pick, with what it has; never a trial that did not complete."""
    result = read(root, constraints={"shortfall": "<=0.9", "rmse": ">=0.5 and <=100"})
    said = (
        "None of 4 complete trials has shortfall<=0.9 and rmse>=0.5 and rmse<=100; nearest is "
        "shortfall 1, rmse 3 (trial 0)."
    )
    for pick in result.standard_picks:
        weights = result.best(pick)
        assert (weights.origin["trial"], weights.origin["note"]) == (0, said)
    assert result.notes == [said]
    with pytest.raises(PickError):
        result.best("min:rmse where shortfall<=0.5")


def test_a_wish_is_a_pick(root):
    """By a value or by a text, of any sweep; the weight set says whether it was reached."""
    result = read(root)
    weights = result.best(lw.Wish(rmse=1.4, shortfall=1.4))
    assert weights.origin["trial"] == 2
    assert weights.origin["note"] == (
        "rmse 1.4 with shortfall 1.4 was not reached; nearest is rmse 1.5, shortfall 1.5 (trial 2)."
    )
    assert weights == result.best("wish:rmse=1.4,shortfall=1.4")
    assert weights.name == "demand@wish:rmse=1.4,shortfall=1.4"
    reached = result.best(lw.Wish(rmse=2.5)).origin
    assert (reached["trial"], reached["note"]) == (3, "rmse 2.5 was reached: rmse 2 (trial 3).")


def test_a_wish_stays_within_the_constraints(root):
    """Nearest among what is feasible."""
    result = read(root, constraints={"rmse": "<=1.8"})
    assert result.best_number(lw.Wish(shortfall=1.0)) == 2


@pytest.mark.parametrize(
    ("pick", "words"),
    [
        ("wish", "a sweep with a wish"),
        ("wish:nope=1", r"among the metrics \['rmse', 'shortfall'\]. Found 'nope'"),
        ("wish:loss=1", "smallest weights would win"),
        ("wish:rmse", "METRIC=NUMBER"),
    ],
)
def test_wishes_that_cannot_be_read(root, pick, words):
    """The error says what was expected and what was found."""
    with pytest.raises(PickError, match=words):
        read(root).best(pick)


def test_a_wish_of_the_sweep_is_promoted_and_loaded(root):
    """It is the first pick: saved, promoted, and what the winner is named after."""
    result = read(root, wish={"rmse": "<=1.1"}, constraints={"shortfall": "<=5"})
    assert result.standard_picks == ["wish", "knee", "min:rmse", "min:shortfall"]
    result.save_picks(root)
    assert lw.load("demand", root) == lw.load("demand@wish", root) == result.best("wish")
    assert lw.load("demand", root).origin["trial"] == 1
    assert lw.load("demand@knee", root) == result.best("knee") != result.best("wish")
    assert promoted_path(root, "demand").exists()
    assert model_path(root, "demand", result.first_pick).name == "wish.keras"
    assert result.notes[0] == "rmse 1.1 was reached: rmse 1 (trial 1)."
    assert "in the best trial (1)" in result.verdict


def test_no_pick_reads_a_weighted_loss(root):
    """Weights and losses ten times as large, and the same metrics: the same picks and violations.

    And the names of the weighted total are no metrics: they are refused with the reason.
    """
    aims = {"wish": {"rmse": "<=1.1"}, "constraints": {"shortfall": "<=1.4"}}
    one = read(root, **aims)
    scaled = [
        type(t)(t.asked, type(t.result)(**{**vars(t.result), "weights": {
            name: (10.0 if number % 2 else 0.1) * w for name, w in t.result.weights.items()}}))
        for number, t in enumerate(TRIALS)
    ]  # fmt: skip
    save_sweep(root, scaled, name="scaled", metrics=METRICS, **aims)
    other = SweepResult.read("scaled", root)
    assert one.trials["violation"].equals(other.trials["violation"])
    for pick in (*one.standard_picks, "max:rmse", lw.Wish(shortfall=1.1)):
        assert one.best_number(pick) == other.best_number(pick)
    for name in ("loss", "val_loss", "total_loss", "weighted_loss"):
        for pick in (f"min:{name}", f"min:rmse where {name}<=1", f"wish:{name}=1"):
            with pytest.raises(PickError, match="smallest weights would win"):
                one.best(pick)


def test_no_column_of_the_table_is_a_weighted_loss(root):
    """Picks read the table, and nothing in it follows the total that was trained on."""
    result = read(root)
    totals = [
        [sum(w * getattr(f.result.reports[-1], kind)[n] for n, w in f.result.weights.items())
         for f in result.finished.values()]
        for kind in ("train", "val")
    ]  # fmt: skip
    for column in result.trials.select_dtypes("number"):
        for total in totals:
            assert result.trials[column].tolist() != pytest.approx(total), column


def test_a_wish_that_no_trial_has_measured_costs_itself_alone(root):
    """The knee is promoted then, all else is there, and it is said why."""
    result = read(root, wish={"dice": ">=0.9"}, constraints={"iou": ">=0.5"})
    assert result.first_pick == "knee"
    assert set(result.save_picks(root)) == {"knee", "min:rmse", "min:shortfall"}
    assert "nearest is iou nan (trial 0)" in result.notes[0]
    assert result.notes[-1].startswith("The wish names no trial. Expected a trial with finite dice")
    assert "in the best trial" in result.verdict


def simple_sweep(root, **changes):
    """Trials whose best weights are far from equal ones, and others that are nearly as good."""
    trials = [
        finished(0, 1.00, 3.0, under=9.0),
        finished(1, 1.02, 2.0, under=2.0),
        finished(2, 1.05, 1.0, under=1.1),
        finished(3, 1.30, 0.5, under=1.0),
    ]
    save_sweep(root, trials, **changes)
    return SweepResult.read("demand", root)


def confirmed(result, *seeds):
    """The result with a confirmation of the best trial, by its rmse over these seeds."""
    numbers = {"min:rmse": {"rmse": list(seeds)}}
    best = contestant("min:rmse", 1.0, 9.0, trial=0)
    of = contest(numbers, seeds=range(len(seeds)), tested=False, **{"min:rmse": best})
    return replace(result, contest=of)


@pytest.mark.parametrize(
    ("spread", "number"), [(0.0, 0), (0.03, 1), (0.06, 2), (1.0, 3)]
)  # fmt: skip
def test_the_simplest_within_one_standard_error_is_the_nearest_to_equal(root, spread, number):
    """A trial of one seed is off by as much as trainings differ from seed to seed."""
    result = confirmed(simple_sweep(root), 1.0 - spread, 1.0, 1.0 + spread)
    assert result.best_number("one-se:rmse") == number
    assert result.best("one-se:rmse").name == "demand@one-se:rmse"


def test_the_simplest_may_have_conditions(root):
    """They hold first."""
    result = confirmed(simple_sweep(root), 0.0, 1.0, 2.0)
    assert result.best_number("one-se:rmse where shortfall>=2") == 1


def test_the_simplest_needs_to_know_the_noise(root):
    """Without seeds and without a confirmation nobody can say what is within a standard error."""
    with pytest.raises(PickError, match="Confirm the sweep with `lossweights confirm`"):
        simple_sweep(root).best("one-se:rmse")
    with pytest.raises(PickError, match="Expected 'one-se:METRIC'"):
        simple_sweep(root).best("one-se:")
    with pytest.raises(PickError, match="neither end is better"):
        simple_sweep(root).best("one-se:number")


def test_the_standard_error_of_trials_with_seeds_comes_first(root):
    """What is known of the best trial itself."""
    seeds = [
        Replica(seed, {"rmse": rmse, "shortfall": 3.0}) for seed, rmse in enumerate((0.9, 1.1))
    ]
    first = finished(0, under=9.0)
    first = replace(first, result=replace(first.result, replicas=tuple(seeds)))
    save_sweep(root, [first, finished(1, 1.09, under=1.0), finished(2, 1.12, under=1.0)])
    assert SweepResult.read("demand", root).best_number("one-se:rmse") == 1


def test_a_term_that_is_off_in_all_trials_is_no_distance(root):
    """Nearest to equal weights among the terms that are trained with."""
    trials = [finished(0, 1.0, under=0.0), finished(1, 1.1, under=0.0)]
    save_sweep(root, trials)
    assert confirmed(SweepResult.read("demand", root), 0.0, 2.0).best_number("one-se:rmse") == 0


def test_a_fixed_baseline_can_be_picked_by_its_name(root):
    """Also one that was trained beside the trials alone; an adaptive method has no weights."""
    numbers = {"equal": {"rmse": [2.0]}, "dwa": {"rmse": [1.0]}}
    result = replace(simple_sweep(root), contest=contest(numbers, look=0, seeds=[7], tested=False))
    found = result.best("equal")
    assert found.weights == {"mse": 1.0, "under": 1.0}
    assert found.metrics == {"rmse": 2.0}
    assert found.origin == {"sweep": "demand", "pick": "equal"}
    with pytest.raises(PickError, match="Found 'dwa', whose weights move"):
        result.best("dwa")


def test_a_baseline_is_trained_once_more_from_the_seed_of_the_sweep(root):
    """From that of its trial, or beside the trials; its numbers are those of the confirmation."""
    confirmed_ones = contest({"equal": {"rmse": [2.0, 4.0]}}, seeds=[8, 9], tested=False)
    beside = contest({"equal": {"rmse": [7.0]}}, look=0, seeds=[5], tested=False)
    result = replace(simple_sweep(root), contest=both(confirmed_ones, beside))
    assert result.kept("equal")[0].result.seed == 5
    assert result.best("equal").metrics == {"rmse": 3.0}
    only = replace(result, contest=confirmed_ones)
    assert only.kept("equal")[0].result.seed == 8
    equal = contestant("equal", trial=3, role="baseline")
    inside = contest({"equal": {"rmse": [2.0]}}, seeds=[8], tested=False, equal=equal)
    kept = replace(result, contest=inside).kept("equal")[0]
    assert kept.result is result.finished[3].result
    assert kept.origin == {"trial": 3}
