"""What a sweep has to beat: which weights a name stands for, and where they are trained."""

import math

import pytest

from lossweights import adaptive
from lossweights.base.errors import LossweightsError, RecipeError, SpaceError, WeightError
from lossweights.base.strict_json import dump_json, parse_json
from lossweights.loss.adaptive import Method, method_of
from lossweights.search.baselines import Baselines, check_baselines, parse_baselines
from lossweights.search.space import Fixed, LogUniform, Simplex, Space, Uniform

TERMS = ["mse", "under", "boundary"]
METHODS = ["uncertainty", "dwa", "softadapt", "relobralo", "gradnorm", "encodec"]
SPACE = Space(TERMS, {"mse": Fixed(1.0), "under": LogUniform(0.01, 100), "boundary": Uniform(0, 5)})
TODAY = {"mse": 1.0, "under": 0.5, "boundary": 0.2}
MAGNITUDES = {"mse": 4.0, "under": 1.0, "boundary": 2.0}


def weights_of(baselines, space=SPACE, magnitudes=MAGNITUDES):
    """The relative weights of all baselines, trials or not."""
    inside = {n: space.weights(p) for n, p in baselines.inside(space).items()}
    return inside | {each.name: each.weights for each in baselines.outside(space, magnitudes)}


def test_the_default_is_equal_each_left_out_and_one_method_without_gradients():
    """What nobody had to think of."""
    found = check_baselines(None, SPACE)
    assert found.names == ["equal", *(f"without:{term}" for term in TERMS), "uncertainty"]
    assert adaptive.Uncertainty.gradients is None
    assert check_baselines("default", SPACE) == check_baselines(["default"], SPACE) == found


def test_all_are_all():
    """Every name of the issue."""
    found = check_baselines("all", SPACE).names
    kinds = [f"{kind}:{term}" for kind in ("without", "only") for term in TERMS]
    assert found == ["equal", "inverse", *kinds, *METHODS]
    assert check_baselines([TODAY, "all"], SPACE).names == ["today", *found]


def test_learned_uncertainties_are_raced_beside_those_in_closed_form():
    """By name or as a method, under a name of their own; as JSON the closed form is as ever."""
    for learned in ("uncertainty-learned", adaptive.Uncertainty(learned=True)):
        found = check_baselines(["uncertainty", learned], SPACE)
        methods = {each.name: each.method for each in found.outside(SPACE, MAGNITUDES)}
        closed, trained = {"method": "Uncertainty"}, {"method": "Uncertainty", "learned": True}
        assert methods == {"uncertainty": closed, "uncertainty-learned": trained}
        assert Baselines.from_json(found.to_json(SPACE)) == found


@pytest.mark.parametrize("nothing", ["none", [], ()])
def test_none_are_none(nothing):
    """None are a choice too."""
    assert check_baselines(nothing, SPACE) == Baselines()


def test_weights_of_the_names():
    """Equal ones; without a term, alone and with inverse magnitudes, in units of the space."""
    found = weights_of(check_baselines("all", SPACE))
    assert found["equal"] == dict.fromkeys(TERMS, 1.0)
    assert found["without:under"] == {"mse": 1.0, "under": 0.0, "boundary": 1.0}
    assert found["only:under"] == {"mse": 0.0, "under": 1.0, "boundary": 0.0}
    inverse = found["inverse"]
    products = {name: inverse[name] * MAGNITUDES[name] for name in TERMS}
    assert list(products.values()) == pytest.approx([products["mse"]] * 3)
    assert sum(inverse.values()) == pytest.approx(3.0)
    assert all(found[name] == found["equal"] for name in METHODS)


def test_inside_is_what_the_space_holds_and_the_rest_is_outside():
    """A weight of 0 is inside a range that begins there, and outside a logarithmic one."""
    found = check_baselines(["all", TODAY, {**TODAY, "mse": 2.0}], SPACE)
    assert found.inside(SPACE) == {
        "today": {"under": 0.5, "boundary": 0.2},
        "equal": {"under": 1.0, "boundary": 1.0},
        "without:boundary": {"under": 1.0, "boundary": 0.0},
    }
    outside = found.outside(SPACE, MAGNITUDES)
    assert sorted([*found.inside(SPACE), *(each.name for each in outside)]) == sorted(found.names)
    assert {each.name: each.weights for each in outside}["today-2"]["mse"] == 2.0
    methods = {each.name: method_of(each.method).name for each in outside if each.method}
    assert methods == dict(zip(METHODS, METHODS, strict=True))


