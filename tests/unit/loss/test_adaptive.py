"""Adaptive weighting: each method by its paper's formula, and where that has no answer."""

import json
import math
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from lossweights.base.errors import RecipeError, TermError, WeightError
from lossweights.loss.adaptive import (
    DWA,
    EnCodec,
    GradNorm,
    Method,
    ReLoBRaLo,
    SoftAdapt,
    Uncertainty,
    method_json,
    method_of,
)

from ..adaptive_references import (
    dwa_reference,
    encodec_reference,
    gradnorm_reference,
    over_sum,
    relobralo_reference,
    softadapt_reference,
)

RNG = np.random.default_rng(7)
NAMES = ("a", "b", "c")
K = len(NAMES)
STEPS = 9
# A short training: three terms that fall at different speeds, with some noise; and their gradients.
MAGNITUDES = np.array([8.0, 2.0, 0.5]) * np.exp(
    -np.outer(np.arange(STEPS), [0.6, 0.2, 0.05]) + 0.05 * RNG.normal(size=(STEPS, K))
)
VECTORS = RNG.normal(size=(STEPS, K, 5)) * MAGNITUDES[:, :, None]
GRAMS = VECTORS @ VECTORS.transpose(0, 2, 1)
NORMS = np.sqrt((VECTORS**2).sum(axis=-1))
ALL = [DWA(), EnCodec(), GradNorm(), ReLoBRaLo(), SoftAdapt(), Uncertainty()]
VARIANTS = [SoftAdapt("original"), SoftAdapt("normalized"), SoftAdapt("loss-weighted")]


def named(values):
    """Values of the terms by their names."""
    return dict(zip(NAMES, map(float, values), strict=True))


def weights_of(method, magnitudes=MAGNITUDES, grams=GRAMS, start=(1.0, 1.0, 1.0)):
    """The weights after each measurement, shape ``(steps, terms)``."""
    state, rows = method.start(named(start)), []
    for values, gram in zip(magnitudes, grams, strict=True):
        state = method.step(state, named(values), gram if method.gradients else None)
        rows.append(list(state.weights.values()))
    return np.array(rows)


def two(method, *magnitudes, gram=None, weights=(1.0, 1.0)):
    """The weights of two terms after some measurements."""
    state = method.start(dict(zip("ab", weights, strict=True)))
    for values in magnitudes:
        state = method.step(state, dict(zip("ab", values, strict=True)), gram)
    return list(state.weights.values())


# By hand: one step of each paper's formula.


def test_dwa_by_hand():
    """After two epochs: ratios 0.5 and 1, T = 2, so exp(0.25) to exp(0.5)."""
    found = two(DWA(), (99.0, 3.0), (8.0, 2.0), (4.0, 2.0))
    a, b = math.exp(0.25), math.exp(0.5)
    assert found == pytest.approx([2 * a / (a + b), 2 * b / (a + b)])


def test_dwa_begins_with_two_equal_epochs():
    """The magnitudes before the training count for nothing."""
    assert two(DWA(), (99.0, 3.0)) == [1.0, 1.0]
    assert two(DWA(), (99.0, 3.0), (8.0, 2.0)) == [1.0, 1.0]


def test_softadapt_by_hand():
    """Slopes -4 and 1: as they are, over their absolute sum 5, and times the mean magnitude."""
    seen = ((8.0, 1.0), (4.0, 2.0))
    a, b = math.exp(-0.4), math.exp(0.1)
    assert two(SoftAdapt("original"), *seen) == pytest.approx(over_sum([a, b]))
    assert two(SoftAdapt("loss-weighted"), *seen) == pytest.approx(over_sum([6 * a, 1.5 * b]))
    a, b = math.exp(-0.08), math.exp(0.02)
    assert two(SoftAdapt("normalized"), *seen) == pytest.approx(over_sum([a, b]))


def test_softadapt_takes_what_is_negative():
    """A difference needs no sign; a weight by a negative magnitude would be negative."""
    seen = ((-1.0, 1.0), (-2.0, 1.0))
    assert two(SoftAdapt("original", beta=1.0), *seen) == pytest.approx(
        over_sum([math.exp(-1.0), 1.0])
    )
    assert two(SoftAdapt("loss-weighted"), *seen) == [1.0, 1.0]


