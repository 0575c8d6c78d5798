"""The samplers: in any study and in a sweep, deterministic, and taught by what goes wrong."""

import functools
import math
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState
from scipy import optimize, stats

from lossweights.base.errors import RecipeError
from lossweights.search import _gaussian
from lossweights.search._cube import Cube
from lossweights.search._hazard import Hazard
from lossweights.search._lessons import RUNGS, TRAINS
from lossweights.search._tamed import Tamed
from lossweights.search.sampler import FORGET_AT, Sampler
from lossweights.search.samplers import (
    DEFAULT,
    NAMES,
    STARTUP_TRIALS,
    check_sampler,
    describe_sampler,
    make_sampler,
)
from lossweights.search.space import LogUniform, Simplex, Space, Uniform

TERMS = ["mse", "under", "boundary"]
SPACE = Space(TERMS, {"mse": 1.0, "under": LogUniform(1e-2, 1e2), "boundary": Uniform(0.0, 1.0)})
MIXED = {
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "width": FloatDistribution(0.0, 1.0),
    "rounds": IntDistribution(1, 8),
    "kind": CategoricalDistribution(["flat", "steep", "none"]),
}
ENOUGH = 1e-4  # a true distribution is refused once in ten thousand runs


def mixed(parameters):
    """Two aims at odds, over parameters of every kind."""
    rate, width = math.log10(parameters["rate"]) + 2.5, parameters["width"]
    extra = {"flat": 0.0, "steep": 0.5, "none": 1.0}[parameters["kind"]]
    extra += 0.05 * abs(parameters["rounds"] - 3)
    return [rate**2 + (width - 0.2) ** 2 + extra, (rate - 0.5) ** 2 + (width - 0.6) ** 2 + extra]


def costs(parameters):
    """Two aims at odds, over the weights of `SPACE`."""
    under, boundary = math.log10(parameters["under"]), parameters["boundary"]
    return [(under - 0.5) ** 2 + boundary, (under + 0.5) ** 2 + (boundary - 0.5) ** 2]


