"""What members choose, where their weights are trained too, and where labels are unknown."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

import lossweights as lw
from lossweights.data import Data
from lossweights.terms import describe, known
from lossweights.terms.chosen import chosen_term
from lossweights.training import Adaptive, FitTrainer, Member, SerialTrainer, StackedTrainer
from lossweights.training._stacked_gradients import Form

from .parity import SEED, assert_same, data, problem, train
from .test_chosen_members import CHOSEN, WEIGHTS, chosen_problem
from .test_missing_labels import METRICS, X, Y, build_model

LEARNED = Adaptive(lw.adaptive.Uncertainty(learned=True), {"fit": 1.0, "shape": 2.0})
STACKS = [
    partial(StackedTrainer, size=3),
    partial(StackedTrainer, size=3, form=Form("stack", xla=False)),
    SerialTrainer,
]


@pytest.mark.parametrize("make", STACKS, ids=["member", "stack", "serial"])
def test_weights_are_learned_beside_what_is_chosen(make):
    """By the slope of each member's own terms, at its own rate; others have fixed weights."""
    optimizer = keras.optimizers.Adam(0.02)
    made = chosen_problem(hyper={"learning_rate": 0.02, "beta_1": 0.9}, optimizer=optimizer)
    rates = [(0.005, 0.9), (0.02, 0.5), (0.01, 0.8)]
    members = [
        Member(
            WEIGHTS,
            SEED,
            adaptive,
            chosen={**chosen, "hyper/learning_rate": rate, "hyper/beta_1": beta},
        )
        for adaptive, chosen, (rate, beta) in zip(
            (LEARNED, LEARNED, None), CHOSEN[1:], rates, strict=True
        )
    ]
    given = data()
    found = train(make(made, given), members)
    expected = train(FitTrainer(made, given), members)
    assert_same(found, expected, relative=1e-4)
    for mine, theirs in zip(found[:2], expected[:2], strict=True):
        for one, other in zip(mine.reports, theirs.reports, strict=True):
            assert one.weights == pytest.approx(other.weights, rel=1e-4)
    first, second = (result.reports[-1].weights["fit"] for result in found[:2])
    assert abs(first - second) > 1e-3
    assert found[2].reports[-1].weights is None


ERRORS = lw.Choice(
    {
        "huber": lw.terms.Huber(delta=lw.Uniform(0.2, 2.0)),
        "mse": "mse",
        "own": lambda y, p: ops.sqrt(1.0 + ops.square(y - p)) - 1.0,
    }
)
PICKED = [
    ({"term/own": "huber", "term/own/huber/delta": 0.7}, lw.terms.Huber(delta=0.7)),
    ({"term/own": "mse"}, "mse"),
]


@pytest.mark.parametrize("make", [STACKS[0], SerialTrainer], ids=["stacked", "serial"])
def test_chosen_terms_leave_unknown_labels_out(make):
    """Each as the term alone would, in means over the elements that are known."""
    terms = {"mse": known("mse"), "own": known(chosen_term(ERRORS, "own"))}
    options = {"metrics": METRICS, "epochs": 2}
    given = Data((X, Y), (X[:11], Y[:11]), missing="nan")
    weights = {"mse": 1.0, "own": 0.5}
    members = [Member(weights, SEED, chosen=chosen) for chosen, _ in PICKED]
    found = train(make(problem(build_model, terms=terms, **options), given), members)
    for result, (_, term) in zip(found, PICKED, strict=True):
        alone = problem(build_model, terms={"mse": known("mse"), "own": known(term)}, **options)
        [expected] = train(FitTrainer(alone, given), [Member(weights, SEED)])
        for mine, theirs in zip(result.reports, expected.reports, strict=True):
            assert mine.train == pytest.approx(theirs.train, rel=1e-5)
            assert mine.val == pytest.approx(theirs.val, rel=1e-5)


def test_options_that_leave_out_others_are_refused():
    """Where a label of one class is unknown, a cross-entropy has no element, and a square has."""
    options = {"mse": "mse", "ce": "categorical_crossentropy"}
    term = known(chosen_term(lw.Choice(options), "own"))
    assert np.array(term.part_known(np.ones((2, 3)))) == pytest.approx([1, 1])
    with pytest.raises(lw.errors.TermError, match="leave out the same elements"):
        term.part_known(np.array([[1.0, np.nan, 0.0]]))


DICE = lw.Choice({"dice": lw.terms.Dice(), "tversky": lw.terms.Tversky(alpha=lw.Uniform(0.1, 0.9))})


@pytest.mark.parametrize(
    ("term", "said"),
    [
        (lambda: known(DICE), {"missing": "nan"}),
        (lambda: lw.terms.reading(DICE, target=0), {"target": "0"}),
        (lambda: known(lw.terms.reading(DICE, target=0)), {"missing": "nan", "target": "0"}),
    ],
)
def test_what_is_around_a_choice_is_around_each_option(term, said):
    """So each reads, and leaves out, what it would alone; and its description says so."""
    made = describe(chosen_term(term(), "region"))
    assert made["options"]["dice"] == {"class": "Dice", **said}
    assert made["options"]["tversky"].items() >= said.items()
    outer = describe(chosen_term(lw.terms.on("mask", term()), "region"))
    assert outer == {**made, "output": "mask"}


def test_functions_between_outputs_may_be_chosen():
    """They get dicts, as one function does."""
    options = {"up": lambda y, p: p["a"] - p["b"], "down": lambda y, p: p["b"] - p["a"]}
    term = chosen_term(lw.terms.on(("a", "b"), lw.Choice(options)), "order")
    y = {name: np.zeros((2, 1)) for name in "ab"}
    assert np.array(term.per_sample(y, {**y, "a": np.ones((2, 1))})) == pytest.approx([1, 1])
