"""The verdict on a sweep: flips, inert terms and sensitivities on trials whose law is known."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from lossweights.dominance._flips import find_flip
from lossweights.dominance.judge import judge, sweep_sentence
from lossweights.dominance.sweep_verdict import judge_sweep, judge_sweep_results, spearman
from lossweights.records import EpochReport, Outcome, Replica, TrialResult

FALLS = {"mse": 4.0, "under": 1.0, "boundary": -0.1}  # in every trial, whatever the weights


def law(weights):
    """The verdict on a trial in which every term falls as `FALLS` says."""
    start = dict.fromkeys(FALLS, 5.0)
    rows = [list(start.values()), [start[name] - FALLS[name] for name in FALLS]]
    return judge(weights, rows)


def sweep(n=60, seed=0):
    """Trials with mse at weight 1 and the others log-uniform."""
    rng = np.random.default_rng(seed)
    draws = 10 ** rng.uniform(-2, 2, (n, 2))
    weights = {
        i: {"mse": 1.0, "under": float(u), "boundary": float(b)} for i, (u, b) in enumerate(draws)
    }
    verdicts = {i: law(w) for i, w in weights.items()}
    metrics = {i: {"rmse": w["under"] ** 2, "bias": -w["under"]} for i, w in weights.items()}
    return verdicts, weights, metrics


def test_the_flip_of_a_known_law():
    """The second of two terms falls a quarter as much, so it overtakes at four times the weight."""
    verdicts, weights, metrics = sweep()
    flip = next(
        f for f in judge_sweep(verdicts, weights, metrics).flips if f.first + f.second == "mseunder"
    )
    assert flip.kind == "flips"
    assert flip.ratio == pytest.approx(4.0, rel=1e-4)
    assert 3.5 < flip.low < 4.0 < flip.high < 5.0
    assert flip.sentence == (
        "under overtakes mse where weight(under)/weight(mse) is between 3.53 and 4.81 "
        "(95 % bracket of one seed, another may move it; weights as given)."
    )


def test_the_flip_of_a_noisy_law():
    """With luck in every trial the bracket is wider and holds the ratio in 9 of 10 sweeps."""
    inside, widths = 0, []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        ratio = 10 ** rng.uniform(-2, 2, 80)
        decrease = np.stack([4.0 * np.exp(rng.normal(0, 1.0, 80)), ratio], axis=1)
        flip = find_flip("a", "b", np.stack([np.ones(80), ratio], axis=1), decrease)
        inside += flip.low <= 4.0 <= flip.high
        widths.append(flip.high / flip.low)
    assert inside >= 18
    assert 1.2 < np.median(widths) < 4


def test_bounds_shrink_with_trials():
    """Ten times the trials, a narrower bracket."""

    def width(n):
        rng = np.random.default_rng(1)
        ratio = 10 ** rng.uniform(-2, 2, n)
        decrease = np.stack([np.exp(rng.normal(0, 1.0, n)), ratio], axis=1)
        flip = find_flip("a", "b", np.stack([np.ones(n), ratio], axis=1), decrease)
        return math.log(flip.high / flip.low)

    assert width(600) < width(60) / 1.8


def test_a_clean_gap():
    """Where all is one term's below and the other's above, the ratio lies between."""
    ratio = np.array([0.1, 0.5, 1.0, 2.0, 4.0, 30.0, 100.0])
    weights = np.stack([np.ones(7), ratio], axis=1)
    decrease = np.stack([ratio < 3, ratio > 3], axis=1).astype(float)
    assert 2.0 <= find_flip("a", "b", weights, decrease).ratio <= 4.0


def test_the_order_of_a_pair_does_not_matter():
    """Seen from the other term the ratio is its inverse."""
    ratio = np.logspace(-2, 2, 41)
    weights = np.stack([np.ones(41), ratio], axis=1)
    decrease = weights * [3.0, 1.0]
    there = find_flip("a", "b", weights, decrease)
    back = find_flip("b", "a", weights[:, ::-1], decrease[:, ::-1])
    assert there.ratio * back.ratio == pytest.approx(1.0, rel=1e-6)


def test_a_pair_without_a_flip():
    """Where one term led at every ratio, that and the range is what can be said."""
    ratio = np.logspace(-1, 1, 9)
    weights = np.stack([np.ones(9), ratio], axis=1)
    flip = find_flip("a", "b", weights, weights * [100.0, 1.0])
    assert (flip.kind, flip.ratio) == ("first leads", None)
    assert flip.sentence == (
        "a leads b at every ratio tried (0.1 to 10); the ratio is weight(b)/weight(a), "
        "weights are as given."
    )
    some = find_flip("a", "b", weights, weights * [100.0, 1.0], of=12)
    assert "tried (0.1 to 10) in the 9 of 12 trials that show a leader; the" in some.sentence
    assert some.to_json()["of"] == 12
    assert find_flip("a", "b", weights, weights * [0.01, 1.0]).kind == "second leads"


@pytest.mark.parametrize("n", [0, 3])
def test_too_few_trials_for_a_flip(n):
    """Nothing is claimed from a handful of trials; zero weights and NaN do not count."""
    weights = np.vstack([np.logspace(-1, 1, 2 * n).reshape(n, 2), [[0.0, 1.0]] * 20])
    assert find_flip("a", "b", weights, weights).kind == "unclear"


def test_a_pair_that_something_else_decides():
    """If the lead has nothing to do with the ratio, no ratio is given."""
    rng = np.random.default_rng(0)
    weights, decrease = 10 ** rng.uniform(-1, 1, (100, 2)), rng.normal(size=(100, 2))
    flip = find_flip("a", "b", weights, decrease)
    assert (flip.kind, flip.ratio) == ("unclear", None)
    assert find_flip("a", "b", np.ones((9, 2)), decrease[:9]).kind == "unclear"
    json.dumps(flip.to_json(), allow_nan=False)


def test_a_lead_against_the_weights_is_unclear():
    """A term that leads where it weighs less is not led by its weight."""
    ratio = np.logspace(-2, 2, 41)
    weights = np.stack([np.ones(41), ratio], axis=1)
    assert find_flip("a", "b", weights, weights[:, ::-1]).kind == "unclear"


def test_counts_and_sentence():
    """Drivers and sacrifices are counted over the trials that could be told."""
    verdicts, weights, metrics = sweep()
    verdicts[60], weights[60] = judge(dict.fromkeys(FALLS, 1.0), []), weights[0]
    found = judge_sweep(verdicts, weights, metrics, best=3)
    assert found.judged == 61
    assert found.undetermined == sum(v.undetermined for v in verdicts.values()) > 1
    assert sum(found.drivers.values()) + found.balanced == 61 - found.undetermined
    driven = sum(v.driver == "under" for v in verdicts.values())
    assert found.drivers["under"] == driven > 0
    assert found.sacrificed["boundary"] > 0
    assert str(found) == sweep_sentence(verdicts, 3)
    assert f"boundary got worse in {found.sacrificed['boundary']} of 61 trials." in found.paragraph


def test_the_weight_below_which_a_term_is_inert():
    """The heaviest weight with nothing but inert trials up to it, if there are three or more."""
    verdicts, weights, metrics = sweep(200)
    found = judge_sweep(verdicts, weights, metrics)
    told = {weights[i]["under"]: v for i, v in verdicts.items() if not v.undetermined}
    lightest_active = min(weight for weight, v in told.items() if v.words["under"] != "inert")
    below = [weight for weight in told if weight < lightest_active]
    assert len(below) >= 3
    assert found.inert_below["under"] == max(below)
    told = float(re.search(r"under is inert below a weight of (\S+)\. ", f"{found.paragraph} ")[1])
    assert 0.99 * max(below) < told <= max(below)
    assert "mse" not in found.inert_below


def test_a_term_that_never_matters():
    """Inert in every trial: said once, without a threshold."""
    verdicts = {i: judge({"mse": 1.0, "tiny": 1.0}, [[5.0, 1.0], [1.0, 1.0]]) for i in range(4)}
    weights = {i: {"mse": 1.0, "tiny": 10.0**i} for i in range(4)}
    found = judge_sweep(verdicts, weights, {})
    assert found.never == ("tiny",)
    assert found.inert_below == {}
    assert "tiny took part in no trial." in found.paragraph


def test_what_moves_a_metric():
    """A metric that rises with one weight has rank correlation 1 with it, and about 0 with others.

    A weight that was fixed is not among them.
    """
    verdicts, weights, metrics = sweep()
    importance = {"rmse": {"under": 0.9, "boundary": 0.1}}
    found = judge_sweep(verdicts, weights, metrics, importance=importance)
    assert set(found.sensitivity["rmse"]) == {"under", "boundary"}
    assert found.sensitivity["rmse"]["under"].spearman == 1.0
    assert found.sensitivity["bias"]["under"].spearman == -1.0
    assert abs(found.sensitivity["rmse"]["boundary"].spearman) < 0.3
    assert found.sensitivity["rmse"]["under"].importance == 0.9
    assert found.sensitivity["bias"]["under"].importance is None
    assert "rmse goes up with the weight of under (rank correlation +1.00, importance 90%)." in (
        found.paragraph
    )
    assert "bias goes down with the weight of under (rank correlation -1.00)." in found.paragraph


def test_what_was_chosen_beside_moves_a_metric_too():
    """A number by its rank correlation, a name by its importance alone; units are no choice."""
    verdicts, weights, metrics = sweep()
    chosen = {
        number: {
            "hyper/learning_rate": row["rmse"],
            "term/region": "dice" if number % 2 else "tversky",
            "unit/region": 1.0 + number % 2,
        }
        for number, row in metrics.items()
    }
    importance = {"rmse": {"term/region": 0.3}}
    found = judge_sweep(verdicts, weights, metrics, importance=importance, chosen=chosen)
    row = found.sensitivity["rmse"]
    assert set(row) == {"under", "boundary", "hyper/learning_rate", "term/region"}
    assert row["hyper/learning_rate"].spearman == 1.0
    assert np.isnan(row["term/region"].spearman)
    assert row["term/region"].importance == 0.3
    assert "rmse goes up with hyper/learning_rate (rank" in found.paragraph.replace(
        "up with the weight of under (rank correlation +1.00) and ", ""
    )


def test_rank_correlation():
    """Against the definition: Pearson's correlation of the ranks."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 30))
    b += a
    ranks = np.argsort(np.argsort([a, b], axis=1), axis=1)
    assert spearman(a, b)[0] == pytest.approx(np.corrcoef(ranks)[0, 1])
    assert spearman(np.exp(a), b) == spearman(a, b)
    assert math.isnan(spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])[0])
    assert math.isnan(spearman([1.0, 2.0, math.nan], [1.0, 2.0, 3.0])[0])


