"""What a confirmation says: the table, who is compared with whom, and what is missing."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lossweights.records import Outcome
from lossweights.results.contest import Contest, Outing
from lossweights.results.proof._table import COLUMNS
from lossweights.results.result import SweepResult

from ..samples import OBJECTIVES, finished
from .contests import SEEDS, STANDARD, both, contest, contestant, training

NOISE = [0.0, 0.02, -0.01, 0.015, -0.02]  # of a training
SHARED = [0.0, 1.0, -1.0, 0.5, 2.0]  # of a seed
TRIALS = {
    0: finished(0, 3.0, 1.0, under=0.1),
    1: finished(1, 1.0, 1.1, under=4.0),
    2: finished(2, 0.9, 3.0, under=9.0),
}


def numbers(rmse, shortfall=5.0, noise=1.0, turn=0):
    """Metrics of five seeds around a mean; another turn is other noise."""
    own = np.roll(NOISE, turn) * noise
    shared = np.array(SHARED)
    return {
        "rmse": list(rmse + shared + own),
        "shortfall": list(shortfall + shared / 10 + np.roll(own, 2) / 5),
    }


def result(entered, knee=STANDARD["knee"], **changes):
    """A sweep whose knee is trial 1, with a contest."""
    of = entered if isinstance(entered, Contest) else contest(entered, knee=knee)
    return SweepResult("demand", OBJECTIVES, TRIALS, None, {"mse": None, "under": None},
                       contest=of, **changes)  # fmt: skip


def row(table, name, metric="rmse", data="test"):
    """The one row of a contestant."""
    found = table[
        (table["contestant"] == name) & (table["metric"] == metric) & (table["data"] == data)
    ]
    assert len(found) == 1
    return found.iloc[0]


def test_table_has_the_documented_columns_and_a_row_each():
    """Means, paired differences to the best baseline and chances, on both data sets."""
    found = result(
        {"knee": numbers(8.0), "equal": numbers(9.0, turn=1), "today": numbers(10.0, turn=2)}
    )
    table = found.confirmation
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 3 * 2 * 2
    knee = row(table, "knee")
    assert knee["mean"] == pytest.approx(np.mean(numbers(8.0)["rmse"]))
    assert knee["low"] < knee["mean"] < knee["high"]
    off = np.subtract(numbers(8.0)["rmse"], numbers(9.0, turn=1)["rmse"])
    assert knee["difference"] == pytest.approx(off.mean())
    assert knee["difference_high"] - knee["difference_low"] < (knee["high"] - knee["low"]) / 10
    assert knee["best"] > 0.99
    assert (
        row(table, "equal")[["difference", "difference_low", "difference_high"]].tolist() == [0] * 3
    )
    assert row(table, "knee", data="val")["mean"] == pytest.approx(knee["mean"] + 1.0)
    assert table[(table["metric"] == "rmse") & (table["data"] == "test")]["best"].sum() == (
        pytest.approx(1.0)
    )


def test_before_a_confirmation_nothing_is_claimed():
    """The table is empty, and the sentence says how to confirm."""
    found = result(Contest())
    assert tuple(found.confirmation.columns) == COLUMNS
    assert found.confirmation.empty
    assert found.worth.empty
    assert found.curse.empty
    assert found.first_pick == "knee"
    assert found.sentence.startswith("Not confirmed: knee (trial 1) is the best of 3 trials")
    assert "lossweights confirm demand" in found.sentence


def test_trainings_from_the_seed_of_the_sweep_are_never_mixed_in():
    """What baselines measured beside the trials is no part of any number."""
    confirmed = {"knee": numbers(8.0), "equal": numbers(9.0, turn=1)}
    beside = contest({"equal": {"rmse": [1e6], "shortfall": [1e6]}}, look=0, seeds=(7,))
    assert result(both(beside, contest(confirmed))).confirmation.equals(
        result(confirmed).confirmation
    )


def test_the_last_training_of_a_seed_counts():
    """A retry takes the place of what it retries."""
    entered = contest({"knee": numbers(8.0), "equal": numbers(9.0, turn=1)})
    first = replace(entered.outings[0], result=training({}, 101, {}, outcome=Outcome.FAILED))
    again = Contest(entered.contestants, (first, *entered.outings))
    assert result(again).confirmation.equals(result(entered).confirmation)


def test_a_gain_is_told_with_its_interval_against_todays_weights():
    """In parts of the metric, with what is no worse, on which data and over how many seeds."""
    found = result(
        {"knee": numbers(8.0), "equal": numbers(9.0, turn=1), "today": numbers(10.0, turn=2)}
    )
    assert found.sentence == (
        "knee (trial 1) is better than today's weights by 19 % of rmse (19 to 19), no worse in "
        "shortfall, on test data over 5 paired seeds. Of 2 fixed baselines none is as good in all "
        "objectives."
    )
    assert found.first_pick == "knee"


def test_of_several_the_simplest_is_promoted():
    """Equal weights, if the knee is no better; what else it does not beat is named too."""
    found = result(
        {"knee": numbers(8.0), "today": numbers(8.0, turn=1), "equal": numbers(8.0, turn=2)}
    )
    assert found.sentence == (
        "knee (trial 1) is no better than equal weights within noise, nor than today's weights, on "
        "test data over 5 paired seeds; promoted: equal weights, the simpler choice."
    )
    assert found.first_pick == "equal"
    assert found.own_pick == "knee"


def test_what_goes_astray_from_a_seed_is_not_promoted_for_want_of_proof():
    """Its interval holds everything, so it is never beaten; its mean says what it is worth."""
    astray = {"rmse": [8.0, 8.1, 7.9, 8.0, 16.0], "shortfall": [5.0, 5.1, 4.9, 5.0, 9.0]}
    steady = {"rmse": [8.1, 8.0, 8.0, 8.1, 7.9], "shortfall": [5.1, 5.0, 5.0, 5.1, 4.9]}
    alike = {name: values[::-1] for name, values in steady.items()}
    found = result({"knee": steady, "equal": astray, "today": alike})
    assert found.first_pick == "today"
    assert "no better than today's weights within noise, nor than equal weights" in found.sentence
    alone = result({"knee": steady, "equal": astray})
    assert alone.first_pick == "knee"
    assert alone.sentence == (
        "knee (trial 1) is no better than equal weights within noise, on test data over 5 paired "
        "seeds; promoted all the same: knee, since from seed to seed these differ too much to be "
        "told apart, and have worse means."
    )


def test_a_baseline_that_beats_the_pick_is_promoted_and_said_so():
    """Of those in the pick's way the one that none of them beats, however simple another is."""
    found = result(
        {"knee": numbers(8.0), "equal": numbers(8.0, turn=1), "today": numbers(6.0, turn=2)}
    )
    assert found.first_pick == "today"
    assert "knee (trial 1) is worse than today's weights by 3" in found.sentence
    assert "no better than equal weights within noise" in found.sentence


