"""A training under adaptive weights, all of it in NumPy: model, gradients, optimizer, methods."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossweights as lw
from lossweights.data import Data
from lossweights.terms import as_term
from lossweights.training import Adaptive, FitTrainer, Member, SerialTrainer, StackedTrainer
from lossweights.training.order import batch_order
from lossweights.training.problem import Problem

from ..adaptive_references import (
    LearnedReference,
    dwa_reference,
    encodec_reference,
    gradnorm_reference,
    over_sum,
    relobralo_reference,
    softadapt_reference,
)

RNG = np.random.default_rng(3)
X = RNG.normal(size=(44, 3)).astype("float32")
Y = (X @ RNG.normal(size=(3, 2)) + 1.0 + RNG.normal(size=(44, 2))).astype("float32")
EPOCHS, BATCH, SEED, RATE = 6, 16, 5, 0.03
TERMS = {
    "mse": "mse",
    "log_cosh": "log_cosh",
    "quartic": lambda y, p: ops.mean((p - y) ** 4, axis=-1),
}
# Value and slope of each term in the error.
SLOPES = [
    lambda e: (e**2, 2 * e),
    lambda e: (np.log(np.cosh(e)), np.tanh(e)),
    lambda e: (e**4, 4 * e**3),
]
UNITS = np.array([0.25, 2.0, 0.02])
GIVEN = np.array([1.0, 0.5, 0.3])
GRADNORM, RELOBRALO = lw.adaptive.GradNorm(), lw.adaptive.ReLoBRaLo(rho=0.5, seed=3)
# From the magnitudes and the gradients so far, all in units, to the weights of all epochs so far.
METHODS = {
    lw.adaptive.DWA(): lambda losses, _: dwa_reference(losses),
    lw.adaptive.SoftAdapt(): lambda losses, _: softadapt_reference(losses, "normalized"),
    RELOBRALO: lambda losses, _: relobralo_reference(losses, RELOBRALO),
    lw.adaptive.Uncertainty(): lambda losses, _: [over_sum(1 / row) for row in losses],
    GRADNORM: lambda losses, found: gradnorm_reference(
        losses, [parameters for _, parameters in found], GRADNORM
    ),
    lw.adaptive.EnCodec(): lambda _, found: encodec_reference(
        [outputs for outputs, _ in found], GIVEN, 0.999
    ),
}


def build_model():
    """One linear layer."""
    return keras.Sequential([keras.Input((3,)), layers.Dense(2)])


PROBLEM = Problem(
    build_model=build_model,
    terms={name: as_term(term, name) for name, term in TERMS.items()},
    metrics={"rmse": lw.metrics.RMSE()},
    optimizer=keras.optimizers.SGD(RATE),
    epochs=EPOCHS,
    batch_size=BATCH,
)


def measured(x, y, kernel, bias):
    """Magnitudes of the terms, their gradients at the output, and by kernel and bias."""
    e = x @ kernel + bias - y
    magnitudes = np.array([slope(e)[0].mean() for slope in SLOPES])
    outputs = [slope(e)[1] / e.size for slope in SLOPES]
    parameters = [np.concatenate([(x.T @ g).ravel(), g.sum(axis=0)]) for g in outputs]
    return magnitudes, np.array([g.ravel() for g in outputs]), np.array(parameters)


def numpy_training(weigh):
    """Effective weights in each epoch, and magnitudes before each and at the end."""
    kernel, bias = (w.astype(float) for w in PROBLEM.make_model(SEED).get_weights())
    x, y = X.astype(float), Y.astype(float)
    losses, found, weights, magnitudes = [], [], [], []
    for epoch in range(1, EPOCHS + 1):
        sizes, outputs, parameters = measured(x, y, kernel, bias)
        magnitudes.append(sizes)
        losses.append(sizes * UNITS)
        found.append((outputs * UNITS[:, None], parameters * UNITS[:, None]))
        relative = weigh(losses, found)[-1] * GIVEN.sum() / len(GIVEN)
        weights.append(relative * UNITS)
        order = batch_order(len(x), SEED, epoch)
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            step = RATE * weights[-1] @ measured(x[rows], y[rows], kernel, bias)[2]
            kernel, bias = kernel - step[:6].reshape(3, 2), bias - step[6:]
    magnitudes.append(measured(x, y, kernel, bias)[0])
    return np.array(weights), np.array(magnitudes)


@pytest.fixture(scope="module")
def results():
    """What the reference trainer makes of each method."""
    units = dict(zip(TERMS, UNITS.tolist(), strict=True))
    given = dict(zip(TERMS, (GIVEN * UNITS).tolist(), strict=True))
    members = [Member(given, SEED, Adaptive(method, units)) for method in METHODS]
    trainer = FitTrainer(PROBLEM, Data(train=(X, Y), val=(X, Y)))
    return dict(zip(METHODS, trainer.train(members, lambda *_: True), strict=True))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_training_is_that_of_numpy(results, method):
    """The same weights in every epoch, and with them the same magnitudes to the end."""
    weights, magnitudes = numpy_training(METHODS[method])
    found = results[method]
    rows = [list(report.weights.values()) for report in found.reports[1:]]
    np.testing.assert_allclose(rows, weights, rtol=2e-5)
    np.testing.assert_allclose(found.magnitudes(), magnitudes, rtol=2e-5)
    assert np.ptp(weights[:, 0]) > 2e-3 * weights[:, 0].mean()


def numpy_learning(optimizer):
    """As `numpy_training`, with variances that are trained by the same optimizer, batch by batch.

    Weights are the means over the batches of an epoch.
    """
    kernel, bias = (w.astype(float) for w in PROBLEM.make_model(SEED).get_weights())
    x, y = X.astype(float), Y.astype(float)
    variances, moments = LearnedReference(len(TERMS), optimizer, RATE), np.zeros((2, 8))
    weights, magnitudes, steps = [], [measured(x, y, kernel, bias)[0]], 0
    for epoch in range(1, EPOCHS + 1):
        order, in_force = batch_order(len(x), SEED, epoch), []
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            sizes, _, gradients = measured(x[rows], y[rows], kernel, bias)
            in_force.append(variances.weights * GIVEN.sum() / len(GIVEN) * UNITS)
            step = in_force[-1] @ gradients
            variances.step(sizes * UNITS)
            if optimizer == "adam":
                steps += 1
                moments = np.array([[0.9], [0.999]]) * moments
                moments += np.array([[0.1], [0.001]]) * [step, step**2]
                mean, square = moments[0] / (1 - 0.9**steps), moments[1] / (1 - 0.999**steps)
                step = mean / (np.sqrt(square) + 1e-7)
            kernel, bias = kernel - RATE * step[:6].reshape(3, 2), bias - RATE * step[6:]
        weights.append(np.mean(in_force, axis=0))
        magnitudes.append(measured(x, y, kernel, bias)[0])
    return np.array(weights), np.array(magnitudes)


@pytest.mark.parametrize(
    ("kind", "name", "optimizer"),
    [
        (FitTrainer, "sgd", keras.optimizers.SGD(RATE)),
        (SerialTrainer, "adam", keras.optimizers.Adam(RATE)),
        (StackedTrainer, "adam", keras.optimizers.Adam(RATE)),
    ],
    ids=["fit", "serial", "stacked"],
)
def test_learned_uncertainties_are_those_of_numpy(kind, name, optimizer):
    """In every trainer: the weights of each epoch, on average, and the magnitudes after it."""
    made = replace(PROBLEM, optimizer=optimizer)
    units = dict(zip(TERMS, UNITS.tolist(), strict=True))
    given = dict(zip(TERMS, (GIVEN * UNITS).tolist(), strict=True))
    learned = Adaptive(lw.adaptive.Uncertainty(learned=True), units)
    trainer = kind(made, Data(train=(X, Y), val=(X, Y)))
    found, fixed = trainer.train(
        [Member(given, SEED, learned), Member(given, SEED)], lambda *_: True
    )
    weights, magnitudes = numpy_learning(name)
    rows = [list(report.weights.values()) for report in found.reports[1:]]
    np.testing.assert_allclose(rows, weights, rtol=2e-5)
    np.testing.assert_allclose(found.magnitudes(), magnitudes, rtol=5e-5)
    assert np.ptp(weights[:, 0]) > 2e-2 * weights[:, 0].mean()
    assert all(report.weights is None for report in fixed.reports)