def test_from_results_with_scales():
    """Weights are told relative to the scales, which are the baseline of every trial too."""
    scales = {"mse": 100.0, "under": 1.0}
    results = {}
    for i, weight in enumerate(np.logspace(-2, 2, 9)):
        reports = tuple(
            EpochReport(e, {"mse": m, "under": u}, {"mse": m, "under": u}, {"rmse": float(weight)})
            for e, (m, u) in enumerate([(400.0, 2.0), (50.0, 0.5)])
        )
        results[i] = TrialResult(
            {"mse": 0.01, "under": float(weight)}, 0, Outcome.COMPLETE, reports
        )
    results[9] = TrialResult({"mse": 0.01, "under": 1.0}, 0, Outcome.FAILED, ())
    found = judge_sweep_results(results, scales=scales, best=0)
    assert found.judged == 9
    (flip,) = found.flips
    assert flip.ratio == pytest.approx(3.5 / 1.5, rel=1e-4)  # falls of 350 / 100 and of 1.5
    assert found.sensitivity["rmse"]["under"].spearman == 1.0
    assert "in the best trial (0) it was mse" in str(found)


def test_an_empty_sweep():
    """No trial, no claim, and still strict JSON."""
    found = judge_sweep({}, {}, {})
    assert str(found) == "No trial was trained far enough to judge."
    assert found.flips == ()
    json.dumps(found.to_json(), allow_nan=False)