def asked_of(study, trials, told=mixed, space=MIXED):
    """What a plain study asks for, one after another."""
    found = []
    for _ in range(trials):
        trial = study.ask(space)
        found.append(dict(trial.params))
        study.tell(trial, told(trial.params))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_any_study_takes_a_sampler_of_ours(name):
    """Numbers, whole ones, logarithms and choices, inside their bounds; a seed is a sequence."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def study(seed):
        return optuna.create_study(directions=["minimize"] * 2, sampler=make_sampler(name, seed))

    found = asked_of(study(1), STARTUP_TRIALS + 8)
    for parameters in found:
        for key, part in MIXED.items():
            assert part._contains(part.to_internal_repr(parameters[key]))
    assert len({str(parameters) for parameters in found}) == len(found)
    assert asked_of(study(1), STARTUP_TRIALS + 8) == found
    assert asked_of(study(2), 5) != found[:5]


@pytest.mark.parametrize("name", ["thompson", "tpe-multivariate", "mix"])
def test_choices_and_numbers_are_searched_together(name):
    """After the first points most trials have the best of three choices."""
    study = optuna.create_study(directions=["minimize"] * 2, sampler=make_sampler(name, 0))
    found = asked_of(study, 48)
    kinds = [parameters["kind"] for parameters in found[-20:]]
    assert kinds.count("flat") > 12


def sequence(name, *, stops=(), batch=8, trials=40, space=SPACE):
    """What a sweep asks for, in batches, with everything that can become of a trial.

    At each stop a new sampler is told what was before, as a resumed sweep does.
    """
    made = lambda: Sampler(space, ["minimize", "minimize"], 3, name)  # noqa: E731
    sampler, history, asked = made(), [], []
    for start in range(0, trials, batch):
        if start in stops:
            sampler = made()
            for lesson, more in history:
                sampler.learn(*lesson, **more)
        places = range(start, start + batch)
        asked += [sampler.ask(place) for place in places]
        for place in places:
            weights = space.weights(asked[place])
            parameters, values = asked[place], costs(weights)
            if place % 5 == 3:
                lesson = (place, parameters, TrialState.PRUNED, None), {"barren": True}
            elif place % 5 == 4:
                more = {"rungs": {1: [9.0, 9.0], 3: [v + 1 for v in values]}}
                lesson = (place, parameters, TrialState.PRUNED, None), more
            elif place % 11 == 7:
                lesson = (place, parameters, TrialState.FAIL, None), {}
            else:
                rungs = {1: [9.0, 9.0], 3: [v + 0.5 for v in values]}
                more = {"constraints": [values[0] - 0.5], "rungs": rungs}
                lesson = (place, parameters, TrialState.COMPLETE, values), more
            history.append(lesson)
            sampler.learn(*lesson[0], **lesson[1])
    return asked


@pytest.mark.parametrize("space", [SPACE, Space(TERMS, Simplex())], ids=["weights", "simplex"])
@pytest.mark.parametrize("name", NAMES)
def test_one_seed_is_one_sequence_however_often_it_is_stopped(name, space):
    """With diverged, pruned, failed and constrained trials among those learned."""
    whole = sequence(name, space=space)
    assert sequence(name, stops=(16, 24, 32), space=space) == whole
    for parameters in whole:
        space.weights(parameters)


def test_a_simplex_has_a_coordinate_fewer_than_terms():
    """Samplers search k - 1 coordinates, and what is kept are the parameters of all k terms."""
    space = Space(TERMS, Simplex(2.0))
    sampler = Sampler(space, ["minimize"], 0, DEFAULT)
    parameters = sampler.ask(0)
    *_, trial = sampler._study.get_trials(deepcopy=False)
    assert list(trial.params) == TERMS[:-1]
    assert trial.state is TrialState.RUNNING
    assert list(parameters) == TERMS
    assert sum(space.weights(parameters).values()) == pytest.approx(2.0)


@pytest.mark.parametrize("terms", [2, 3, 6])
@pytest.mark.parametrize("name", ["tpe", "sobol"])  # at random, and spread evenly
def test_a_sampled_simplex_is_a_flat_dirichlet(name, terms):
    """Kolmogorov and Smirnov: each share is Beta(1, k - 1), and so is one minus any other's sum."""
    names = [f"t{index}" for index in range(terms)]
    space = Space(names, Simplex())
    sampler = Sampler(space, ["minimize"], 5, name)
    rows = []
    for place in range(512):
        parameters = sampler.ask(place)
        sampler.learn(place, parameters, TrialState.FAIL)  # so that nothing is modelled
        rows.append(list(space.weights(parameters).values()))
    shares = np.array(rows)
    for column in shares.T:
        assert stats.kstest(column, stats.beta(1, terms - 1).cdf).pvalue > ENOUGH
    pair = shares[:, 0] + shares[:, -1]
    if terms > 2:
        assert stats.kstest(pair, stats.beta(2, terms - 2).cdf).pvalue > ENOUGH


def test_coordinates_of_a_simplex_lead_there_and_back():
    """Also from parameters that no sampler made, whose sum of sticks is any."""
    space = Space(TERMS, Simplex())
    rng = np.random.default_rng(0)
    for row in rng.uniform(0.01, 0.99, (50, 3)):
        parameters = dict(zip(TERMS, row, strict=True))
        again = space.parameters_at(space.coordinates_of(parameters))
        assert space.weights(again) == pytest.approx(space.weights(parameters), rel=1e-9)