@pytest.mark.parametrize("rho", [0.0, 1.0])
def test_relobralo_by_hand(rho):
    """The second step: alpha of the past, or of a look back to the start, and the last step."""

    def balance(now, then):
        return over_sum(np.exp(np.divide(now, then) / 0.5))

    first, second, third = (8.0, 2.0), (4.0, 2.0), (3.0, 1.0)
    past = balance(second, first)  # alpha = 0.8 of the past, which is 1 or the same as this
    past = 0.8 * (np.ones(2) if rho else past) + 0.2 * past
    kept = past if rho else balance(third, first)
    expected = 0.8 * kept + 0.2 * balance(third, second)
    found = two(ReLoBRaLo(alpha=0.8, tau=0.5, rho=rho), first, second, third)
    assert found == pytest.approx(expected)


def test_gradnorm_by_hand():
    """Lengths 3 and 1, mean 2: at the start one is too long, the other too short."""
    gram = [[9.0, 1.0], [1.0, 1.0]]
    found = two(GradNorm(rate=0.1, optimizer="sgd"), (8.0, 1.0), gram=gram)
    assert found == pytest.approx(over_sum([1 - 0.1 * 3, 1 + 0.1 * 1]))
    # The first step of Adam is its rate, whatever the length.
    assert two(GradNorm(rate=0.1), (8.0, 1.0), gram=gram) == pytest.approx([0.9, 1.1])


def test_gradnorm_pulls_at_what_lags_behind():
    """Equal lengths: the term that has fallen less gets more, with alpha 0 neither does."""
    gram, seen = np.eye(2), ((8.0, 1.0), (2.0, 1.0))
    first, second = two(GradNorm(), *seen, gram=gram)
    assert first < 1 < second
    assert two(GradNorm(alpha=0.0), *seen, gram=gram) == [1.0, 1.0]


def test_uncertainty_by_hand():
    """1 / (2 L), up to the sum that is kept."""
    assert two(Uncertainty(), (3.0, 1.0)) == pytest.approx([0.5, 1.5])
    assert two(Uncertainty(), (3.0, 1.0), weights=(4.0, 1.0)) == pytest.approx([1.25, 3.75])


def test_encodec_by_hand():
    """Lengths 3 and 1; the weighted ones are as the shares are, by the weights or as given."""
    gram = [[9.0, 0.0], [0.0, 1.0]]
    a, b = two(EnCodec(), (1.0, 1.0), gram=gram, weights=(3.0, 1.0))
    assert (3 * a / (3 * a + b), a + b) == pytest.approx((0.75, 4.0))
    a, b = two(EnCodec(shares={"a": 0.2, "b": 0.8}), (1.0, 1.0), gram=gram)
    assert (3 * a / (3 * a + b), a + b) == pytest.approx((0.2, 2.0))


# Over a training: independent implementations, from the papers.


def test_dwa_over_a_training():
    """As the paper says it, epoch by epoch."""
    found = weights_of(DWA())
    np.testing.assert_allclose(found, dwa_reference(MAGNITUDES), rtol=1e-12)
    assert np.ptp(found[2:], axis=0).min() > 1e-3


@pytest.mark.parametrize("method", VARIANTS, ids=lambda m: m.variant)
def test_softadapt_over_a_training(method):
    """As the paper says it, epoch by epoch."""
    expected = softadapt_reference(MAGNITUDES, method.variant)
    np.testing.assert_allclose(weights_of(method), expected, rtol=1e-12)