def test_json_is_strict():
    """Plain values with a format and a version, the flips and sensitivities among them."""
    value = judge_sweep(*sweep(), best=0).to_json()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert (value["format"], value["version"]) == ("lossweights/sweep-verdict", 1)
    assert value["flips"][0]["kind"] == "flips"
    assert value["sensitivity"]["rmse"]["under"]["spearman"] == 1.0


def test_the_bracket_is_of_ratios_that_were_tried():
    """Its ends are two of them, and the likeliest ratio lies between."""
    rng = np.random.default_rng(3)
    ratio = 10 ** rng.uniform(-2, 2, 40)
    weights = np.stack([np.ones(40), ratio], axis=1)
    flip = find_flip("a", "b", weights, weights * [2.0, 1.0] * np.exp(rng.normal(0, 0.3, (40, 2))))
    for end in (flip.low, flip.high):
        assert any(r == pytest.approx(end) for r in ratio)
    assert flip.low < flip.ratio < flip.high


def several_seeds(shifts, n=40):
    """Ratios, and the decreases in a seed for each factor on what the first term takes off."""
    ratio = np.logspace(-2, 2, n)
    weights = np.stack([np.ones(n), ratio], axis=1)
    return weights, np.stack([weights * [shift, 1.0] for shift in shifts], axis=1)


