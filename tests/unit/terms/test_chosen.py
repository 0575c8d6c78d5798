"""Terms whose numbers a sweep samples: compiled once, they are the term at each number."""

import numpy as np
import pytest
import tensorflow as tf

import lossweights as lw
from lossweights.terms.chosen import chosen_term, dials_of, turn

Y = np.array([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0]], np.float32)
P = np.array([[0.2, 0.9, 0.4, 0.1], [0.7, 0.3, 0.6, 0.8]], np.float32)
TERMS = [
    (lw.terms.Tversky, "alpha", (0.1, 0.9)),
    (lw.terms.Tversky, "beta", (0.1, 0.9)),
    (lw.terms.Focal, "gamma", (0.5, 3.0)),
    (lw.terms.Focal, "alpha", (0.1, 0.9)),
    (lw.terms.Huber, "delta", (0.1, 2.0)),
    (lw.terms.Pinball, "tau", (0.1, 0.9)),
    (lw.terms.Expectile, "tau", (0.1, 0.9)),
    (lw.terms.Newsvendor, "under_cost", (0.5, 5.0)),
    (lw.terms.Underestimation, "factor", (0.5, 5.0)),
    (lw.terms.Overestimation, "factor", (0.5, 5.0)),
    (lw.terms.Linex, "alpha", (0.5, 2.0)),
]


@pytest.mark.parametrize(("kind", "argument", "ends"), TERMS)
def test_a_sampled_term_is_the_term_at_each_number(kind, argument, ends):
    """In one graph, and its description settles to that of the term."""
    others = {"over_cost": 1.0} if kind is lw.terms.Newsvendor else {}
    sampled = chosen_term(kind(**others, **{argument: lw.Uniform(*ends)}), "shape")
    graph = tf.function(sampled.per_sample, autograph=False)
    for number in (*ends, sum(ends) / 2):
        turn([sampled], {f"term/shape/{argument}": number})
        expected = kind(**others, **{argument: number}).per_sample(Y, P)
        np.testing.assert_allclose(graph(Y, P), expected, rtol=2e-6)
    [dial] = dials_of([sampled])
    described = lw.terms.describe(sampled)
    assert described.pop("sampled") == {argument: dial.key}
    assert described == lw.terms.describe(kind(**others, **{argument: dial.usual}))


def test_a_choice_has_the_values_and_the_gradient_of_what_is_chosen():
    """What is not chosen may be anything, also in its gradient."""
    options = {"mse": "mse", "log": lambda y, p: tf.reduce_mean(tf.math.log(p - 10.0), axis=-1)}
    choice = chosen_term(lw.Choice(options), "shape")
    turn([choice], {"term/shape": "mse", "unit/shape": 2.0})
    p = tf.constant(P)
    with tf.GradientTape() as tape:
        tape.watch(p)
        values = choice.per_sample(Y, p)
    np.testing.assert_allclose(values, 2 * np.mean((Y - P) ** 2, axis=1), rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(values, p), 4 * (P - Y) / 4, rtol=1e-5)
    turn([choice], {"term/shape": "log"})
    assert np.isnan(choice.per_sample(Y, p)).all()


def test_terms_with_sampled_numbers_say_what_they_are():
    """Before a sweep has made them, and after."""
    template = lw.terms.Tversky(alpha=lw.Uniform(0.1, 0.9))
    assert repr(template) == "Tversky(alpha=Uniform(low=0.1, high=0.9))"
    assert repr(chosen_term(template, "shape")) == repr(template)
