"""A term drove training only if its lead exceeds its noise; else the two are named together."""

from collections import Counter

import numpy as np
import pytest

from lossweights.dominance.judge import judge, sweep_sentence

ONES = {"mse": 1.0, "under": 1.0}


def training(part, epochs, noise=0.0, seed=0):
    """The verdict on a fall of 10, of which mse supplies a part, with noise on all magnitudes."""
    fallen = 1 - np.exp(-4.0 * np.arange(epochs + 1) / epochs)
    fallen /= fallen[-1]
    rows = 10.0 - 10.0 * np.outer(fallen, [part, 1 - part])
    return judge(ONES, rows + np.random.default_rng(seed).normal(0.0, noise, rows.shape))


def drivers(part, epochs, noise, trainings=500):
    """Which terms drove, alone or together, in how many trainings."""
    found = [training(part, epochs, noise, seed) for seed in range(trainings)]
    return Counter(v.driver or " and ".join(v.together) for v in found)


@pytest.mark.parametrize("epochs", [1, 2, 4, 5, 10, 20, 50])
def test_equal_terms_with_noise_drove_together(epochs):
    """Falls of 5 with a standard deviation of 0.25: a driver is named in 5 % of 500 at most."""
    found = drivers(0.5, epochs, 0.25)
    print(epochs, dict(found))
    assert found["mse"] + found["under"] <= 0.05 * 500
    assert found["mse and under"] >= 0.95 * 500


@pytest.mark.parametrize("epochs", [1, 2, 20])
def test_a_lead_of_nothing_is_none(epochs):
    """50.1 % against 49.9 % without any noise to be seen: the two are named together."""
    verdict = training(0.501, epochs)
    assert verdict.driver is None
    assert verdict.together == ("mse", "under")
    assert str(verdict) == (
        "No single term drove training: mse and under did together, neither clearly more "
        "(share of the loss decrease: mse 50%, under 50%)."
    )


@pytest.mark.parametrize("epochs", [1, 4, 5, 20])
def test_a_clear_lead_is_told(epochs):
    """70 % against 30 % with small noise is a driver in every one of 200 trainings."""
    assert drivers(0.7, epochs, 0.1, 200) == {"mse": 200}


def test_a_lead_within_large_noise_is_none():
    """The same 70 % with jumps as large as the lead are no driver in most trainings."""
    found = drivers(0.7, 20, 2.0, 200)
    assert found["mse"] <= 0.2 * 200


def test_sums_of_trainings_count_them_as_shared():
    """A sweep of equal terms has no driver in any trial, and the best one neither."""
    verdicts = {i: training(0.5, 10) for i in range(3)}
    assert sweep_sentence(verdicts, best=1) == (
        "No single term drove training in 3 of 3 trials; "
        "in the best trial (1) it was no single term."
    )


@pytest.mark.parametrize(
    ("falls", "together"),
    [
        ([3.3, 3.3, 3.4], ("a", "b", "c")),
        ([4.5, 4.6, 0.9], ("a", "b")),
        ([4.4, 2.0, 2.0, 2.0], ()),  # a leads each of the others, and not all of them
        ([5.2, 2.6, 2.2], ()),
        ([5.0, 5.0, -4.0], ("a", "b")),
    ],
)
def test_who_is_named_together(falls, together):
    """Those whose falls cannot be told apart, if together they clearly supplied the most."""
    names = "abcd"[: len(falls)]
    verdict = judge(dict.fromkeys(names, 1.0), [[10.0] * len(falls), 10.0 - np.array(falls)])
    assert verdict.driver is None
    assert verdict.together == together
    assert str(verdict).startswith("No single term drove training")
    assert verdict.to_json()["together"] == list(together)
