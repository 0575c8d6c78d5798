"""The verdict on one training, on constructed cases where the answer is known."""

import json
import math

import numpy as np
import pytest

from lossweights.dominance.gram import gram_table
from lossweights.dominance.judge import judge, judge_results, leader, sweep_sentence
from lossweights.records import EpochReport, Outcome, TrialResult

# Ten epochs in which mse falls by 9, under by 1 and boundary gets worse by 0.5.
_LEFT = 0.5 ** np.arange(11)
ROWS = np.stack([1 + 9 * _LEFT, 2 + 1 * _LEFT, 1.5 - 0.5 * _LEFT], axis=1)
ROWS -= [9 * _LEFT[-1], _LEFT[-1], -0.5 * _LEFT[-1]]
ROWS = np.vstack([[10.0, 3.0, 1.0], ROWS[1:-1], [1.0, 2.0, 1.5]])
ONES = {"mse": 1.0, "under": 1.0, "boundary": 1.0}


def approx(*numbers, **options):
    """Numbers of the three terms."""
    return pytest.approx(dict(zip(ONES, numbers, strict=True)), **options)


def test_the_parts_of_a_plain_case():
    """9, 1 and -0.5 of a decrease of 9.5, one driver, one sacrificed."""
    verdict = judge(ONES, ROWS)
    assert verdict.decrease == approx(9 / 9.5, 1 / 9.5, -0.5 / 9.5)
    assert verdict.driver == "mse"
    assert verdict.words == {"mse": "drove", "under": "balanced", "boundary": "sacrificed"}
    assert verdict.share == approx(1 / 4.5, 2 / 4.5, 1.5 / 4.5)
    assert verdict.conflict == pytest.approx(0.05)
    assert str(verdict) == (
        "mse drove training (share of the loss decrease: mse 95%, under 11%, boundary -5%); "
        "boundary got worse."
    )


def test_a_term_scaled_by_1000_takes_over():
    """At an unchanged weight it drives; with a thousandth of the weight nothing has changed."""
    scaled = ROWS * [1.0, 1000.0, 1.0]
    assert judge(ONES, scaled).driver == "under"
    assert judge(ONES, scaled).decrease["under"] == pytest.approx(1000 / 1008.5)
    same = judge({**ONES, "under": 1e-3}, scaled)
    assert same.decrease == approx(*judge(ONES, ROWS).decrease.values())
    assert same.words == judge(ONES, ROWS).words


def test_a_constant_added_changes_the_share_alone():
    """A term with a large constant looks like most of the loss and drove nothing."""
    shifted = judge(ONES, ROWS + np.array([0.0, 0.0, 100.0]))
    assert shifted.decrease == approx(*judge(ONES, ROWS).decrease.values())
    assert shifted.late == approx(*judge(ONES, ROWS).late.values())
    assert shifted.words == judge(ONES, ROWS).words
    assert shifted.share["boundary"] > 0.95
    assert "Size misleads: boundary is 97% of the weighted loss" in shifted.paragraph


def test_a_duplicated_term_shares_in_proportion():
    """Two names for one term split its part by their weights."""
    rows = np.column_stack([ROWS[:, 0], ROWS[:, 0], ROWS[:, 1]])
    found = judge({"one": 0.25, "two": 0.75, "under": 1.0}, rows).decrease
    whole = judge({"mse": 1.0, "under": 1.0}, ROWS[:, :2]).decrease
    assert found["one"] == pytest.approx(whole["mse"] / 4)
    assert found["two"] == pytest.approx(whole["mse"] * 3 / 4)


@pytest.mark.parametrize("weight", [0.0, 1e-3])
def test_an_inert_term(weight):
    """A term of weight 0, or of hardly any, took no part."""
    verdict = judge({**ONES, "under": weight}, ROWS)
    assert verdict.words["under"] == "inert"
    assert verdict.driver == "mse"


