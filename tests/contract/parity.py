"""What it means that two trainers do the same."""

import numpy as np
import pytest

import lossweights as lw
from lossweights.data import Data
from lossweights.terms import as_term
from lossweights.training import FitTrainer, Member
from lossweights.training.problem import Problem

from . import models

EPOCHS, BATCH, SEED = 3, 16, 4
RELATIVE = 1e-5  # of magnitudes after three epochs in float32
TERMS = {"mse": "mse", "log_cosh": "log_cosh"}  # smooth: rounding never moves a sample over a kink
METRICS = {"rmse": lw.metrics.RMSE(), "bias": lw.metrics.Bias()}
WEIGHTS = [{"mse": 1.0, "log_cosh": w} for w in (0.0, 0.3, 4.0)]
MEMBERS = [Member(weights, SEED) for weights in WEIGHTS]


def problem(build_model=models.dense, terms=TERMS, **options):
    """A problem of two smooth terms."""
    return Problem(
        build_model=build_model,
        terms={name: as_term(term, name) for name, term in terms.items()},
        **{"metrics": METRICS, "epochs": EPOCHS, "batch_size": BATCH, **options},
    )


def data(build_model=models.dense, *, weighted=False):
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


def assert_parity(make, build_model=models.dense, *, members=MEMBERS, weighted=False, **options):
    """A trainer that ``make`` makes trains each member as if it were alone in `model.fit`."""
    made, given = problem(build_model, **options), data(build_model, weighted=weighted)
    assert_same(train(make(made, given), members), train(FitTrainer(made, given), members))


def assert_same(results, reference, relative=RELATIVE):
    """The results of two trainers are the same up to rounding, report by report."""
    for found, expected in zip(results, reference, strict=True):
        assert (found.outcome, found.reason, found.best_epoch, found.seed, found.weights) == (
            expected.outcome, expected.reason, expected.best_epoch, expected.seed, expected.weights
        )  # fmt: skip
        for one, other in zip(found.reports, expected.reports, strict=True):
            assert (one.epoch, one.bad) == (other.epoch, other.bad)
            assert_same_numbers(one, other, relative)
            assert_same_gradients(one, other, list(found.parts), relative)


def assert_same_numbers(one, other, relative):
    """Magnitudes and metrics agree; a metric may be near 0 by cancellation, as a bias is."""
    for mine, theirs in ((one.train, other.train), (one.val, other.val)):
        assert mine == pytest.approx(theirs, rel=relative, nan_ok=True)
    near = relative * max(map(abs, other.metrics.values()))
    assert one.metrics == pytest.approx(other.metrics, rel=relative, abs=near, nan_ok=True)


def assert_same_gradients(one, other, names, relative):
    """Gram matrices and calibrations, where measured, agree: they lose a digit or two more."""
    assert (one.gram is None) == (other.gram is None)
    if one.gram is not None:
        mine, theirs = one.gram_matrix(names), other.gram_matrix(names)
        np.testing.assert_allclose(mine, theirs, rtol=100 * relative, atol=relative * theirs.max())
    assert (one.calibration is None) == (other.calibration is None)
    if one.calibration is not None:
        assert one.calibration == pytest.approx(other.calibration, rel=1e-3, abs=1e-4)