def test_sobol_starts_fill_a_space_evenly():
    """Of 16 places each quarter of each parameter holds four, in a sweep as well."""
    sampler = Sampler(SPACE, ["minimize"] * 2, 2, "thompson")
    points = [sampler.ask(place) for place in range(STARTUP_TRIALS)]
    units = Cube(sampler._distributions).encode(points)
    for column in units.T:
        assert np.bincount((column * 4).astype(int), minlength=4).tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize("name", ["thompson", "filler"])
@pytest.mark.parametrize("objectives", [1, 2])
def test_divergence_teaches(name, objectives):
    """Half of the space diverges: of the last half of 64 trials at most 15 % do, in batches of 16.

    The best weights lie at the border, which draws the search there.
    """

    def diverged(seed, *, taught):
        sampler, last = Sampler(SPACE, ["minimize"] * objectives, seed, name), []
        for start in range(0, 64, 16):
            asked = [sampler.ask(place) for place in range(start, start + 16)]
            for place, parameters in enumerate(asked, start):
                bad = parameters["under"] > 1.0
                value = costs(parameters)[:objectives]
                state = TrialState.COMPLETE if not bad else TrialState.PRUNED
                if bad and not taught:
                    state = TrialState.FAIL
                sampler.learn(
                    place, parameters, state, None if bad else value, barren=bad and taught
                )
                last.append(bad)
        return np.mean(last[32:])

    taught = [diverged(seed, taught=True) for seed in range(3)]
    assert max(taught) <= 0.15, taught
    if name == "thompson":
        assert np.mean([diverged(seed, taught=False) for seed in range(2)]) > 0.2


def test_what_diverged_is_ranked_below_all_else():
    """In the study that a sampler sees it violates a constraint; what failed is not in it."""
    sampler = Sampler(SPACE, ["minimize"] * 2, 0, "tpe")
    for place, barren in enumerate((True, False)):
        parameters = sampler.ask(place)
        sampler.learn(place, parameters, TrialState.FAIL, barren=barren)
    (first, second) = sampler._study.get_trials(deepcopy=False)
    assert (first.state, first.constraints) == (TrialState.PRUNED, {TRAINS: 1.0})
    assert second.state is TrialState.FAIL
    assert len(sampler._learned) == 1


def test_rungs_are_kept_as_they_are_told():
    """A pruned trial has its objectives at the rungs, whether it was open or not."""
    sampler = Sampler(SPACE, ["minimize"] * 2, 0, "thompson")
    sampler.learn(0, sampler.ask(0), TrialState.PRUNED, rungs={3: [1.0, 2.0]})
    sampler.learn(1, {"under": 1.0, "boundary": 0.5}, TrialState.PRUNED, rungs={3: (3.0, 4.0)})
    found = [trial.user_attrs for trial in sampler._study.get_trials(deepcopy=False)]
    assert found == [{RUNGS: {"3": [1.0, 2.0]}}, {RUNGS: {"3": [3.0, 4.0]}}]
    one = Sampler(SPACE, ["minimize"], 0, "tpe")
    one.learn(0, one.ask(0), TrialState.PRUNED, rungs={3: [1.0], 7: [0.5]})
    (trial,) = one._study.get_trials(deepcopy=False)
    assert trial.intermediate_values == {3: 1.0, 7: 0.5}


@pytest.mark.parametrize("objectives", [1, 2])
def test_rungs_inform_the_model(objectives):
    """Where all trials were stopped with bad values the search does not go on."""
    sampler = Sampler(SPACE, ["minimize"] * objectives, 0, "thompson")
    rng = np.random.default_rng(0)
    for place in range(30):
        parameters = SPACE.at(dict(zip(("under", "boundary"), rng.random(2), strict=True)))
        values = costs(parameters)[:objectives]
        if parameters["boundary"] > 0.5:
            at = {2: [value + 5.0 for value in values]}
            sampler.learn(place, parameters, TrialState.PRUNED, rungs=at)
        else:
            sampler.learn(place, parameters, TrialState.COMPLETE, values)
    asked = [sampler.ask(place)["boundary"] for place in range(30, 46)]
    assert np.mean(np.array(asked) > 0.5) < 0.2