def test_rounding_is_no_gain():
    """A difference that is the same each time and tiny is none: below the least effect."""
    found = result({"knee": numbers(8.0), "equal": numbers(8.0 + 1e-6)})
    assert found.first_pick == "equal"
    assert "no better than equal weights within noise" in found.sentence
    assert result(found.contest, min_effect=1e-8).first_pick == "knee"


def test_identical_numbers_are_no_gain_and_share_the_chance():
    """Differences of exactly 0 have an interval without width."""
    found = result({"knee": numbers(8.0), "equal": numbers(8.0)})
    knee = row(found.confirmation, "knee")
    assert knee[["difference", "difference_low", "difference_high"]].tolist() == [0.0, 0.0, 0.0]
    assert knee["best"] == 0.5
    assert found.first_pick == "equal"


def test_a_gain_that_no_seed_changes_is_one():
    """Trainings that no seed changes differ exactly."""
    found = result({"knee": {"rmse": [8.0] * 5, "shortfall": [5.0] * 5},
                    "equal": {"rmse": [10.0] * 5, "shortfall": [5.0] * 5}})  # fmt: skip
    assert "better than equal weights by 20 % of rmse (20 to 20)" in found.sentence
    assert row(found.confirmation, "knee")["best"] == 1.0


def holes(rmse, *places, turn=0):
    """Metrics of which some seeds diverged."""
    of = numbers(rmse, turn=turn)
    return {m: [None if i in places else v for i, v in enumerate(vs)] for m, vs in of.items()}


