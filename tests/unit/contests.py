"""Contests made by hand, and sweeps of sums that have baselines to beat."""

from dataclasses import replace

import optuna

from lossweights.loss.adaptive import DWA, method_json
from lossweights.results.contest import Contestant, Outing
from lossweights.search.baselines import Outside
from lossweights.testing import FakeSweep, FakeTrainer
from lossweights.training import Member

KNEE = Contestant("knee", "pick", {"a": 1.0, "b": 0.5}, trial=3)
EQUAL = Contestant("equal", "baseline", {"a": 1.0, "b": 1.0}, trial=0)
MOVES = Contestant("dwa", "baseline", {"a": 1.0, "b": 1.0}, method_json(DWA()))


class Raced:
    """Equal weights, which are a trial; a term left out and a method, which are not.

    Attributes:
        magnitudes: Those that it was last asked with.
    """

    names = ("equal", "without:b", "dwa")
    magnitudes = None

    def __init__(self, without=1e-9):
        self.without = without

    def inside(self, space):
        """Equal weights."""
        return {"equal": {"b": 1.0}}

    def outside(self, space, magnitudes):
        """The others, whose terms come in another order than the sweep's."""
        self.magnitudes = magnitudes
        left_out = Outside("without:b", {"b": self.without, "a": 1.0}, None)
        return [left_out, Outside("dwa", {"b": 1.0, "a": 1.0}, method_json(DWA()))]

    def to_json(self, space):
        """Nothing, for the manifest."""
        return {}

    def check_scales(self, space, scales):
        """Nothing to check."""


def at_random(seed):
    """A sampler that takes no time."""
    return optuna.samplers.RandomSampler(seed)


def raced_sweep(name="fake", raced=None, **options):
    """A sweep of sums with these baselines, of which equal weights are its first trial."""
    sweep = FakeSweep(name, baselines=[{"b": 1.0}], sampler=at_random, **options)
    sweep.contest_baselines = Raced() if raced is None else raced
    return sweep


def outing(contestant, seed=1, look=1, *, cost=None):
    """A training of a contestant as it might have ended."""
    member = Member(dict(contestant.weights), seed, tested=look > 0)
    result = FakeTrainer().train([member], lambda *_: True)[0]
    if cost is not None:
        result = replace(result, test={**result.test, "cost": cost})
    return Outing(contestant.name, seed, look, result, (1, 2, 3, 4))