@pytest.mark.parametrize(
    ("spec", "level", "inside"),
    [
        ({"mse": 2.0, "under": LogUniform(0.1, 10)}, 2.0, True),
        ({"mse": LogUniform(3, 9), "under": LogUniform(0.1, 10)}, 3.0, True),
        ({"mse": LogUniform(0.1, 0.5), "under": LogUniform(0.1, 10)}, 0.5, True),
        ({"mse": 2.0, "under": LogUniform(3, 10)}, 2.0, False),
        ({"mse": Uniform(0, 1), "under": LogUniform(3, 10)}, 1.0, False),
        (Simplex(5.0), 2.5, True),
    ],
)
def test_equal_weights_are_equal(spec, level, inside):
    """At the level nearest to 1 that the space holds; they are never bent to fit its bounds."""
    space = Space(["mse", "under"], spec)
    found = check_baselines(["equal"], space)
    assert list(weights_of(found, space)["equal"].values()) == pytest.approx([level] * 2, rel=1e-12)
    assert bool(found.inside(space)) is inside


def test_on_a_simplex_what_is_left_shares_the_total():
    """And nothing but equal weights, and today's of that sum, is inside: no share of it is 0."""
    space = Space(TERMS, Simplex(3.0))
    today = [{"mse": 1.5, "under": 0.5, "boundary": 1.0}, {"mse": 3, "under": 1, "boundary": 2}]
    found = check_baselines(["all", *today], space)
    assert list(found.inside(space)) == ["today", "equal"]
    weights = weights_of(found, space)
    assert weights["today"] == pytest.approx(today[0])
    assert weights["today-2"] == today[1]
    assert weights["without:mse"] == {"mse": 0.0, "under": 1.5, "boundary": 1.5}
    assert weights["only:mse"] == {"mse": 3.0, "under": 0.0, "boundary": 0.0}


def test_what_is_switched_off_stays_off():
    """A term that every trial switches off is in no baseline."""
    space = Space(TERMS, {"mse": 1.0, "under": LogUniform(0.1, 10), "boundary": Fixed(0.0)})
    found = weights_of(check_baselines("all", space), space)
    assert all(each["boundary"] == 0 for each in found.values())
    assert "without:boundary" not in found
    with pytest.raises(SpaceError, match="boundary"):
        check_baselines([TODAY], space)


def test_nothing_is_raced_twice():
    """Of two terms leaving one out is the other alone, and today's weights may be equal ones."""
    space = Space(["mse", "under"], {"mse": 1.0, "under": LogUniform(0.1, 10)})
    assert not any(name.startswith("only") for name in check_baselines("all", space).names)
    assert check_baselines(["only:mse"], space).names == ["only:mse"]
    equal = {"mse": 1.0, "under": 1.0}
    assert check_baselines(["equal", equal, dict(equal)], space).names == ["today"]
    assert check_baselines(["dwa", "dwa", adaptive.DWA()], space).names == ["dwa"]


def test_a_method_of_the_users_own_stands_for_its_name():
    """Its numbers count, also where a group names it; a second one has a name of its own."""
    found = check_baselines(["all", adaptive.DWA(1.0), adaptive.DWA(3.0)], SPACE)
    methods = {each.name: each.method for each in found.entries if "dwa" in each.name}
    assert methods == {"dwa": adaptive.DWA(1.0), "dwa-2": adaptive.DWA(3.0)}


def test_one_term_has_nothing_to_be_weighed_against():
    """Its sweep has equal weights to beat, and no more."""
    space = Space(["mse"], {"mse": LogUniform(0.1, 10)})
    assert check_baselines("all", space).names == check_baselines(None, space).names == ["equal"]


@pytest.mark.parametrize("mse", [None, 0.0, -1.0, math.nan])
def test_inverse_needs_positive_magnitudes(mse, caplog):
    """Without, it is left out, and the log says why if something was measured."""
    found = check_baselines(["inverse", "equal"], SPACE)
    start = None if mse is None else {**MAGNITUDES, "mse": mse}
    assert found.outside(SPACE, start) == []
    assert ("mse" in caplog.text) is (start is not None)