def test_a_baseline_that_diverged_from_some_seeds_stands_in_no_way():
    """It is compared over the seeds that are left, has no chance of being best, and it is said."""
    found = result(
        {"knee": numbers(8.0), "equal": holes(8.0, 0, 3, turn=1), "today": numbers(9.0, turn=2)}
    )
    table = found.confirmation
    assert found.first_pick == "knee"
    assert math.isnan(row(table, "equal")["best"])
    assert row(table, "equal")["mean"] == pytest.approx(
        np.mean([numbers(8.0, turn=1)["rmse"][i] for i in (1, 2, 4)])
    )
    assert row(table, "knee")["best"] > 0.9
    assert any(
        note == "equal weights diverged from 2 of 5 seeds; its numbers are those of the other 3."
        for note in found.proof.notes
    )


def test_the_best_baseline_is_none_that_diverged():
    """What is left of it might be its lucky seeds."""
    found = result(
        {"knee": numbers(8.0), "equal": holes(1.0, 0, turn=1), "today": numbers(9.0, turn=2)}
    )
    assert row(found.confirmation, "today")["difference"] == 0.0


def test_a_pick_that_diverges_is_not_promoted_before_a_baseline_that_does_not():
    """However good its other trainings are."""
    found = result({"knee": holes(2.0, 4), "equal": numbers(8.0, turn=1)})
    assert found.first_pick == "equal"
    assert found.sentence == (
        "knee (trial 1) diverged from 1 of 5 seeds, equal weights from 0; promoted: equal weights."
    )


def test_one_seed_left_says_nothing():
    """No interval, no chance and no claim."""
    found = result({"knee": holes(2.0, 1, 2, 3, 4), "equal": holes(8.0, 1, 2, 3, 4, turn=1)})
    knee = row(found.confirmation, "knee")
    assert knee["difference"] == pytest.approx(-6.0, abs=0.1)
    assert np.isnan(
        knee[["low", "high", "difference_low", "difference_high", "best"]].astype(float)
    ).all()
    assert "could not be judged" in found.sentence
    assert "better than" not in found.sentence
    assert found.first_pick == "knee"


def test_nobody_left_is_no_error():
    """All that diverged everywhere is a table of NaN."""
    found = result({"knee": holes(2.0, *range(5)), "equal": holes(8.0, *range(5))})
    assert found.confirmation.empty
    assert "could not be judged" in found.sentence


def test_an_undefined_metric_costs_its_seed_there_alone():
    """A boundary distance of empty masks is no number; the other metric keeps all seeds."""
    entered = {"knee": numbers(8.0), "equal": numbers(9.0, turn=1)}
    entered["knee"] = {
        **entered["knee"],
        "shortfall": [math.nan, *entered["knee"]["shortfall"][1:]],
    }
    found = result(entered)
    assert row(found.confirmation, "knee", "shortfall")["mean"] == pytest.approx(
        np.mean(entered["knee"]["shortfall"][1:])
    )
    assert "19 %" not in found.sentence
    assert "better than equal weights by 11 % of rmse" in found.sentence
    assert "over 4 to 5 paired seeds" in found.sentence
    assert any(
        "shortfall is undefined on test data in 1 of 5" in note for note in found.proof.notes
    )


def test_a_failed_training_costs_its_seed():
    """A killed worker is no divergence: nobody is left aside for it."""
    entered = contest({"knee": numbers(8.0), "equal": numbers(9.0, turn=1)})
    killed = replace(entered.outings[2].result, outcome=Outcome.FAILED)
    outings = (*entered.outings, Outing("knee", 103, 1, killed))
    found = result(Contest(entered.contestants, outings))
    assert row(found.confirmation, "knee")["best"] > 0.9
    assert "over 4 paired seeds" in found.sentence
    assert any("1 of 5 trainings failed; 4 are left" in note for note in found.proof.notes)