@pytest.mark.parametrize("name", ["thompson", "mix"])
def test_constraints_draw_the_search_to_where_they_are_met(name):
    """A quarter of the space is feasible; of the last half of the trials most are."""
    sampler, met = Sampler(SPACE, ["minimize"] * 2, 1, name), []
    for start in range(0, 64, 16):
        asked = [sampler.ask(place) for place in range(start, start + 16)]
        for place, parameters in enumerate(asked, start):
            over = max(math.log10(parameters["under"]), parameters["boundary"] - 0.5)
            met.append(over <= 0)
            values = costs(parameters)
            sampler.learn(place, parameters, TrialState.COMPLETE, values, constraints=[over])
    assert np.mean(met[32:]) > 0.6


@pytest.mark.parametrize("space", [SPACE, Space(TERMS, Simplex())], ids=["weights", "simplex"])
def test_hundreds_of_trials_are_no_burden(space):
    """Past what is remembered the model still samples, from no more than a few hundred trials."""
    sampler = Sampler(space, ["minimize"] * 2, 0, DEFAULT)
    rng = np.random.default_rng(0)
    for place in range(FORGET_AT + 20):
        parameters = space.at({name: rng.uniform(0.01, 0.99) for name in space.parameters})
        sampler.learn(place, parameters, TrialState.COMPLETE, costs(space.weights(parameters)))
    space.weights(sampler.ask(FORGET_AT + 20))
    assert len(sampler._study.get_trials(deepcopy=False)) < FORGET_AT


LOADING = """
import _ctypes, sys, threading
from lossweights.search import _gaussian

def load():
    while not done.is_set():
        _ctypes.dlclose(_ctypes.dlopen(sys.argv[1], 0))  # what is loaded already takes no lock

done = threading.Event()
loading = threading.Thread(target=load, daemon=True)
loading.start()
for _ in range(300):
    _gaussian._pools.__wrapped__()
done.set()
loading.join()
"""


def test_a_model_is_fitted_while_another_thread_imports():
    """The tracker's thread imports MLflow while the first trials are asked for."""
    folder = sysconfig.get_config_var("DESTSHARED")  # the standard library's own extensions
    unused = next(Path(folder).glob("_testbuffer*.so"), None)
    if unused is None:
        pytest.skip("this Python has no extension module that nothing imports")
    subprocess.run([sys.executable, "-c", LOADING, str(unused)], check=True, timeout=60)


class TestWhatASweepTakes:
    """Names, functions and instances."""

    def test_a_function_is_asked_for_a_sampler_at_every_place(self):
        """So one that decides by the trials alone has one sequence, however often it is stopped."""
        seeds = []

        def make(seed):
            seeds.append(seed)
            return optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)

        assert sequence(make, stops=(16, 32)) == sequence(make)
        assert len(set(seeds)) == 40

    def test_an_instance_is_asked_in_order(self):
        """It draws from its own random numbers and is never made anew."""
        one = sequence(optuna.samplers.RandomSampler(seed=5))
        plain = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5))
        space = {
            "under": FloatDistribution(1e-2, 1e2, log=True),
            "boundary": FloatDistribution(0.0, 1.0),
        }
        assert one == [dict(plain.ask(space).params) for _ in range(len(one))]

    def test_a_foreign_sampler_sees_all_trials(self):
        """It may keep notes by number, so nothing is forgotten."""
        sampler = Sampler(SPACE, ["minimize"] * 2, 0, optuna.samplers.RandomSampler(seed=0))
        for place in range(FORGET_AT + 5):
            sampler.learn(place, sampler.ask(place), TrialState.COMPLETE, [1.0, 1.0])
        assert len(sampler._study.get_trials(deepcopy=False)) == FORGET_AT + 5

    @pytest.mark.parametrize("bad", ["gp", "", 3, print, lambda seed: "tpe", object()])
    def test_what_is_no_sampler_is_refused(self, bad):
        """Before any training, with what could be written instead."""
        with pytest.raises(RecipeError, match="Expected a"):
            check_sampler(bad)

    def test_a_manifest_names_what_samples(self):
        """Ours by name; others by class, and whether they are made by a seed."""
        assert [describe_sampler(name) for name in NAMES] == list(NAMES)
        given = describe_sampler(optuna.samplers.RandomSampler(seed=0))
        assert given.endswith("RandomSampler()")
        assert describe_sampler(lambda s: optuna.samplers.RandomSampler(s)) == f"{given}, seeded"