def test_a_term_that_works_late_is_not_inert():
    """It gave back in the second half what it took in the first: nothing in all, yet not inert."""
    rows = [[10.0, 5.0], [6.0, 4.0], [1.0, 5.0]]
    verdict = judge({"mse": 1.0, "under": 1.0}, rows)
    assert verdict.decrease["under"] == 0.0
    assert verdict.words == {"mse": "drove", "under": "balanced"}


def test_exact_conflict():
    """A term and its negative cannot both win: at equal weights nothing happens, else one loses."""
    rows = np.column_stack([ROWS[:, 0], -ROWS[:, 0]])
    assert judge({"up": 1.0, "down": 1.0}, rows).undetermined
    verdict = judge({"up": 1.0, "down": 0.5}, rows)
    assert verdict.decrease == {"up": pytest.approx(2.0), "down": pytest.approx(-1.0)}
    assert verdict.words == {"up": "drove", "down": "sacrificed"}
    assert verdict.conflict == pytest.approx(0.5)


def test_a_negative_valued_term():
    """A term below zero, such as an unshifted distance map, is judged as any other."""
    below = judge(ONES, ROWS - [0.0, 50.0, 0.0])
    assert below.decrease == approx(*judge(ONES, ROWS).decrease.values())
    assert below.driver == "mse"


@pytest.mark.parametrize("factor", [1e-6, 0.25, 1e6])
def test_the_overall_scale_of_the_weights_plays_no_part(factor):
    """All words and parts are those of the unscaled weights."""
    scaled = judge({name: factor * w for name, w in ONES.items()}, ROWS)
    plain = judge(ONES, ROWS)
    assert scaled.words == plain.words
    assert scaled.decrease == approx(*plain.decrease.values())
    assert scaled.late == approx(*plain.late.values())


def test_one_epoch():
    """Two rows suffice; both windows are then the same."""
    verdict = judge(ONES, ROWS[[0, -1]])
    assert verdict.driver == "mse"
    assert verdict.late == approx(*verdict.decrease.values())


def test_one_term():
    """The only term drove."""
    verdict = judge({"mse": 2.0}, ROWS[:, :1])
    assert verdict.words == {"mse": "drove"}
    assert verdict.decrease == {"mse": 1.0}


def test_an_interrupted_run_is_judged_up_to_its_end():
    """Rows that are not finite are left out, wherever they are; the rest is what was trained."""
    broken = np.vstack([ROWS[:5], [[np.nan, 1.0, np.inf]], ROWS[5:6]])
    assert judge(ONES, broken) == judge(ONES, ROWS[:6])


@pytest.mark.parametrize(
    ("tail", "gone"),
    [
        ([[np.nan, 1.0, 2.0]], "mse was not finite from measurement 11 on"),
        ([[9.0, np.inf, -np.inf]] * 2, "under and boundary were not finite from measurement 11 on"),
        ([[1.0, np.nan, 1.0], [np.nan] * 3], "under was not finite from measurement 11 on"),
    ],
)
def test_a_training_that_diverged_was_driven_by_nothing(tail, gone):
    """It says which term went first; how far the others had fallen before means nothing."""
    verdict = judge(ONES, np.vstack([ROWS, tail]))
    assert verdict.undetermined
    assert verdict.driver is None
    assert verdict.sentence == f"Undetermined: the training diverged: {gone}."


def test_a_training_that_diverged_at_once():
    """Its first epoch was its last."""
    verdict = judge(ONES, [ROWS[0], [np.nan] * 3])
    assert "mse, under and boundary were not finite from measurement 1 on" in verdict.sentence


def test_a_loss_that_rose_is_not_one_that_hardly_fell():
    """It says from what to what, and which term rose most."""
    verdict = judge({"mse": 1.0, "under": 2.0}, [[4.0, 0.5], [15.0, 1.0], [23.0, 1.0]])
    assert verdict.sentence == ("Undetermined: the weighted loss rose from 5 to 25, mse by most.")
    assert verdict.share["mse"] == pytest.approx(23 / 25)
    hardly = judge({"mse": 1.0, "under": 2.0}, [[4.0, 0.5], [4.01, 0.5]])
    assert hardly.reason == "the weighted loss hardly fell"