def test_an_adaptive_winner_is_named_and_not_promoted():
    """What is promoted is a fixed set."""
    found = result(
        {"knee": numbers(8.0), "equal": numbers(9.0, turn=1), "dwa": numbers(7.0, turn=2)}
    )
    assert found.first_pick == "knee"
    assert "better than equal weights by" in found.sentence
    assert "DWA beats it by 1" in found.sentence
    assert found.sentence.endswith("promoted all the same: knee, a fixed set.")
    alike = result({"knee": numbers(8.0), "dwa": numbers(8.0, turn=2)})
    assert alike.sentence.startswith("knee (trial 1) is no better than DWA within noise, on test")
    assert alike.first_pick == "knee"


def test_a_pick_that_is_a_baseline_is_said_to_be_one():
    """Equal weights found by the search are compared with the others alone."""
    knee = contestant("knee", 2.0, 2.0, trial=1)
    entered = {"knee": numbers(8.0), "equal": numbers(8.0), "today": numbers(8.0, turn=1)}
    found = result(entered, knee=knee)
    assert found.sentence.startswith(
        "knee (trial 1), which is equal weights, is no better than today's weights within noise"
    )
    assert found.first_pick == "knee"


def test_a_constraint_keeps_out_a_baseline_that_misses_it():
    """What was ruled out is not promoted for being simple."""
    from lossweights.search.aims import Aims
    from lossweights.search.conditions import Condition

    entered = {"knee": numbers(8.0), "equal": numbers(8.03, turn=1)}
    trials = dict(TRIALS)
    aims = Aims(constraints=(Condition("rmse", "<=", 9.52),))  # on validation data: 9.5 and 9.53
    found = result(entered, aims=aims)
    assert found.first_pick == "knee", trials
    assert "promoted all the same: knee" in found.sentence


def test_a_pick_that_changed_since_is_not_confirmed():
    """A resumed sweep may have another knee: what was confirmed says nothing of it."""
    other = contestant("knee", 1.0, 9.0, trial=2)
    found = result({"knee": numbers(8.0), "equal": numbers(9.0, turn=1)}, knee=other)
    assert found.sentence.startswith("Not confirmed: knee (trial 1) was not among the contestants")
    assert "what was confirmed as knee is trial 2" in found.sentence
    assert found.first_pick == "knee"


def test_an_unfinished_confirmation_claims_nothing():
    """Its table can be read; a sentence comes with the end."""
    half = {m: [*values[:2], ..., ..., ...] for m, values in numbers(9.0, turn=1).items()}
    found = result({"knee": numbers(8.0), "equal": half})
    assert len(found.confirmation) == 8
    assert "has not ended" in found.sentence
    assert "lossweights resume demand" in found.sentence
    assert found.first_pick == "knee"
    earlier = result(both(contest({"knee": numbers(8.0), "equal": numbers(9.0, turn=1)}),
                          contest({"knee": numbers(8.0), "equal": half}, look=2)))  # fmt: skip
    assert "is better than equal weights" in earlier.sentence  # the first look has ended


def test_a_confirmation_is_over_when_all_its_seeds_are():
    """Killed between two seeds it claims nothing, though everybody has as many."""
    two = {name: {m: values[:2] for m, values in numbers(rmse, turn=turn).items()}
           for name, rmse, turn in (("knee", 8.0, 0), ("equal", 9.0, 1))}  # fmt: skip
    half = contest(two, seeds=SEEDS[:2])
    assert "has not ended" in result(replace(half, seeds={1: SEEDS})).sentence
    assert "has not ended" not in result(half).sentence


