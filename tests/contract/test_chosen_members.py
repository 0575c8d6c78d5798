"""What each member has for itself beside weights: numbers of the optimizer, and of terms."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.terms.chosen import chosen_term
from lossweights.training import (
    FitTrainer,
    Halts,
    Member,
    NotStackable,
    SerialTrainer,
    StackedTrainer,
)

from . import models
from .parity import SEED, assert_parity, assert_same, data, problem, train

TERMS = {
    "fit": "mse",
    "shape": lw.Choice(
        {
            "linex": lw.terms.Linex(alpha=lw.Uniform(0.2, 1.0)),
            "expectile": lw.terms.Expectile(tau=lw.Uniform(0.1, 0.9)),
            "log_cosh": "log_cosh",
        }
    ),
}
CHOSEN = [
    {"term/shape": "linex", "term/shape/linex/alpha": 0.3, "unit/shape": 0.5},
    {"term/shape": "linex", "term/shape/linex/alpha": 0.9},
    {"term/shape": "expectile", "term/shape/expectile/tau": 0.8},
    {"term/shape": "log_cosh", "unit/shape": 2.0},
]
PLAIN = [
    (0.5, lw.terms.Linex(alpha=0.3)),
    (1.0, lw.terms.Linex(alpha=0.9)),
    (1.0, lw.terms.Expectile(tau=0.8)),
    (2.0, "log_cosh"),
]
WEIGHTS = {"fit": 1.0, "shape": 0.7}


def stacked(made, given):
    """A stack of four."""
    return StackedTrainer(made, given, size=4)


def chosen_problem(**options):
    """A problem of a term that is one of several."""
    terms = {name: chosen_term(term, name) for name, term in TERMS.items()}
    return problem(terms=terms, **options)


@pytest.mark.parametrize("make", [stacked, SerialTrainer, FitTrainer])
def test_a_chosen_term_trains_as_the_term_itself(make):
    """Each member, side by side with others, as a problem of that term alone does in `fit`."""
    made, given = chosen_problem(), data()
    found = train(make(made, given), [Member(WEIGHTS, SEED, chosen=each) for each in CHOSEN])
    for result, chosen, (unit, term) in zip(found, CHOSEN, PLAIN, strict=True):
        alone = problem(terms={"fit": "mse", "shape": term})
        weights = {**WEIGHTS, "shape": unit * WEIGHTS["shape"]}
        expected = train(FitTrainer(alone, given), [Member(weights, SEED)])[0]
        assert result.chosen == chosen
        for mine, theirs in zip(result.reports, expected.reports, strict=True):
            assert mine.metrics == pytest.approx(theirs.metrics, rel=1e-5, abs=1e-6)
            assert mine.train["shape"] == pytest.approx(unit * theirs.train["shape"], rel=1e-5)


def test_a_stack_has_chosen_terms_as_fit_does():
    """Also gradients of single terms, in an order of rows of each member's own."""
    made, given = chosen_problem(), data()
    members = [Member(WEIGHTS, SEED + i % 2, chosen=each) for i, each in enumerate(CHOSEN)]
    assert_same(train(stacked(made, given), members), train(FitTrainer(made, given), members))


def test_what_waits_at_a_rung_goes_on_with_what_it_chose():
    """Numbers and terms of members survive a halt, and the way to a smaller stack."""
    made, given = chosen_problem(hyper={"learning_rate": 0.01}), data()
    members = [
        Member(WEIGHTS, SEED, chosen={**each, "hyper/learning_rate": 0.01 / (1 + place)})
        for place, each in enumerate(CHOSEN)
    ]
    trainer = stacked(made, given)
    whole = train(trainer, members)
    halts = Halts(frozenset({1}), lambda epoch, standings: [0, 1])
    halted = trainer.train(members, lambda *_: True, halts)
    assert [result.outcome.name for result in halted] == ["PRUNED"] * 2 + ["COMPLETE"] * 2
    assert_same(halted[2:], whole[2:])
    assert whole[2].metrics != pytest.approx(whole[3].metrics, rel=1e-3)


OPTIMIZERS = [
    (keras.optimizers.SGD(0.01), {"learning_rate": 0.01, "momentum": 0.9}),
    (
        keras.optimizers.AdamW(0.01, weight_decay=0.1),
        {"learning_rate": 0.01, "weight_decay": 0.5, "beta_1": 0.9, "beta_2": 0.99},
    ),
    (keras.optimizers.RMSprop(0.01), {"rho": 0.9, "epsilon": 0.1, "momentum": 0.5}),
]