@pytest.mark.parametrize("rows", [[], [[1.0, 2.0, 3.0]], [[np.nan] * 3] * 4])
def test_too_few_measurements(rows):
    """Without two finite rows there is no decrease to speak of."""
    verdict = judge(ONES, rows)
    assert verdict.undetermined
    assert set(verdict.words.values()) == {"undetermined"}
    assert str(verdict) == "Undetermined: there were fewer than two finite measurements."


def test_hardly_any_decrease():
    """0.9 % of the start is no training, 1.1 % is; a loss that rises is none either."""
    assert judge(ONES, [[10.0, 10.0, 10.0], [9.73, 10.0, 10.0]]).undetermined
    assert judge(ONES, [[10.0, 10.0, 10.0], [9.67, 10.0, 10.0]]).driver == "mse"
    assert judge(ONES, ROWS[::-1]).undetermined


def test_a_decrease_within_the_noise():
    """A loss that jumps by as much as it fell says nothing."""
    total = 10 + np.array([0, 1, -1, 1, -1, 1, -1, 1, -1, -1.0])
    rows = np.column_stack([total, np.zeros(10), np.zeros(10)])
    assert judge(ONES, rows).undetermined
    assert judge(ONES, rows[[0, -1]]).driver == "mse"  # the same fall, without the jumps


def test_a_loss_within_the_noise_is_no_sacrifice():
    """A term that jumps may end higher than it started; that is not held against it."""
    rows = ROWS.copy()
    rows[:, 2] = 1 + 0.6 * np.array([0, 1, -1, 1, -1, 1, -1, 1, -1, 0.2, 0.8])
    verdict = judge(ONES, rows)
    assert verdict.decrease["boundary"] < -0.02
    assert verdict.words["boundary"] == "inert"
    assert verdict.noise["boundary"] > 0.02


def test_no_single_driver():
    """Three equal falls are balanced, also when a fourth term pays for them."""
    rows = [[3.0, 3.0, 3.0, 1.0], [1.0, 1.0, 1.0, 4.0]]
    verdict = judge(dict.fromkeys("abcd", 1.0), rows)
    assert verdict.decrease["a"] > 0.5  # of the small rest, but not more than b and c together
    assert verdict.driver is None
    assert verdict.words == {"a": "balanced", "b": "balanced", "c": "balanced", "d": "sacrificed"}
    assert str(verdict).startswith("No single term drove training")


def test_leader_is_unique():
    """A tie has no leader, and a sum of nothing neither."""
    assert leader([1.0, 1.0]) is None
    assert leader([0.0, 0.0]) is None
    assert leader([-3.0, -1.0]) is None
    assert leader([0.4, 1.0, 0.5]) == 1


def test_a_change_of_driver_is_told():
    """Where one term falls first and the other afterwards, the sentence says both."""
    rows = [[10.0, 4.0], [2.0, 4.0], [2.0, 0.0]]
    verdict = judge({"mse": 1.0, "under": 1.0}, rows)
    assert (verdict.driver, verdict.late_driver) == ("mse", "under")
    assert str(verdict).endswith("; the second half of the decrease was driven by under.")


def test_weights_that_moved():
    """Each step is weighed with the weight it was trained with."""
    rows = [[10.0, 10.0], [8.0, 10.0], [8.0, 6.0]]
    moved = judge({"mse": [1.0, 10.0, 1.0], "under": [1.0, 1.0, 1.0]}, rows)
    assert moved.decrease == {"mse": pytest.approx(20 / 24), "under": pytest.approx(4 / 24)}
    assert judge({"mse": 1.0, "under": 1.0}, rows).driver == "under"


def test_the_constant_prediction_as_a_start():
    """From it on the initial offset, which the untrained model pays, plays no part."""
    rows = [[100.0, 5.0], [1.0, 1.0]]
    verdict = judge({"mse": 1.0, "under": 1.0}, rows, baseline={"mse": 2.0, "under": 4.0})
    assert verdict.driver == "mse"
    assert verdict.baseline == {"mse": pytest.approx(0.25), "under": pytest.approx(0.75)}
    assert "the mean of the targets, on: mse 25%, under 75%." in verdict.paragraph


