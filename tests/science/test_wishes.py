"""That constraints and wishes move a search, on a problem that is trained exactly."""

import numpy as np
import pytest
from optuna.trial import TrialState

from lossweights.search.aims import Aims
from lossweights.search.conditions import Condition
from lossweights.search.sampler import Sampler
from lossweights.search.samplers import DEFAULT
from lossweights.search.space import LogUniform, Space

SPACE = Space(["a", "b", "c"], {"a": 1.0, "b": LogUniform(1e-2, 1e2), "c": LogUniform(1e-2, 1e2)})
CENTRES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
SEEDS, TRIALS, BATCH = 10, 64, 16


def trained(parameters):
    """The minimum of a weighted sum of squared distances to three points, and these distances."""
    weights = np.array([1.0, parameters["b"], parameters["c"]])
    at = weights @ CENTRES / weights.sum()
    return dict(zip(("near", "right", "above"), ((at - CENTRES) ** 2).sum(axis=1), strict=True))


def search(seed, aims):
    """What is measured in the last half of a search for the first two objectives, in batches."""
    sampler, found = Sampler(SPACE, ["minimize", "minimize"], seed, DEFAULT), []
    for start in range(0, TRIALS, BATCH):
        asked = {place: sampler.ask(place) for place in range(start, start + BATCH)}
        for place, parameters in asked.items():
            found.append(trained(parameters))
            values = [found[-1]["near"], found[-1]["right"]]
            numbers = list(aims.violations(found[-1]).values()) or None
            sampler.learn(place, parameters, TrialState.COMPLETE, values, constraints=numbers)
    return found[TRIALS // 2 :]


@pytest.fixture(scope="module")
def without():
    """The searches that aim at nothing."""
    return [search(seed, Aims()) for seed in range(SEEDS)]


def share(found, conditions):
    """The part of the trials that satisfy conditions."""
    return np.mean([all(c.holds(m[c.metric]) for c in conditions) for m in found])


@pytest.mark.parametrize(
    ("kind", "conditions", "factor"),
    [
        ("constraints", [Condition("above", "<=", 0.5)], 5.0),  # at odds with the objectives
        ("constraints", [Condition("right", "<=", 0.2)], 1.2),
        ("constraints", [Condition("near", "<=", 0.3), Condition("right", "<=", 0.35)], 1.25),
        ("wish", [Condition("near", "<=", 0.3), Condition("right", "<=", 0.35)], 1.25),
    ],
    ids=["another metric", "an objective", "both objectives", "wish"],
)
def test_the_search_concentrates_where_aims_are_met(without, kind, conditions, factor):
    """Of the last 32 of 64 trials in batches of 16 clearly more meet them, over 10 seeds."""
    aims = Aims(**{kind: tuple(conditions)})
    aimed = [share(search(seed, aims), conditions) for seed in range(SEEDS)]
    free = [share(found, conditions) for found in without]
    print(f"{kind} {[str(c) for c in conditions]}: {np.mean(aimed):.0%}, not {np.mean(free):.0%}")
    assert np.mean(aimed) > factor * np.mean(free)
    assert np.mean(np.array(aimed) > np.array(free)) >= 0.7


def test_the_search_gathers_around_what_is_nearest_to_a_wish_out_of_reach(without):
    """No trial fulfils it, and yet the typical one comes nearer."""
    wish = (Condition("near", "<=", 0.1), Condition("right", "<=", 0.1))

    def miss(found):
        return np.median([max(c.excess(m[c.metric]) for c in wish) for m in found])

    aimed = [search(seed, Aims(wish)) for seed in range(SEEDS)]
    assert not any(share(found, wish) for found in aimed)
    assert np.mean([miss(found) for found in aimed]) < 0.9 * np.mean([miss(f) for f in without])