@pytest.mark.parametrize(("optimizer", "usual"), OPTIMIZERS, ids=["sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("build_model", [models.dense, models.embedding])
def test_numbers_of_the_optimizer_are_values_of_members(optimizer, usual, build_model):
    """Each member takes its own steps, in a stack as in `fit`."""
    members = [
        Member(
            {"mse": 1.0, "log_cosh": 0.3},
            SEED,
            chosen={f"hyper/{name}": part * value for name, value in usual.items()},
        )
        for part in (0.5, 1.0, 0.9)
    ]
    assert_parity(stacked, build_model, members=members, optimizer=optimizer, hyper=usual)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_member_has_the_numbers_of_a_sweep_without_choices(momentum):
    """What is chosen as it is anyway changes nothing: the optimizer's own rate is the same."""
    given, usual = data(), {"learning_rate": 0.01, "momentum": momentum}
    made = problem(optimizer=keras.optimizers.SGD(0.01), hyper=usual)
    plain = problem(optimizer=keras.optimizers.SGD(0.01, momentum))
    member = Member({"mse": 1.0, "log_cosh": 0.3}, SEED)
    assert_same(train(FitTrainer(made, given), [member]), train(FitTrainer(plain, given), [member]))


def sized(hp):
    """A model of so many units."""
    hidden = keras.layers.Dense(hp["units"], activation="tanh")
    return keras.Sequential([keras.Input((models.FEATURES,)), hidden, keras.layers.Dense(2)])


def test_serial_trains_the_model_that_a_member_chose():
    """Each in a graph of its own, with its numbers; only the last one's parameters are there."""
    units = lw.Choice({"few": 2, "many": 5})
    options = {"models": {"units": units}, "hp": {"units": 2}, "hyper": {"learning_rate": 0.01}}
    given = data(lambda: sized({"units": 2}))
    made = problem(sized, epochs=1, **options)
    members = [
        Member({"mse": 1.0, "log_cosh": 0.3}, SEED, chosen={"hyper/units": name, **rate})
        for name, rate in (("few", {}), ("many", {"hyper/learning_rate": 0.1}), ("many", {}))
    ]
    trainer, heard = SerialTrainer(made, given), []
    found = trainer.train(members, lambda place, *_: heard.append(place) or True)
    assert_same(found, train(FitTrainer(made, given), members))
    assert set(heard) == {0, 1, 2}
    assert trainer.parameters(2)[0].shape == (models.FEATURES, 5)
    with pytest.raises(LookupError):
        trainer.parameters(0)


class Steps(lw.terms.Term):
    """A term that asks in Python how large its number is, which a graph cannot."""

    def __init__(self, width=1.0, **host):
        """Keep the number."""
        super().__init__(**host)
        self.width = float(width)

    def per_sample(self, y_true, y_pred, element_weight=None):
        """Squares, or twice that."""
        factor = 2.0 if self.width > 1 else 1.0
        return factor * keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def test_a_term_that_reads_its_number_in_python_is_not_stacked():
    """It would be the same for all members: it is told, and not trained wrongly."""
    steps = chosen_term(Steps(width=lw.Uniform(0.5, 2.0)), "steps")
    with pytest.raises(NotStackable):
        stacked(problem(terms={"mse": "mse", "steps": steps}), data())


@pytest.mark.parametrize(
    ("term", "error"),
    [
        (lambda: lw.terms.Pinball(tau=lw.Uniform(0.5, 1.0)), "tau=1.0"),
        (lambda: lw.terms.Underestimation(power=lw.Uniform(1.0, 2.0)), "power"),
        (lambda: lw.Choice({"one": "mse"}), "two options"),
    ],
)
def test_what_a_term_does_not_take_is_refused_at_once(term, error):
    """With the value that it does not take, before any data are loaded."""
    with pytest.raises(lw.errors.LossweightsError, match=error):
        chosen_term(term(), "term")


def test_plain_losses_refuse_what_only_a_sweep_samples():
    """And say who takes it."""
    with pytest.raises(lw.errors.TermError, match=r"Give it to lw\.Sweep"):
        lw.CombinedLoss({"t": lw.terms.Tversky(alpha=lw.Uniform(0.1, 0.9))})


def test_a_term_on_an_output_can_be_chosen():
    """Inside of what says which output is read."""
    on = lw.terms.on("mask", lw.Choice({"dice": lw.terms.Dice(), "mse": "mse"}))
    term = chosen_term(on, "region")
    y, p = {"mask": np.ones((2, 3))}, {"mask": np.full((2, 3), 0.5)}
    assert lw.terms.describe(term)["output"] == "mask"
    dice = 1 - 2 * 1.5 / 4.5
    assert np.array(term.per_sample(y, p)) == pytest.approx([dice, dice])