class OwnMethod(Method):
    """One that no JSON can describe."""

    def formula(self, seen):
        """Equal weights."""
        return 1.0 + 0 * seen.magnitudes, {}


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ("eqal", RecipeError, "without:TERM"),
        ("without:udner", RecipeError, "under"),
        ("only:", RecipeError, "only:TERM"),
        ("equal:mse", RecipeError, "'equal:mse'"),
        ("today", RecipeError, "today's weights"),
        (["none", "equal"], RecipeError, "'none'"),
        ("none,equal", RecipeError, "comma"),
        ("equal,,dwa", RecipeError, "comma"),
        ("", RecipeError, "comma"),
        (3, RecipeError, "a list"),
        ([3], RecipeError, "Found 3"),
        (TODAY, RecipeError, "a list"),
        (adaptive.DWA(), RecipeError, "a list"),
        ([adaptive.DWA], RecipeError, "DWA"),
        ([OwnMethod()], LossweightsError, "OwnMethod"),
        ([{"mse": 1.0}], WeightError, "under"),
        ([{**TODAY, "mse": -1.0}], WeightError, "mse"),
        ([dict.fromkeys(TERMS, 0.0)], WeightError, "all zero"),
        ([adaptive.EnCodec(shares={"mse": 1.0})], WeightError, "share"),
    ],
)
def test_what_is_no_baseline_is_refused(asked, error, said):
    """At the declaration, with what was expected, what was found, and what to do."""
    with pytest.raises(error, match=said) as raised:
        check_baselines(asked, SPACE)
    assert "Expected" in str(raised.value)
    assert "Found" in str(raised.value)


def test_the_last_term_is_not_left_out():
    """A loss of nothing trains nothing."""
    space = Space(["mse", "under"], {"mse": 0.0, "under": LogUniform(0.1, 10)})
    with pytest.raises(RecipeError, match="no term is left"):
        check_baselines(["without:under"], space)
    with pytest.raises(RecipeError, match="weight 0 in every trial"):
        check_baselines(["without:mse"], space)


def test_names_on_a_command_line():
    """As Python's list of names, with or without spaces."""
    assert parse_baselines(" equal ,without:mse,dwa") == ["equal", "without:mse", "dwa"]
    assert parse_baselines("all") == ["all"]
    assert parse_baselines("none") == []


def test_asked_again_a_name_means_what_was_declared():
    """On a command line, for a sweep that declares weights of today and methods of its own."""
    declared = check_baselines([TODAY, adaptive.DWA(1.0)], SPACE)
    again = {text: check_baselines(text, SPACE, declared) for text in ("today,dwa", "all", "none")}
    assert again["today,dwa"] == declared
    assert all(each in again["all"].entries for each in declared.entries)
    assert len(again["all"].names) == 1 + len(check_baselines("all", SPACE).names)
    assert check_baselines("default", SPACE, declared).names[:2] == ["today", "equal"]
    assert again["none"] == Baselines()


@pytest.mark.parametrize("asked", ["all", "none", None, [TODAY, adaptive.EnCodec(decay=0.5)]])
def test_json_gives_back_what_it_was_made_of(asked):
    """Through a file, and with what is inside the space marked."""
    found = check_baselines(asked, SPACE)
    said = parse_json(dump_json(found.to_json(SPACE)).encode())
    assert Baselines.from_json(said) == found
    inside = {name: each["parameters"] for name, each in said.items() if "parameters" in each}
    assert inside == found.inside(SPACE)


@pytest.mark.parametrize("said", [{"equal": {}}, {"equal": 3}, {"dwa": {"weights": {}}}, [1]])
def test_json_of_something_else_is_refused(said):
    """A manifest that somebody edited."""
    with pytest.raises(WeightError, match="Expected"):
        Baselines.from_json(said)


def test_weights_that_float32_loses_to_the_scales_are_refused():
    """Those inside the space are the space's to check."""
    found = check_baselines([{"mse": 1e30, "under": 1.0, "boundary": 1.0}], SPACE)
    found.check_scales(SPACE, dict.fromkeys(TERMS, 1.0))
    with pytest.raises(WeightError, match=r"'today'.*scale 1e-10"):
        found.check_scales(SPACE, {"mse": 1e-10, "under": 1.0, "boundary": 1.0})