def test_relobralo_over_a_training():
    """As the paper says it, with looks back to the start among the steps."""
    method = ReLoBRaLo(rho=0.5, seed=3)
    assert 0 < sum(method.stays(t) for t in range(1, STEPS)) < STEPS - 1
    expected = relobralo_reference(MAGNITUDES, method)
    np.testing.assert_allclose(weights_of(method), expected, rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_gradnorm_over_a_training(optimizer):
    """As the paper says it, the gradient of its objective taken by differences."""
    method = GradNorm(optimizer=optimizer, rate=0.02)
    expected = gradnorm_reference(MAGNITUDES, VECTORS, method)
    assert expected.min() > 0
    np.testing.assert_allclose(weights_of(method), expected, rtol=1e-5)


def test_uncertainty_over_a_training():
    """The variances that a search finds are those of the closed form."""
    from scipy.optimize import minimize_scalar

    for found, losses in zip(weights_of(Uncertainty()), MAGNITUDES, strict=True):

        def cost(log_s, loss):
            return loss / (2 * math.exp(2 * log_s)) + log_s

        best = [minimize_scalar(cost, args=(loss,), tol=1e-12).x for loss in losses]
        weights = [1 / (2 * math.exp(2 * log_s)) for log_s in best]
        np.testing.assert_allclose(found, over_sum(weights), rtol=1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_encodec_over_a_training(decay):
    """As the paper says it: an average without the bias of its start."""
    method = EnCodec(shares=named((0.5, 0.3, 0.2)), decay=decay)
    expected = encodec_reference(VECTORS, (0.5, 0.3, 0.2), decay)
    np.testing.assert_allclose(weights_of(method), expected, rtol=1e-12)


# What all have in common.


@pytest.mark.parametrize("method", [*ALL, *VARIANTS], ids=repr)
def test_the_sum_of_the_weights_is_kept(method):
    """Whatever they were at the start."""
    found = weights_of(method, start=(0.5, 3.0, 0.25))
    np.testing.assert_allclose(found.sum(axis=1), 3.75)
    assert found.min() > 0


@pytest.mark.parametrize("method", [*ALL, *VARIANTS], ids=repr)
def test_a_term_of_weight_0_stays_off(method):
    """It has no part in what the others get, even where it is undefined."""
    undefined = np.array(MAGNITUDES)
    undefined[:, 1] = np.nan
    holes = np.array(GRAMS)
    holes[:, 1], holes[:, :, 1] = np.nan, np.nan
    found = weights_of(method, undefined, holes, start=(1.0, 0.0, 1.0))
    assert not found[:, 1].any()
    state, rows = method.start({"a": 1.0, "c": 1.0}), []
    for values, gram in zip(MAGNITUDES[:, [0, 2]], GRAMS[:, [0, 2]][:, :, [0, 2]], strict=True):
        state = method.step(state, dict(zip("ac", values, strict=True)), gram)
        rows.append(list(state.weights.values()))
    np.testing.assert_allclose(found[:, [0, 2]], rows)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", [*ALL, *VARIANTS], ids=repr)
def test_a_magnitude_that_is_not_finite_is_forgotten(method, bad):
    """The last weights stay, the reason is told, and what is remembered is finite."""
    state = method.start(named((1.0, 1.0, 1.0)))
    for values, gram in zip(MAGNITUDES[:4], GRAMS[:4], strict=True):
        state = method.step(state, named(values), gram)
    after = method.step(state, {**named(MAGNITUDES[4]), "b": bad}, GRAMS[4])
    assert after.weights == state.weights
    assert after.kept == "the magnitude of b is not finite"
    assert after.memory == state.memory
    again = method.step(after, named(MAGNITUDES[5]), GRAMS[5])
    assert again.kept is None
    assert np.isfinite(list(again.weights.values())).all()


@pytest.mark.parametrize("method", [GradNorm(), EnCodec()], ids=repr)
def test_a_gradient_without_an_answer_keeps_the_weights(method):
    """One that is not finite is forgotten; one of length 0 leaves nothing to divide by."""
    before = method.start({"a": 2.0, "b": 1.0})
    lost = method.step(before, {"a": 1.0, "b": 1.0}, [[np.nan, 0.0], [0.0, 1.0]])
    assert (lost.weights, lost.kept) == (before.weights, "the gradient of a is not finite")
    still = method.step(before, {"a": 1.0, "b": 1.0}, [[1.0, 0.0], [0.0, 0.0]])
    assert (still.weights, still.kept) == (before.weights, "the gradient of b is 0")


@pytest.mark.parametrize("low", [0.0, -1.0])
@pytest.mark.parametrize("method", [DWA(), ReLoBRaLo(), GradNorm(), Uncertainty()], ids=repr)
def test_ratios_to_what_is_not_above_0_keep_the_weights_until_there_are_some(method, low):
    """A term at 0 stops the weighing, and a later start lets it go on."""
    state = method.start({"a": 1.0, "b": 1.0})
    for _ in range(4):
        state = method.step(state, {"a": 2.0, "b": low}, np.diag([9.0, 1.0]))
    assert state.kept == "the magnitude of b is not above 0"
    assert state.weights == {"a": 1.0, "b": 1.0}
    for a in (2.0, 1.0, 0.5, 0.25):
        state = method.step(state, {"a": a, "b": 1.0}, np.diag([9.0, 1.0]))
    assert state.kept is None
    assert state.weights["a"] != 1.0


def test_no_term_that_is_on_goes_out():
    """A weight of 0 would switch its term off for good, and float32 takes less than 1e-38 for 0."""
    a, b = two(Uncertainty(), (1e-30, 1e30))
    assert (a, b) == pytest.approx((2.0, 2e-8))
    a, b = two(SoftAdapt("original", beta=1.0), (1e4, 1.0), (1.0, 1.0))
    assert (a, b) == pytest.approx((2e-8, 2.0))


@pytest.mark.parametrize("method", ALL, ids=repr)
def test_a_method_never_changes_and_a_state_neither(method):
    """Members of a stack share a method, each with its own state; both can be sent to a process."""
    with pytest.raises(FrozenInstanceError):
        method.anything = 1.0
    alone = weights_of(method)
    states = [method.start(named((1.0, 1.0, 1.0))) for _ in range(2)]
    rows = []
    for t in range(STEPS):
        states[1] = method.step(states[1], named(MAGNITUDES[-1 - t]), GRAMS[-1 - t])
        copy = pickle.loads(pickle.dumps(states[0]))
        states[0] = method.step(copy, named(MAGNITUDES[t]), GRAMS[t])
        rows.append(list(states[0].weights.values()))
    np.testing.assert_array_equal(rows, alone)


def test_seeds_look_back_after_epochs_of_their_own():
    """The same seed does the same, another one something else, and so often as asked for."""
    method, other = ReLoBRaLo(rho=0.5, seed=1), ReLoBRaLo(rho=0.5, seed=2)
    np.testing.assert_array_equal(weights_of(method), weights_of(ReLoBRaLo(rho=0.5, seed=1)))
    assert not np.array_equal(weights_of(method), weights_of(other))
    stays = [ReLoBRaLo(rho=0.9, seed=5).stays(t) for t in range(2000)]
    assert 0.88 < np.mean(stays) < 0.92


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: DWA(temperature=0.0), WeightError, "temperature"),
        (lambda: SoftAdapt("other"), WeightError, "variant"),
        (lambda: SoftAdapt(beta=math.nan), WeightError, "beta"),
        (lambda: ReLoBRaLo(alpha=1.5), WeightError, "alpha"),
        (lambda: ReLoBRaLo(seed=-1), RecipeError, "seed"),
        (lambda: GradNorm(rate=-1.0), WeightError, "rate"),
        (lambda: GradNorm(optimizer="rmsprop"), WeightError, "optimizer"),
        (lambda: EnCodec(decay=1.0), WeightError, "decay"),
        (lambda: EnCodec(shares={"a": 1.0}).start({"a": 1.0, "b": 1.0}), WeightError, "share"),
        (lambda: EnCodec(shares={"z": 1.0}).start({"a": 1.0}), WeightError, "share"),
        (lambda: two(GradNorm(), (1.0, 1.0)), TermError, "gradients of the terms"),
        (lambda: DWA().step(DWA().start({"a": 1.0}), {}), TermError, "magnitude"),
    ],
)
def test_what_a_method_cannot_do_is_refused_in_a_sentence(make, error, says):
    """What was expected, what was found."""
    with pytest.raises(error, match=f"Expected .*{says}.* Found"):
        make()