def test_worse_than_a_constant_prediction():
    """A model that a constant would beat is no finished training, whatever drove it."""
    verdict = judge({"mse": 1.0}, [[100.0], [5.0]], baseline={"mse": 4.0})
    assert verdict.driver == "mse"
    assert math.isnan(verdict.baseline["mse"])
    assert "The terms cost no less than a constant, the mean of the targets" in verdict.paragraph


def test_an_offset_that_is_not_trained():
    """A residual of the calibration above 10 % is a warning, one below is none."""
    assert not judge(ONES, ROWS, calibration=0.05).warnings
    (warning,) = judge(ONES, ROWS, calibration=0.25).warnings
    assert warning.startswith("Perhaps trained too little")
    assert "25%" in warning


def test_gradients_are_summed_over_the_run():
    """Contributions and cosines come from the summed matrices, not from a mean of ratios."""
    large = [[100.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]]
    small = [[0.01, -0.01, 0.0], [-0.01, 0.01, 0.0], [0.0, 0.0, 0.0]]
    grams = [large, None, small] + [None] * 8
    verdict = judge(ONES, ROWS, grams=grams)
    assert verdict.contribution == approx(100 / 104, 4 / 104, 0.0, abs=1e-9)
    assert verdict.cosines["mse/under"] == pytest.approx(-0.01 / math.sqrt(100.01 * 4.01))
    assert math.isnan(verdict.cosines["mse/boundary"])


def test_opposed_gradients_are_told():
    """A cosine of -0.8 between two terms is in the paragraph."""
    gram = [[1.0, 0.0, -0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 1.0]]
    text = judge(ONES, ROWS, grams=[gram] + [None] * 10).paragraph
    assert "The gradients of mse and boundary pull against each other (cosine -0.80)." in text


def test_json_is_strict_and_complete():
    """Plain values with a format and a version; NaN is null, also in an undetermined verdict."""
    told = judge(ONES, ROWS, baseline=ONES, grams=[np.eye(3)] + [None] * 10).to_json()
    nothing = judge(ONES, []).to_json()
    assert set(told) == set(nothing)
    for value in (told, nothing):
        assert json.loads(json.dumps(value, allow_nan=False)) == value
        assert (value["format"], value["version"]) == ("lossweights/verdict", 1)
    assert told["sentence"] == judge(ONES, ROWS).sentence
    assert nothing["decrease"] == {"mse": None, "under": None, "boundary": None}


def result(rows, outcome=Outcome.COMPLETE, **last):
    """The result of a trial with these training magnitudes."""
    tables = [dict(zip(ONES, row, strict=True)) for row in rows]
    reports = [EpochReport(i, table, table, {"rmse": 1.0}) for i, table in enumerate(tables)]
    if last:
        end = reports[-1]
        reports[-1] = EpochReport(end.epoch, end.train, end.val, end.metrics, **last)
    return TrialResult(ONES, 0, outcome, tuple(reports))


def test_results_that_trained_are_judged():
    """Complete and pruned trials are; failed and diverged ones are not."""
    found = judge_results(
        {
            0: result(ROWS),
            1: result(ROWS[:3], Outcome.PRUNED),
            2: result(ROWS, Outcome.DIVERGED),
            3: result([], Outcome.FAILED),
        }
    )
    assert list(found) == [0, 1]
    assert found[0] == judge(ONES, ROWS)


def test_what_a_report_measured_beside_is_used():
    """Gram matrices and calibration of the reports reach the verdict."""
    gram = gram_table(list(ONES), np.diag([2.0, 1.0, 1.0]))
    verdict = judge_results({0: result(ROWS, gram=gram, calibration=0.5)}, ONES)[0]
    assert verdict.contribution == approx(0.5, 0.25, 0.25)
    assert verdict.baseline is not None
    assert len(verdict.warnings) == 2


