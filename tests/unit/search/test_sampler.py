"""The sampler: seeded place by place, bounded in memory, and as good with as without."""

import math

import numpy as np
import pytest
from optuna.trial import TrialState

from lossweights.search.sampler import (
    BEST,
    FORGET_AT,
    REMEMBERED,
    Sampler,
    times_beaten,
)
from lossweights.search.samplers import STARTUP_TRIALS
from lossweights.search.space import LogUniform, Space, Uniform

SPACE = Space(["a", "b", "c"], {"a": 1.0, "b": LogUniform(1e-2, 1e2), "c": Uniform(0.0, 1.0)})
BOTH = ["minimize", "maximize"]


def values(parameters):
    """Two aims that are at odds."""
    b, c = math.log(parameters["b"]), parameters["c"]
    return [(b - 1.0) ** 2 + c, c - b**2]


def run(sampler, places):
    """Ask and learn, place after place."""
    asked = []
    for place in places:
        asked.append(sampler.ask(place))
        sampler.learn(place, asked[-1], TrialState.COMPLETE, values(asked[-1]))
    return asked


def test_the_same_places_give_the_same_parameters():
    """Seed and place decide, not the number of calls before."""
    whole = run(Sampler(SPACE, BOTH, 1), range(30))
    assert run(Sampler(SPACE, BOTH, 1), range(30)) == whole
    assert run(Sampler(SPACE, BOTH, 2), range(3)) != whole[:3]
    assert Sampler(SPACE, BOTH, 1).ask(7) == whole[7]  # random still: nothing learned matters


def test_learning_anew_is_learning_once():
    """A sampler that is told what was before asks what the first one would have."""
    count = FORGET_AT + 40
    first = Sampler(SPACE, BOTH, 0)
    before = run(first, range(count))
    second = Sampler(SPACE, BOTH, 0)
    for place, parameters in enumerate(before):
        second.learn(place, parameters, TrialState.COMPLETE, values(parameters))
    assert run(first, range(count, count + 5)) == run(second, range(count, count + 5))


def test_memory_is_bounded():
    """Of 400 trials no more than a few hundred are looked at."""
    sampler = Sampler(SPACE, BOTH, 0)
    for place in range(400):
        parameters = SPACE.at({"b": (place % 97) / 97, "c": (place % 89) / 89})
        sampler.learn(place, parameters, TrialState.COMPLETE, values(parameters))
        assert len(sampler._study.get_trials(deepcopy=False)) <= FORGET_AT
    assert REMEMBERED <= len(sampler._learned) < FORGET_AT


def test_the_best_are_remembered():
    """Forgetting keeps the latest trials, and of the older ones the front."""
    sampler = Sampler(SPACE, ["minimize"], 0)
    best = []
    for place in range(FORGET_AT):
        parameters = SPACE.at({"b": place / FORGET_AT, "c": 0.5})
        good = place % 20 == 0 and place < FORGET_AT // 2
        best += [parameters] if good else []
        sampler.learn(place, parameters, TrialState.COMPLETE, [0.0 if good else 1.0 + place])
    kept = [trial.params for trial in sampler._learned]
    assert len(kept) == REMEMBERED
    assert all(parameters in kept for parameters in best)
    latest = [SPACE.at({"b": i / FORGET_AT, "c": 0.5}) for i in range(FORGET_AT)]
    assert kept[BEST - REMEMBERED :] == latest[BEST - REMEMBERED :]


def test_sampling_gets_better_with_what_is_learned():
    """After the random trials the sampler comes nearer to the optimum than chance does."""
    sampler = Sampler(SPACE, ["minimize"], 0)
    found = []
    for place in range(STARTUP_TRIALS + 60):
        parameters = sampler.ask(place)
        found.append(values(parameters)[0])
        sampler.learn(place, parameters, TrialState.COMPLETE, [found[-1]])
    assert np.median(found[-30:]) < 0.3 * np.median(found[:STARTUP_TRIALS])


def test_open_and_failed_places_are_no_lesson():
    """What has not ended is avoided, what failed is forgotten, what was pruned is learned."""
    sampler = Sampler(SPACE, BOTH, 0)
    parameters = sampler.ask(0)
    sampler.expect(0, parameters)  # once more changes nothing
    sampler.expect(1, {"b": 2.0, "c": 0.5})
    assert len(sampler._study.get_trials(deepcopy=False)) == 2
    sampler.learn(0, parameters, TrialState.FAIL)
    sampler.learn(1, {"b": 2.0, "c": 0.5}, TrialState.PRUNED)
    assert [trial.state for trial in sampler._learned] == [TrialState.PRUNED]


@pytest.mark.parametrize("parameters", [{"b": 1e5, "c": 0.5}, {"b": 1.0}, {"b": 1.0, "d": 1.0}])
def test_parameters_of_another_space_are_left_out(parameters):
    """Trials from before an accepted change may lie outside: they say nothing about this space."""
    sampler = Sampler(SPACE, BOTH, 0)
    sampler.expect(0, parameters)
    sampler.learn(0, parameters, TrialState.COMPLETE, [1.0, 1.0])
    assert sampler._study.get_trials(deepcopy=False) == []


def test_pruned_trials_say_how_far_they_got():
    """With one objective the sampler ranks them by their last value."""
    sampler = Sampler(SPACE, ["minimize"], 0)
    parameters = sampler.ask(0)
    sampler.learn(0, parameters, TrialState.PRUNED, last=3.5)
    (trial,) = sampler._study.get_trials(deepcopy=False)
    assert trial.intermediate_values == {0: 3.5}


def test_ranks_are_those_of_a_plain_count():
    """How many rows beat a row, counted one by one."""
    rng = np.random.default_rng(0)
    costs = rng.integers(0, 5, (60, 3)).astype(float)
    plain = [sum((other <= row).all() and (other < row).any() for other in costs) for row in costs]
    assert times_beaten(costs).tolist() == plain
