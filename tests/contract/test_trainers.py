"""Every trainer gives the numbers of `model.fit`, for every kind of layer and optimizer."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.problem import Data, Problem
from lossweights.terms import as_term
from lossweights.training import FitTrainer, Member, StackedTrainer
from tests.contract import models

EPOCHS, BATCH, SEED = 3, 16, 4
RELATIVE = 1e-5  # of magnitudes after three epochs in float32
TERMS = {"mse": "mse", "log_cosh": "log_cosh"}  # smooth: rounding never moves a sample over a kink
METRICS = {"rmse": lw.metrics.RMSE(), "bias": lw.metrics.Bias()}
WEIGHTS = [{"mse": 1.0, "log_cosh": w} for w in (0.0, 0.3, 4.0)]
MEMBERS = [Member(weights, SEED) for weights in WEIGHTS]


def problem(build_model=models.dense, **options):
    """A problem of two smooth terms."""
    return Problem(
        build_model=build_model,
        terms={name: as_term(term, name) for name, term in TERMS.items()},
        **{"metrics": METRICS, "epochs": EPOCHS, "batch_size": BATCH, **options},
    )


def data(build_model=models.dense, weighted=False):
    """Training and validation data for a model."""
    rng = np.random.default_rng(1)
    model = build_model()
    train, val = (models.data_for(model, n, rng) for n in (models.ROWS, models.VAL_ROWS))
    if weighted:
        train, val = ((*part, rng.uniform(0.1, 2, len(part[1]))) for part in (train, val))
    return Data(train=train, val=val)


def train(trainer, members=MEMBERS, report=lambda *_: True):
    """Train members, and give their results."""
    return trainer.train(members, report)


def assert_same(results, reference, relative=RELATIVE):
    """Whether results of two trainers are the same up to rounding, report by report."""
    for found, expected in zip(results, reference, strict=True):
        assert found.outcome is expected.outcome
        assert (found.reason, found.seed, found.weights) == (
            expected.reason, expected.seed, expected.weights
        )  # fmt: skip
        assert [r.epoch for r in found.reports] == [r.epoch for r in expected.reports]
        for one, other in zip(found.reports, expected.reports, strict=True):
            assert one.bad == other.bad
            for mine, theirs in ((one.train, other.train), (one.val, other.val)):
                assert mine == pytest.approx(theirs, rel=relative, nan_ok=True)
            # a metric may be near 0 by cancellation, as a bias is
            near = relative * max(map(abs, other.metrics.values()))
            assert one.metrics == pytest.approx(other.metrics, rel=relative, abs=near, nan_ok=True)
            assert (one.gram is None) == (other.gram is None)
            if one.gram is not None:
                names = list(found.weights)
                gram = other.gram_matrix(names)
                np.testing.assert_allclose(
                    one.gram_matrix(names), gram, rtol=100 * relative, atol=relative * gram.max()
                )
            if one.calibration is not None:  # the stacked trainer does not measure it yet
                assert one.calibration == pytest.approx(other.calibration, rel=1e-3, abs=1e-4)


def assert_parity(build_model=models.dense, members=MEMBERS, **options):
    """Whether each member of a stack is trained as if alone by `model.fit`."""
    weighted = options.pop("weighted", False)
    made, given = problem(build_model, **options), data(build_model, weighted)
    reference = train(FitTrainer(made, given), members)
    assert_same(train(StackedTrainer(made, given, size=4), members), reference)


@pytest.mark.parametrize("name", models.LAYERS)
def test_every_layer_is_trained_as_by_fit(name):
    """A member of a stack has the magnitudes of the same member trained alone by `model.fit`."""
    assert_parity(models.LAYERS[name])


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.02),
    "momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01, beta_1=0.8, beta_2=0.99),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.05),
    "adadelta": lambda: keras.optimizers.Adadelta(1.0),
    "adamax": lambda: keras.optimizers.Adamax(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "lion": lambda: keras.optimizers.Lion(0.001),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5, staircase=True)
    ),
    "decay": lambda: keras.optimizers.SGD(0.02, momentum=0.5, weight_decay=0.1),
    "clipvalue": lambda: keras.optimizers.Adam(0.01, clipvalue=0.05),
    "clipnorm": lambda: keras.optimizers.SGD(0.05, clipnorm=0.1),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.05, global_clipnorm=0.1),
    "adam_clipnorm": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_updates_each_member_as_if_alone(name):
    """Momentum, decay, schedules and clipping act on a member as in a training of its own."""
    assert_parity(optimizer=OPTIMIZERS[name]())
