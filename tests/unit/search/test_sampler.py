"""The sampler: seeded place by place, bounded in memory, and as good with as without."""

import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from lossweights.base.errors import RecipeError
from lossweights.search.sampler import (
    BEST,
    FORGET_AT,
    LATEST,
    Sampler,
    times_beaten,
)
from lossweights.search.samplers import STARTUP_TRIALS
from lossweights.search.space import LogUniform, Simplex, Space, Uniform

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
    assert LATEST + BEST <= len(sampler._learned) < FORGET_AT


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
    assert len(kept) == LATEST + BEST
    assert all(parameters in kept for parameters in best)
    latest = [SPACE.at({"b": i / FORGET_AT, "c": 0.5}) for i in range(FORGET_AT)]
    assert kept[-LATEST:] == latest[-LATEST:]


@pytest.mark.parametrize("objectives", [1, 2])
def test_where_nothing_trains_is_never_forgotten(objectives):
    """Half of the space diverged long ago: after any number of trials no more than the border is
    asked for, where something has trained nearby.
    """
    sampler = Sampler(SPACE, BOTH[:objectives], 0, "thompson")
    rng = np.random.default_rng(0)
    for place in range(3 * FORGET_AT):
        b = 10 ** rng.uniform(-2, 2 if place < 32 else 0)
        parameters, barren = {"b": b, "c": rng.uniform()}, b > 1.0
        state = TrialState.PRUNED if barren else TrialState.COMPLETE
        found = None if barren else values(parameters)[:objectives]
        sampler.learn(place, parameters, state, found, barren=barren)
    assert len(sampler._learned) < FORGET_AT
    asked = [sampler.ask(place)["b"] for place in range(3 * FORGET_AT, 3 * FORGET_AT + 12)]
    assert max(asked) < 1.5, asked


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


def test_another_s_notes_of_a_trial_stay_with_it():
    """A genetic sampler counts generations, also on a simplex, where coordinates are rounded."""
    names = ["x", "y", "z"]
    space = Space(names, Simplex())
    given = optuna.samplers.NSGAIISampler(population_size=8, seed=0)
    sampler = Sampler(space, ["minimize", "minimize"], 0, given)
    for place in range(48):
        parameters = sampler.ask(place)
        weights = space.weights(parameters)
        sampler.learn(place, parameters, TrialState.COMPLETE, [weights["x"], weights["y"]])
    trials = sampler._study.get_trials(deepcopy=False)
    notes = [n for t in trials for key, n in t.system_attrs.items() if "generation" in key]
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 48
    assert sorted(notes)[-1] >= 4


def test_another_s_sampler_is_left_as_it_was():
    """Two runs of one declaration draw alike."""
    given = optuna.samplers.RandomSampler(seed=3)
    runs = [run(Sampler(SPACE, BOTH, 0, given), range(6)) for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("starts", [0, 2])
def test_a_grid_is_done_when_it_has_been_tried(starts):
    """Optuna's own `optimize` would end there; what was tried besides is none of it."""
    space = Space(["a", "b"], {"a": 1.0, "b": LogUniform(1e-2, 1e2)})
    sampler = Sampler(space, ["minimize"], 0, optuna.samplers.GridSampler({"b": [0.1, 1.0, 10.0]}))
    tried = []
    for place in range(starts):
        sampler.expect(place, {"b": 0.5 + place})
        sampler.learn(place, {"b": 0.5 + place}, TrialState.COMPLETE, [1.0])
    for place in range(starts, starts + 3):
        assert not sampler.is_done
        tried.append(sampler.ask(place))
        sampler.learn(place, tried[-1], TrialState.COMPLETE, [1.0])
    assert sampler.is_done
    assert sorted(each["b"] for each in tried) == [0.1, 1.0, 10.0]


class Broken(optuna.samplers.RandomSampler):
    """Raises when it is asked, or when it is told."""

    def __init__(self, when):
        super().__init__(seed=0)
        self.when = when

    def sample_independent(self, study, trial, name, part):
        """Raise after two trials."""
        if self.when == "asked" and trial.number > 1:
            raise KeyError("no such thing")
        return super().sample_independent(study, trial, name, part)

    def after_trial(self, study, trial, state, values):
        """Raise at once."""
        if self.when == "told":
            raise KeyError("no such thing")


@pytest.mark.parametrize("when", ["asked", "told"])
@pytest.mark.parametrize("how", [lambda one: one, lambda one: lambda _seed: one], ids=["given", ""])
def test_what_another_s_sampler_raises_is_told_as_its_own(when, how):
    """Of which sampler, what, where, and the way on."""
    sampler = Sampler(SPACE, BOTH, 0, how(Broken(when)))
    with pytest.raises(RecipeError, match=r"Broken.*KeyError.*no such.*test_sampler\.py, line"):
        run(sampler, range(4))
