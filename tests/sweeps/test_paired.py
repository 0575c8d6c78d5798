"""Contestants are paired: from one seed all begin alike and see the same rows, to the bit."""

import keras
import pytest

import lossweights as lw
from lossweights.base.signals import Signals
from lossweights.driver import ContestDriver, Entry, Policy
from lossweights.executors import InlineExecutor
from lossweights.loss.adaptive import DWA
from lossweights.training import TRAINERS, Adaptive, Member

from .tiny import arguments

SEEDS = (3, 4)


def nothing(y_true, y_pred):
    """A term without a gradient: whatever it weighs, the training is the same."""
    return 0.0 * keras.ops.mean(y_true, axis=-1)


def race(trainer, members):
    """What comes of these members from both seeds, by name and seed."""
    terms = {"mse": "mse", "nothing": nothing}
    space = {"mse": 1.0, "nothing": lw.LogUniform(0.1, 10.0)}
    sweep = lw.Sweep(**arguments(terms=terms, space=space, scales=None, epochs=3))
    prepared = sweep.prepare(rehearse=True)
    executor = InlineExecutor(lambda: prepared.make_trainer(trainer, len(members)))
    executor.start()
    found = {}

    def keep(outings):
        found.update({(each.contestant, each.seed): each.result for each in outings})

    entries = [
        Entry((name,), 1, Member(weights, seed, adaptive))
        for seed in SEEDS
        for name, (weights, adaptive) in members.items()
    ]
    with executor:
        ContestDriver(executor, Signals(), Policy(), ["rmse"], keep).run(entries)
    assert len(found) == len(entries)
    return found


@pytest.mark.parametrize("trainer", TRAINERS)
def test_contestants_of_a_seed_begin_alike_and_see_the_same_rows(trainer):
    """Where weights change nothing, all numbers are the same to the bit; dropout included."""
    units = {"mse": 1.0, "nothing": 1.0}
    found = race(
        trainer,
        {
            "light": ({"mse": 1.0, "nothing": 0.25}, None),
            "heavy": ({"mse": 1.0, "nothing": 8.0}, None),
            "other": ({"mse": 4.0, "nothing": 1.0}, None),
            "dwa": ({"mse": 1.0, "nothing": 1.0}, Adaptive(DWA(), units)),
        },
    )
    for seed in SEEDS:
        metrics = [report.metrics for report in found["light", seed].reports]
        assert len(metrics) == 4
        assert [report.metrics for report in found["heavy", seed].reports] == metrics
        for name in ("other", "dwa"):  # which train otherwise from there on
            assert found[name, seed].reports[0].metrics == metrics[0]
            assert found[name, seed].reports[0].train == found["light", seed].reports[0].train
        assert found["other", seed].reports[-1].metrics != metrics[-1]
    first, second = (found["light", seed].reports for seed in SEEDS)
    assert first[0].metrics != second[0].metrics