class TestModel:
    """The Gaussian process and what stands around it."""

    POINTS = np.random.default_rng(3).random((24, 2))
    VALUES = np.sin(5 * POINTS[:, 0]) + POINTS[:, 1] ** 2

    def test_the_gradient_is_that_of_the_density(self):
        """As differences of the density say."""
        squares = (self.POINTS[:, None] - self.POINTS[None]) ** 2
        means, spreads = np.zeros(4), np.full(4, 2.0)
        arguments = (squares, self.VALUES, means, spreads)
        for at in ([-1.0, 0.0, 0.5, -3.0], [0.5, -2.0, 0.0, -1.0]):
            slope = optimize.approx_fprime(at, lambda x: _gaussian._unlikely(x, *arguments)[0])
            found = _gaussian._unlikely(np.array(at), *arguments)[1]
            np.testing.assert_allclose(found, slope, rtol=1e-4, atol=1e-4)

    def test_draws_agree_with_what_was_measured(self):
        """They pass through the data where there is no noise, and scatter about the mean."""
        settings = _gaussian.Settings(np.array([0.4, 0.6]), 1.0, 1e-8)
        process = _gaussian.Gaussian(self.POINTS, self.VALUES, settings)
        draws = [process.draw(np.random.default_rng(seed)) for seed in range(200)]
        np.testing.assert_allclose(draws[0](self.POINTS), self.VALUES, atol=1e-3)
        at = np.array([[0.5, 0.5], [3.0, 3.0]])
        values = np.array([draw(at) for draw in draws])
        mean = process.mean(at)
        error = values.std(axis=0) / 200**0.5
        assert (np.abs(values.mean(axis=0) - mean) < 5 * error + 1e-3).all()
        assert values.std(axis=0)[1] == pytest.approx(1.0, abs=0.2)  # far away: the prior
        assert values.std(axis=0)[0] < 0.3

    def test_a_fit_tells_signal_from_noise(self):
        """Of smooth data almost all is signal; of noise almost all is noise."""
        smooth = _gaussian.fit(self.POINTS, (self.VALUES - self.VALUES.mean()) / self.VALUES.std())
        noise = np.random.default_rng(0).normal(size=24)
        rough = _gaussian.fit(self.POINTS, noise)
        assert smooth.noise < 0.01
        assert rough.noise > 0.2 or rough.lengths.min() < 0.2

    def test_costs_are_tamed_in_order(self):
        """Taming keeps the order, leads back, and draws the far end in."""
        values = np.sort(np.r_[np.random.default_rng(0).normal(size=50), 1e3, 1e9])
        tamed = Tamed(values)
        assert (np.diff(tamed(values)) > 0).all()
        np.testing.assert_allclose(tamed.back(tamed(values)), values, rtol=1e-6)
        assert tamed(values).max() < 10
        assert np.isfinite(Tamed(np.ones(5))(np.ones(5))).all()

    def test_a_hazard_knows_the_side(self):
        """Told by 40 points, hardly any far from the border is taken for one of the other side."""
        points = np.random.default_rng(1).random((40, 2))
        good = points[:, 0] + points[:, 1] < 1
        hazard = Hazard(points[good], points[~good], points[:0])
        at = np.random.default_rng(2).random((400, 2))
        margin = 1 - at.sum(axis=1)
        safe = hazard.safe(at)
        assert (safe[margin > 0.2] > 0).mean() > 0.98
        assert (safe[margin < -0.2] < 0).mean() > 0.98

    def test_points_of_a_cube_lead_back(self):
        """Every kind of distribution is decoded to what was encoded."""
        cube = Cube(MIXED)
        for unit in np.random.default_rng(0).random((50, cube.inputs)):
            parameters = cube.decode(cube.points(unit[None])[0])
            again = cube.decode(cube.encode([parameters])[0])
            assert again["kind"] == parameters["kind"]
            assert again["rounds"] == parameters["rounds"]
            assert again["rate"] == pytest.approx(parameters["rate"])
        ends = [cube.decode(cube.points(np.full((1, 4), unit))[0]) for unit in (0.0, 1.0)]
        assert [end["rounds"] for end in ends] == [1, 8]
        assert [end["rate"] for end in ends] == pytest.approx([1e-4, 1e-1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (optuna.samplers.TPESampler, r"class TPESampler.*lambda seed: TPESampler\(seed=seed\)"),
        (functools.partial(optuna.samplers.TPESampler, n_startup_trials=4), "class TPESampler"),
        (lambda _seed: optuna.samplers.TPESampler(), "Pass the seed on"),
        (lambda _seed: optuna.samplers.TPESampler(seed=0), "whatever the seed"),
        (lambda seed: optuna.samplers.GridSampler({"b": [1.0]}, seed=seed), "numbers the points"),
        (lambda _seed: "tpe", "gives 'tpe'"),
        (lambda: None, "raised TypeError"),
        ("best", "Expected a sampler among"),
        (3, "Found 3"),
    ],
)
def test_what_is_no_seeded_sampler_is_refused(given, said):
    """A class takes a seed for its first argument, and what draws its own is another every time."""
    with pytest.raises(RecipeError, match=said):
        check_sampler(given)