def test_a_second_look_is_said_and_held_to_more():
    """The level is halved with each look, so that all of them together stay below twice it."""
    entered = {"knee": numbers(8.0), "equal": numbers(9.0, turn=1)}
    found = result(both(contest(entered), contest(entered, look=2)))
    assert "on test data looked at for the second time over 5 paired seeds" in found.sentence
    assert any("held to 2.5 % instead of 5 %" in note for note in found.proof.notes)


def test_without_test_data_validation_data_count_and_it_is_said():
    """No number is called one of test data that is none."""
    entered = {"knee": numbers(8.0), "equal": numbers(9.0, turn=1)}
    found = result(contest(entered, tested=False))
    assert set(found.confirmation["data"]) == {"val"}
    assert "on validation data over 5 paired seeds" in found.sentence


def test_a_maximised_metric_is_better_the_larger():
    """Gains are turned round where more is better."""
    entered = {
        "knee": {"rmse": [0.9, 0.91, 0.92, 0.9, 0.915]},
        "equal": {"rmse": [0.8, 0.81, 0.83, 0.79, 0.82]},
    }
    found = SweepResult("masks", {"rmse": "maximize"}, TRIALS, None, {"mse": None, "under": None})
    knee = contestant("knee", 1.0, 4.0, trial=found.best_number("knee"))
    found = replace(found, contest=contest(entered, knee=knee))
    assert "better than equal weights by 12 % of rmse" in found.sentence
    assert row(found.confirmation, "knee")["best"] > 0.99


def test_no_baseline_is_no_comparison():
    """With none the pick is told alone."""
    found = result({"knee": numbers(8.0)})
    assert found.sentence.startswith("knee (trial 1) met no baseline; it has rmse 8.5")
    assert found.first_pick == "knee"
    assert found.confirmation["difference"].isna().all()


@pytest.mark.parametrize(
    ("gain", "said"),
    [(1.0, "mse is needed: without it rmse gets worse by 12 % (12 to 13)."),
     (0.0, "mse can be left out: no metric gets worse within noise, by 0."),
     (-1.0, "mse can be left out: no metric gets worse within noise, by 0.")],
)  # fmt: skip
def test_a_term_is_worth_what_gets_worse_without_it(gain, said):
    """Against the same weights with it."""
    found = result(
        {"knee": numbers(7.0), "equal": numbers(7.5), "without:mse": numbers(7.5 + gain, turn=1)}
    )
    worth = found.worth
    assert tuple(worth.columns) == ("term", "metric", "data", "worse", "low", "high")
    of = worth[(worth["term"] == "mse") & (worth["metric"] == "rmse") & (worth["data"] == "test")]
    assert of["worse"].item() == pytest.approx(gain, abs=0.02)
    assert of["low"].item() < of["worse"].item() < of["high"].item()
    assert any(note.startswith(said) for note in found.proof.notes)


def test_of_two_terms_one_alone_leaves_the_other_out():
    """Whatever a set is called, its weights say what it leaves out; wide noise decides nothing."""
    found = result(
        {"knee": numbers(7.0), "equal": numbers(8.0), "only:mse": numbers(8.0, noise=60.0, turn=1)}
    )
    assert set(found.worth["term"]) == {"under"}
    assert any(n.startswith("Nobody can say whether under is needed") for n in found.proof.notes)
    assert (
        result(
            {"knee": numbers(7.0), "today": numbers(8.0), "without:mse": numbers(8.0)}
        ).worth.empty
        is False
    )


def test_the_winners_curse_is_shown():
    """What the sweep said of its pick against what is so, both on validation data."""
    found = result({"knee": numbers(8.0), "equal": numbers(9.0, turn=1)})
    assert found.curse["contestant"].tolist() == ["knee", "knee"]
    rmse = found.curse.iloc[0]
    assert rmse["sweep"] == pytest.approx(1.0)
    assert rmse["confirmed"] == pytest.approx(np.mean(numbers(9.0)["rmse"]))
    assert rmse["flattered"] == pytest.approx(rmse["confirmed"] - 1.0)
    assert any(note.startswith("Winner's curse of knee on validation data: rmse 1 in the sweep, ")
               for note in found.proof.notes)  # fmt: skip
