"""What is chosen beside weights, in spaces and by samplers."""

import pytest
from optuna.trial import TrialState

from lossweights.base.errors import SpaceError
from lossweights.search.baselines import check_baselines
from lossweights.search.choices import Choices, OneOf
from lossweights.search.distributions import Fixed, LogUniform, Off, Ramp, Simplex, Uniform
from lossweights.search.sampler import Sampler
from lossweights.search.samplers import NAMES
from lossweights.search.space import Space
from lossweights.search.start import starting_points
from lossweights.search.warm import warm_parameters

BESIDE = Choices(
    {"hyper/learning_rate": LogUniform(1e-4, 1e-2), "term/b": OneOf(("dice", "tversky"))},
    {"hyper/learning_rate": 1e-3, "term/b": "dice"},
)
SPEC = {"a": Fixed(1.0), "b": Off(LogUniform(0.01, 100.0))}


def space():
    """A term that may be off, with choices beside."""
    return Space(["a", "b"], SPEC, BESIDE)


@pytest.mark.parametrize("name", NAMES)
def test_every_sampler_chooses_beside_weights(name):
    """Each value is tried, and as trials with one are better, that is asked for more."""
    sampler = Sampler(space(), ["minimize"], 0, name)
    asked = []
    for place in range(40):
        at = sampler.ask(place)
        assert set(at) == {"b", "on/b", "hyper/learning_rate", "term/b"}
        assert 1e-4 <= at["hyper/learning_rate"] <= 1e-2
        cost = (at["term/b"] == "dice") + (at["on/b"] == "off") + at["hyper/learning_rate"]
        sampler.learn(place, at, TrialState.COMPLETE, [float(cost)])
        asked.append(at)
    first, last = asked[:16], asked[-16:]
    assert {at["term/b"] for at in first} == {"dice", "tversky"}
    assert {at["on/b"] for at in first} == {"on", "off"}
    if name not in ("sobol", "filler"):  # which learn less, or nothing
        assert sum(at["term/b"] == "tversky" for at in last) > 10
        assert sum(at["on/b"] == "on" for at in last) > 10


def test_a_simplex_has_choices_beside_it():
    """They pass through the coordinates as they are."""
    made = Space(["a", "b"], Simplex(), BESIDE)
    at = {"a": 0.25, "hyper/learning_rate": 5e-3, "term/b": "tversky"}
    parameters = made.parameters_at(at)
    back = made.coordinates_of(parameters)
    assert back.pop("a") == pytest.approx(at.pop("a"))
    assert back == at
    assert made.weights(parameters) == pytest.approx({"a": 0.25, "b": 0.75})
    assert made.chosen(parameters) == {"hyper/learning_rate": 5e-3, "term/b": "tversky"}


def test_what_every_search_begins_with_has_the_usual_values():
    """Starts, baselines and what an earlier sweep found; leaving a term out is inside the space."""
    made, usual = space(), dict(BESIDE.usual)
    for at in [*starting_points(made), *warm_parameters(made, [{"a": 2.0, "b": 6.0}])]:
        assert {name: at[name] for name in usual} == usual
        assert at["on/b"] == "on"
    inside = check_baselines(["without:b", "equal"], made).inside(made)
    assert inside["without:b"]["on/b"] == "off"
    assert made.weights(inside["without:b"]) == {"a": 1.0, "b": 0.0}
    assert made.weights(inside["equal"]) == {"a": 1.0, "b": 1.0}


def test_spaces_without_choices_say_what_they_said():
    """So that older sweeps are gone on with; and choices are part of what is swept."""
    plain = Space(["a", "b"], {"a": 1.0, "b": Uniform(0.0, 1.0)})
    assert plain.describe() == {
        "a": {"kind": "Fixed", "value": 1.0},
        "b": {"kind": "Uniform", "low": 0.0, "high": 1.0},
    }
    assert plain.sampled == plain.parameters
    assert plain.chosen({"b": 0.5}) == {}
    ramped = Space(["a", "b"], {"a": 1.0, "b": Ramp(Off(Uniform(0.0, 1.0)), epochs=3)}, BESIDE)
    assert ramped.describe()["ramp/b"] == {"start": 0.0, "epochs": 3, "after": 0}
    assert ramped.describe()["on/b"] == {"kind": "OneOf", "names": ["on", "off"]}
    assert ramped.describe()["term/b"]["names"] == ["dice", "tversky"]


@pytest.mark.parametrize("part", [Off(LogUniform(0.1, 1.0)), Ramp(1.0, epochs=2)])
def test_a_space_needs_a_weight_that_is_there_from_the_start(part):
    """Else there would be trials, or first epochs, without any loss."""
    with pytest.raises(SpaceError, match="always on"):
        Space(["a", "b"], {"a": part, "b": part})


def test_off_takes_a_range():
    """What is always the same has another name."""
    with pytest.raises(SpaceError, match=r"lw\.Fixed\(0\.0\)"):
        Off(1.0)