@pytest.mark.parametrize(
    "given",
    [
        lambda seed: optuna.samplers.TPESampler(seed=seed),
        lambda seed: optuna.samplers.QMCSampler(seed=seed, warn_independent_sampling=False),
        lambda seed: optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=0),
        optuna.samplers.NSGAIISampler(seed=1),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_samplers_of_optuna_are_taken(given):
    """As they are."""
    assert check_sampler(given) is given


def test_a_sampler_is_described_by_its_arguments():
    """But for its seed and what is left at its default; those that it holds likewise."""
    random, grid = optuna.samplers.RandomSampler(seed=1), optuna.samplers.GridSampler({"b": [1.0]})
    tpe = optuna.samplers.TPESampler(n_startup_trials=4, seed=2)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        held = optuna.samplers.PartialFixedSampler({"b": 1.0}, tpe)
    assert describe_sampler(random) == "optuna.samplers._random.RandomSampler()"
    assert describe_sampler(grid).endswith("GridSampler(search_space={b: [1.0]})")
    assert describe_sampler(held).endswith(
        "PartialFixedSampler(fixed_params={b: 1.0}, base_sampler=optuna.samplers._tpe.sampler."
        "TPESampler(n_startup_trials=4))"
    )


def limits(trial):
    """A constraint, as a script has it."""
    return (trial.params["b"] - 1.0,)


class Ruled(optuna.samplers.RandomSampler):
    """A sampler of a script."""

    def __init__(self, rule):
        super().__init__(seed=0)
        self.rule = rule


def test_a_description_does_not_tell_how_its_script_was_run(monkeypatch):
    """Started or resumed, the script is a module of another name."""
    for name in ("__main__", "lossweights_script"):
        for each in (limits, Ruled):
            monkeypatch.setattr(each, "__module__", name)
        assert describe_sampler(Ruled(limits)) == "Ruled(rule=limits)"