def test_the_bracket_over_seeds_holds_that_of_each():
    """Seeds that flip at 1 and at 3 give a bracket from below the one to above the other."""
    weights, decrease = several_seeds([1.0, 3.0])
    flip = find_flip("a", "b", weights, decrease)
    single = [find_flip("a", "b", weights, decrease[:, i]) for i in range(2)]
    assert (flip.seeds, single[0].seeds) == (2, 1)
    assert flip.low == single[0].low < 1.0 < 3.0 < single[1].high == flip.high
    assert "(bracket over 2 seeds; weights as given)" in flip.sentence
    assert flip.to_json()["seeds"] == 2


def test_a_seed_without_a_flip_leaves_it_unclear():
    """Where one seed flips and another does not, no ratio is told."""
    weights, decrease = several_seeds([1.0, 1e6])
    assert find_flip("a", "b", weights, decrease).kind == "unclear"


def test_seeds_reach_the_verdict_of_a_sweep():
    """Falls by seed widen the bracket; results without them give that of their means."""
    results, bare = {}, {}
    for i, ratio in enumerate(np.logspace(-2, 2, 30)):
        falls = [{"mse": 2.0, "under": 1.0}, {"mse": 6.0, "under": 1.0}]
        ends = [5.0 - 4.0, 5.0 - 1.0]
        reports = [
            EpochReport(k, dict(zip(("mse", "under"), row, strict=True)), {}, {})
            for k, row in enumerate(([5.0, 5.0], ends))
        ]
        weights = {"mse": 1.0, "under": float(ratio)}
        bare[i] = TrialResult(weights, 0, Outcome.COMPLETE, tuple(reports))
        seeds = tuple(Replica(s, {}, fall=fall) for s, fall in enumerate(falls))
        results[i] = replace(bare[i], replicas=seeds)
    (flip,) = judge_sweep_results(results, scales={"mse": 1.0, "under": 1.0}).flips
    assert (flip.seeds, flip.relative) == (2, True)
    assert flip.low < 2.0 < 6.0 < flip.high
    assert "weights relative to the reference scales" in flip.sentence
    (mean,) = judge_sweep_results(bare).flips
    assert (mean.seeds, mean.relative) == (1, False)
    assert mean.low < 4.0 < mean.high
    assert mean.high / mean.low < flip.high / flip.low
    moved = {  # falls of seeds are from start to end, whose weights were not the same
        i: replace(r, reports=tuple(replace(each, weights=r.weights) for each in r.reports))
        for i, r in results.items()
    }
    assert judge_sweep_results(moved).flips[0].seeds == 1


@pytest.mark.parametrize("against", [True, False], ids=["against", "with"])
@pytest.mark.parametrize("leading", [13, 3])
def test_no_ratio_is_told_that_was_not_tried(against, leading):
    """A narrow space in which one term leads in most trials, whatever the ratio does."""
    ratio = np.linspace(1.0, 1.25, 16)
    leads = np.arange(16) < leading if against else np.arange(16) >= 16 - leading
    weights = np.stack([np.ones(16), ratio], axis=1)
    flip = find_flip("a", "b", weights, np.where(leads[:, None], [0.4, 0.6], [0.6, 0.4]))
    json.dumps(flip.to_json(), allow_nan=False)
    if against:
        assert (flip.kind, flip.ratio) == ("unclear", None)
    else:
        assert ratio[0] <= flip.low <= flip.ratio <= flip.high <= ratio[-1]


def test_trials_that_all_diverged_are_said_to_have():
    """More training is no remedy there."""
    diverged = TrialResult({"mse": 1.0}, 0, Outcome.DIVERGED, ())
    failed = TrialResult({"mse": 1.0}, 0, Outcome.FAILED, ())
    said = [
        str(judge_sweep_results(results))
        for results in ({0: diverged, 1: diverged}, {0: diverged}, {0: diverged, 1: failed})
    ]
    assert said == [
        "2 of 2 trials diverged, and no other trained to its end.",
        "1 of 1 trials diverged, and no other trained to its end.",
        "1 of 2 trials diverged, and no other trained to its end.",
    ]
