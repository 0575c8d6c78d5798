"""Simulated sweeps with confirmation: what is promoted, and what the sentence says.

A trial's metric is that of its weights, plus noise of its seed that all weights share, plus noise
of its own. Every sweep has 48 trials from one seed, whose best are luckier than they are good.
"""

import re

import numpy as np
import pytest

from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.results.contest import Contest, Contestant, Outing
from lossweights.results.folder import Asked, Finished
from lossweights.results.result import SweepResult

SEEDS = (101, 102, 103, 104, 105)
BASELINES = {"equal": (1.0, 1.0), "today": (1.0, 0.2), "only:mse": (1.0, 0.0),
             "without:mse": (0.0, 1.0)}  # fmt: skip


def one(w):
    """The weights do not matter."""
    return {"rmse": 10.0, "shortfall": 5.0}


def traded(w):
    """More weight on the second term buys shortfall with rmse; the first pays less and less."""
    return {"rmse": 10.0 + 0.4 * w, "shortfall": 5.0 + 4.0 / (1.0 + 4.0 * w)}


def peaked(w):
    """Both metrics are best at a weight of 10, by a tenth of what they are with equal ones."""
    off = abs(np.log10(max(w, 1e-3)) - 1.0)
    return {"rmse": 9.0 + off, "shortfall": 4.5 + 0.5 * off}


class Training:
    """Trains: the metric of the weights, with noise of the seed and of the training."""

    def __init__(self, truth, number, shape, shared):
        self._truth = truth
        self._share = shared
        self._generator = np.random.default_rng([7, number])
        self._shape = shape
        self._shared = {}

    def noise(self):
        """Noise with a mean of 0."""
        if self._shape == "skewed":
            return float(self._generator.gamma(2.0, 0.05) - 0.1)
        return float(self._generator.normal(0.0, 0.07))

    def __call__(self, weights, seed, *, tested):
        """What comes of a training."""
        mse, under = weights
        truth = self._truth(under / mse if mse else 1e3)
        shared = self._shared.setdefault(seed, self._share * self.noise())
        val, test = (
            {name: value + shared + self.noise() for name, value in truth.items()} for _ in "ab"
        )
        magnitudes = {"mse": 1.0, "under": 1.0}
        report = EpochReport(1, magnitudes, dict(magnitudes), val)
        kept = {"mse": mse, "under": under}
        return TrialResult(kept, seed, Outcome.COMPLETE, (report,), test=test if tested else {})


def swept(truth, number, shape="normal", baselines=BASELINES, objectives=("rmse", "shortfall"),
          shared=4.0):  # fmt: skip
    """A sweep that has ended, with a confirmation of the knee and the baselines."""
    train = Training(truth, number, shape, shared)
    generator = np.random.default_rng([8, number])
    ratios = [1.0, *(10 ** generator.uniform(-2, 2, 47))]
    trials = {
        place: Finished(Asked(place, {}, "trial"), train((1.0, w), 0, tested=False))
        for place, w in enumerate(ratios)
    }
    result = SweepResult("toy", dict.fromkeys(objectives, "minimize"), trials, None,
                         {"mse": None, "under": None})  # fmt: skip
    knee = result.best_number("knee")
    entered = [Contestant("knee", "pick", {"mse": 1.0, "under": ratios[knee]}, None, knee)]
    entered += [
        Contestant(name, "baseline", dict(zip(("mse", "under"), weights, strict=True)))
        for name, weights in baselines.items()
    ]
    outings = tuple(
        Outing(c.name, seed, 1, train(tuple(c.weights.values()), seed, tested=True))
        for c in entered
        for seed in SEEDS
    )
    contest = Contest({1: tuple(entered)}, outings)
    return SweepResult("toy", result.objectives, trials, None, result.terms, contest=contest)


@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_where_weights_do_not_matter_the_sentence_says_so(shape):
    """No better than equal weights, which are promoted: in at least 90 % of 50 sweeps."""
    results = [swept(one, number, shape) for number in range(50)]
    right = [
        (
            "no better than equal weights within noise" in result.sentence
            or "which is equal weights, is no better than" in result.sentence
        )
        and result.best(result.first_pick).weights == {"mse": 1.0, "under": 1.0}
        and not re.search(r"(?<!no )better than", result.sentence)
        for result in results
    ]
    print(f"{shape}: {sum(right)} of 50 say that the weights do not matter")
    assert sum(right) >= 45


def test_the_winners_curse_is_seen():
    """The best of 48 trials looks better than it is in nearly every sweep of one objective."""
    results = [swept(one, number, objectives=("rmse",), shared=0.0) for number in range(50)]
    flattered = [result.curse["flattered"].iloc[0] for result in results]
    print(f"flattered in {np.mean(np.array(flattered) > 0):.0%}, by {np.mean(flattered):.1%}")
    assert np.mean(np.array(flattered) > 0) > 0.9
    assert np.mean(flattered) > 0.01


@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_where_weights_matter_the_right_set_is_named_and_promoted(shape):
    """A weight near 10 is better than today's weights in both, and no baseline is as good."""
    results = [swept(peaked, number, shape) for number in range(50)]
    right = [
        result.sentence.startswith(f"knee (trial {result.best_number('knee')}) is better than "
                                   f"today's weights by ")
        and result.first_pick == "knee"
        and 2.0 < result.best("knee").relative["under"] < 50.0
        for result in results
    ]  # fmt: skip
    print(f"{shape}: {sum(right)} of 50 name the right set")
    assert sum(right) >= 45


def test_a_trade_is_told_as_one():
    """What is bought and what is paid are both in the sentence, of the baseline that it names."""
    results = [swept(traded, number, baselines={"today": (1.0, 0.05)}) for number in range(20)]
    told = [
        bool(re.search(r"better than today's weights by \d+ % of shortfall \(\d+ to \d+\), "
                       r"(worse by|within noise in|no worse in)", result.sentence))
        for result in results
    ]  # fmt: skip
    assert sum(told) >= 18


def test_a_false_gain_is_rare():
    """Where nothing matters, one sweep in twenty at most is called better than anything."""
    wrong = sum(
        bool(re.search(r"(?<!no )(better than|worse than|beats)", swept(one, number).sentence))
        for number in range(100, 250)
    )
    print(f"{wrong} of 150 say something false")
    assert wrong <= 13  # 7, and what chance adds to that