def test_results_whose_weights_moved_are_judged_by_those_in_force():
    """By hand: in the first epoch a fell by 4 under 1, in the second b by 3 under 2."""
    weights = [{"a": 5.0, "b": 5.0}, {"a": 1.0, "b": 1.0}, {"a": 0.5, "b": 2.0}]
    rows = [{"a": 8.0, "b": 6.0}, {"a": 4.0, "b": 6.0}, {"a": 4.0, "b": 3.0}]
    reports = tuple(
        EpochReport(epoch, row, row, {}, weights=each)
        for epoch, (row, each) in enumerate(zip(rows, weights, strict=True))
    )
    trained = TrialResult({"a": 9.0, "b": 0.1}, 0, Outcome.COMPLETE, reports)
    verdict = judge_results({0: trained})[0]
    assert verdict.decrease == pytest.approx({"a": 0.4, "b": 0.6})
    assert verdict.share == pytest.approx({"a": 0.25, "b": 0.75})


def test_reports_with_gradients_survive_json():
    """What is written is what is read, with the matrix in the order of the terms asked for."""
    gram = gram_table(list(ONES), [[4.0, 1.0, 0.0], [1.0, 2.0, math.nan], [0.0, math.nan, 1.0]])
    report = EpochReport(3, ONES, ONES, {}, gram=gram, calibration=0.25)
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    read = EpochReport.from_json(value)
    assert read.calibration == 0.25
    np.testing.assert_array_equal(read.gram_matrix(["under", "mse"]), [[2.0, 1.0], [1.0, 4.0]])
    assert math.isnan(read.gram["under"]["boundary"])
    older = {name: v for name, v in value.items() if name not in ("gram", "calibration")}
    assert EpochReport.from_json(older).gram_matrix(["mse"]) is None


def test_the_sentence_on_a_sweep():
    """Counts by driver, then those without one, then the best trial."""
    other = judge({"mse": 1.0, "under": 100.0, "boundary": 1.0}, ROWS)
    even = judge(ONES, [[3.0, 3.0, 3.0], [1.0, 1.0, 1.0]])
    verdicts = {0: judge(ONES, ROWS), 1: judge(ONES, ROWS), 2: other, 3: even, 4: judge(ONES, [])}
    assert sweep_sentence(verdicts, best=2) == (
        "mse drove training in 2 of 5 trials, under in 1, no single term drove it in 1, "
        "undetermined in 1; in the best trial (2) it was under (92% of the decrease)."
    )
    assert sweep_sentence(verdicts, best=3).endswith("in the best trial (3) it was no single term.")
    assert sweep_sentence(verdicts, best=4).endswith("in the best trial (4) it was undetermined.")
    assert sweep_sentence(verdicts).endswith("undetermined in 1.")
    assert sweep_sentence({}) == "No trial was trained far enough to judge."


def test_a_loss_that_rose_under_moving_weights():
    """It rose at the weights in force, whatever its ends come to under different ones."""
    weights = {"a": [10.0, 10.0, 0.1], "b": [1.0, 1.0, 1.0]}
    verdict = judge(weights, [[10.0, 1.0], [11.0, 1.0], [12.0, 1.0]])
    assert verdict.reason == "the weighted loss rose by 10.1 at the weights in force, a by most"
    assert verdict.rose


def test_a_training_that_begins_and_ends_undefined_diverged():
    """What is finite in between drove nothing that is left."""
    verdict = judge({"a": 1.0, "b": 1.0}, [[np.inf, 1], [10, 1], [5, 1], [np.nan, 1]])
    assert verdict.reason.startswith("the training diverged: a was not finite")


def test_a_lead_without_visible_noise_must_be_larger():
    """55 to 45 may be noise that two measurements cannot show; 65 to 35 is a lead."""
    assert judge({"a": 1.0, "b": 1.0}, [[10.0, 10.0], [4.2, 5.2]]).driver is None
    assert judge({"a": 1.0, "b": 1.0}, [[10.0, 10.0], [3.5, 6.5]]).driver == "a"