CONFIGURED = [
    *ALL,
    DWA(temperature=0.1 + 0.2),
    DWA(np.float32(0.7)),
    EnCodec(shares={"a": 1 / 3, "b": np.float64(2.0)}, decay=0),
    GradNorm(alpha=0, rate=1e-3, optimizer="sgd"),
    ReLoBRaLo(alpha=0.123456789012345678, tau=3, rho=0.5, seed=2**40),
    Uncertainty(learned=True),
    *VARIANTS,
]


@pytest.mark.parametrize("method", CONFIGURED, ids=repr)
def test_a_method_comes_back_from_json_as_it_was(method):
    """Of the same class, with the same arguments to the last bit."""
    text = json.dumps(method_json(method), allow_nan=False)
    again = method_of(json.loads(text))
    assert type(again) is type(method)
    assert again == method
    assert method_of({"method": type(method).__name__}) == type(method)()


class Own(Method):
    """A method that no file can name."""

    def formula(self, seen):
        """Equal weights."""
        return np.ones_like(seen.magnitudes), {}


class DWAToo(DWA):
    """A class of its own under another one."""


@pytest.mark.parametrize(
    "method", [Own(), DWAToo(), DWA, "dwa", None], ids=["own", "derived", "class", "text", "none"]
)
def test_what_json_cannot_hold_is_refused(method):
    """Reading it would have to import it by name."""
    with pytest.raises(WeightError, match=r"Expected a method of lw.adaptive.* Found .*schedule"):
        method_json(method)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"method": "os.system"},
        {"method": ["DWA"]},
        {"method": "DWA", "temperature": -1.0},
        {"method": "DWA", "temperature": "2"},
        {"method": "DWA", "beta": 1.0},
        {"method": "ReLoBRaLo", "seed": 0.5},
        {"method": "EnCodec", "shares": 3},
        {"method": "SoftAdapt", "variant": ["original"]},
        "DWA",
        None,
    ],
    ids=repr,
)
def test_json_that_describes_no_method_is_refused(value):
    """Whatever a file may hold, in a sentence."""
    with pytest.raises(WeightError, match=r"Expected .* Found .*method_json"):
        method_of(value)
