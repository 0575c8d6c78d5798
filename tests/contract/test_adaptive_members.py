"""Adaptive weighting in every trainer: the weights of plain Keras, and nobody else's business."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.data import Data
from lossweights.records import Outcome
from lossweights.training import (
    Adaptive,
    FitTrainer,
    Halts,
    Member,
    ReplicatedTrainer,
    SerialTrainer,
    StackedTrainer,
    _sizes,
)
from lossweights.training._schedule import weighing_rows
from lossweights.training._stacked_gradients import Form
from lossweights.training.order import batch_order
from lossweights.watch.probe import spread
from lossweights.watch.schedule import GRADIENT_ROWS, ROWS

from . import models
from .parity import BATCH, SEED, assert_same, data, problem, train

EPOCHS = 5
TERMS = {"mse": "mse", "off": "mean_squared_logarithmic_error", "log_cosh": "log_cosh"}
GIVEN = {"mse": 0.5, "off": 0.0, "log_cosh": 2.0}  # in units of the scales
SCALES = {"mse": 4.0, "off": 1.0, "log_cosh": 0.25}
UNITS = {name: 1 / scale for name, scale in SCALES.items()}
EFFECTIVE = {name: weight * UNITS[name] for name, weight in GIVEN.items()}
METHODS = [
    lw.adaptive.DWA(temperature=0.2),
    lw.adaptive.EnCodec(),
    lw.adaptive.GradNorm(),
    lw.adaptive.ReLoBRaLo(rho=0.5),
    lw.adaptive.SoftAdapt(),
    lw.adaptive.Uncertainty(),
    lw.adaptive.Uncertainty(learned=True),
]
LEARNED = METHODS[6]
NAMES = [method.name for method in METHODS]
FIXED = Member({"mse": 1.0, "off": 0.0, "log_cosh": 1.0}, SEED)
TRAINERS = {
    "fit": FitTrainer,
    "serial": SerialTrainer,
    "stacked": lambda *given: StackedTrainer(*given, size=8),
}
BUILDS = {"batch_normalization": models.batch_normalization, "dense": models.dense}


def adaptive(method, seed=SEED):
    """A member whose weights a method moves."""
    return Member(EFFECTIVE, seed, Adaptive(method, UNITS))


MEMBERS = [*map(adaptive, METHODS), FIXED]


def given(build, **options):
    """A problem of three terms, one of them off, and data with sample weights."""
    optimizer = keras.optimizers.Adam(0.02)  # so that magnitudes, and with them weights, move
    options = {"epochs": EPOCHS, "terms": TERMS, "optimizer": optimizer, **options}
    return problem(BUILDS[build], **options), data(BUILDS[build], weighted=True)


def plain_keras(made, parts, method):
    """What the schedule of a training in plain Keras says, in the documented order of the rows."""
    loss = lw.CombinedLoss(TERMS, GIVEN, scales=SCALES)
    model = made.make_model(SEED)
    model.compile(made.make_optimizer(), loss=loss, run_eagerly=True)  # few steps: no graph
    arrays = (parts.train.x, parts.train.y, parts.train.sample_weight)

    def batches():
        for epoch in range(1, EPOCHS + 1):
            order = batch_order(len(parts.train), SEED, epoch)
            for start in range(0, len(order), BATCH):
                yield tuple(array[order[start : start + BATCH]] for array in arrays)

    schedule = lw.adaptive.schedule(loss, method, probe=arrays)
    steps = made.steps_per_epoch(len(parts.train))
    options = {"shuffle": False, "verbose": 0, "callbacks": [schedule]}
    model.fit(batches(), steps_per_epoch=steps, epochs=EPOCHS, **options)
    return schedule.history


@pytest.fixture(scope="module", params=BUILDS)
def trained(request):
    """The results of every trainer, all members in one call, and plain Keras' histories."""
    made, parts = given(request.param)
    results = {name: train(make(made, parts), MEMBERS) for name, make in TRAINERS.items()}
    return results, [plain_keras(made, parts, method) for method in METHODS]


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("place", range(len(METHODS)), ids=NAMES)
def test_weights_are_those_of_plain_keras(trained, trainer, place):
    """Epoch by epoch those of `lw.adaptive.schedule`, which follow from the same magnitudes."""
    results, histories = trained
    reports, history = results[trainer][place].reports, histories[place]
    for epoch in range(1, EPOCHS + 1):
        row = history.loc[epoch]
        weights = {name: row[f"weight/{name}"] for name in TERMS}
        assert reports[epoch].weights == pytest.approx(weights, rel=1e-4)
        magnitudes = {name: row[f"magnitude/{name}"] for name in TERMS}
        assert reports[epoch - 1].train == pytest.approx(magnitudes, rel=1e-4)
    moved = [report.weights["mse"] for report in reports]
    assert np.ptp(moved) > 1e-2 * np.mean(moved)
    assert {report.weights["off"] for report in reports} == {0.0}


@pytest.mark.parametrize("place", range(len(METHODS)), ids=NAMES)
def test_before_training_weights_are_equal_in_their_units(trained, place):
    """What a method begins with; the result says what it was given."""
    for results in trained[0].values():
        result = results[place]
        mean = sum(GIVEN.values()) / 2
        start = {"mse": mean * UNITS["mse"], "off": 0.0, "log_cosh": mean * UNITS["log_cosh"]}
        assert result.reports[0].weights == pytest.approx(start)
        assert result.weights == EFFECTIVE


@pytest.mark.parametrize("trainer", TRAINERS)
def test_all_members_of_a_seed_begin_alike_to_the_bit(trained, trainer):
    """Whatever weighs them: what is compared are the weights alone."""
    starts = [result.reports[0] for result in trained[0][trainer]]
    assert all((one.train, one.val) == (starts[0].train, starts[0].val) for one in starts)
    assert all(one.metrics == starts[0].metrics for one in starts)


@pytest.mark.parametrize("trainer", ["serial", "stacked"])
def test_trainers_agree_on_all_else(trained, trainer):
    """Magnitudes, metrics and gradients, of those whose weights are fixed as well."""
    results, _ = trained
    assert_same(results[trainer], results["fit"], relative=1e-4)
    assert all(report.weights is None for report in results[trainer][-1].reports)


def test_a_fixed_member_beside_them_is_trained_as_alone():
    """To the bit in `fit`, which trained an adaptive one before it."""
    made, parts = given("dense", epochs=2)
    fit = FitTrainer(made, parts)
    (alone,) = train(fit, [FIXED])
    *_, beside = train(fit, [adaptive(METHODS[2]), adaptive(LEARNED), FIXED])
    assert beside.reports == alone.reports


@pytest.mark.usefixtures("without_xla")
def test_members_that_end_leave_the_others_their_weights(monkeypatch):
    """In smaller stacks too, with two seeds, and beside one that diverges."""
    monkeypatch.setattr(_sizes, "WORTH_COMPILING", 0)  # small problems would never be worth it
    made, parts = given("dense")
    methods = [lw.adaptive.GradNorm(), LEARNED, lw.adaptive.EnCodec()]
    members = [adaptive(method, seed) for seed in (SEED, 7) for method in methods]
    members.insert(2, Member({"mse": 1e30, "off": 0.0, "log_cosh": 1.0}, SEED))
    members.insert(3, FIXED)
    ends = {0: 1, 3: 2, 4: 2, 6: 3}

    def report(position, report):
        return report.epoch < ends.get(position, 99)

    found = StackedTrainer(made, parts, size=8).train(members, report)
    expected = FitTrainer(made, parts).train(members, report)
    assert found[2].outcome is expected[2].outcome is Outcome.DIVERGED
    others = [place for place in range(len(members)) if place != 2]
    assert_same([found[p] for p in others], [expected[p] for p in others], relative=1e-4)
    for place in others:
        assert_same_weights(found[place], expected[place])


@pytest.mark.parametrize("trainer", TRAINERS)
def test_weights_go_on_from_a_halt_as_if_there_were_none(trainer):
    """Wherever a member waits, what its method remembers waits with it."""
    made, parts = given("dense", epochs=4)
    members = [adaptive(METHODS[2]), adaptive(METHODS[3]), adaptive(LEARNED), FIXED]
    made_once = TRAINERS[trainer](made, parts)
    halted = made_once.train(members, lambda *_: True, Halts(frozenset({1, 2})))
    straight = train(made_once, members)
    assert_same(halted, straight)
    for one, other in zip(halted, straight, strict=True):
        assert_same_weights(one, other)


def test_replicas_move_their_own_weights():
    """Each as its seed alone would; reports have the means."""
    made, parts = given("dense", epochs=3)
    (found,) = train(ReplicatedTrainer(FitTrainer(made, parts), 2), [adaptive(METHODS[5])])
    alone = train(FitTrainer(made, parts), [adaptive(METHODS[5], SEED + i) for i in (0, 1)])
    for epoch, report in enumerate(found.reports):
        weights = [each.reports[epoch].weights["mse"] for each in alone]
        assert report.weights["mse"] == pytest.approx(np.mean(weights))
    assert weights[0] != weights[1]


@pytest.mark.parametrize(
    ("trainer", "build"),
    [
        ("stacked", models.regularized), ("stacked", models.embedding), ("stacked", models.gru),
        ("stacked", models.conv1d), ("stacked", models.dropout), ("serial", models.conv2d),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)  # fmt: skip
def test_gradients_are_those_of_fit_for_every_kind_of_model(trainer, build):
    """Those of the terms alone, with sparse ones, loops over time and what the model adds."""
    made = problem(build, epochs=3, terms=TERMS, optimizer=keras.optimizers.Adam(0.02))
    learned = [adaptive(LEARNED)] if build is models.embedding else []
    members = [adaptive(METHODS[1]), adaptive(METHODS[2]), *learned, FIXED]
    parts = data(build)
    found = train(TRAINERS[trainer](made, parts), members)
    expected = train(FitTrainer(made, parts), members)
    assert_same(found, expected, relative=1e-4)
    for one, other in zip(found, expected, strict=True):
        assert_same_weights(one, other)
    assert np.ptp([report.weights["mse"] for report in found[1].reports]) > 0


def test_learned_weights_are_the_same_in_a_stack_that_is_differentiated_as_a_whole():
    """As loops over time need; each member has the slope of its own loss."""
    made, parts = given("dense", epochs=2)
    members = [adaptive(LEARNED), FIXED, adaptive(LEARNED, 7)]
    found = train(StackedTrainer(made, parts, size=3, form=Form("stack", xla=False)), members)
    expected = train(FitTrainer(made, parts), members)
    assert_same(found, expected, relative=1e-4)
    for one, other in zip(found, expected, strict=True):
        assert_same_weights(one, other)


class Seen(keras.callbacks.Callback):
    """Remembers the weights that the loss has when an epoch ends."""

    weights: list = []  # noqa: RUF012  # of all trainings

    def on_epoch_end(self, epoch, logs=None):
        """As a callback of the user's own would look at them."""
        Seen.weights.append(self.model.loss.effective_weights["mse"])


def test_callbacks_see_the_weights_that_were_in_force():
    """Those of the user's own come before the weights are moved."""
    Seen.weights = []
    made, parts = given("dense", epochs=3, callbacks=lambda: [Seen()])
    results = train(FitTrainer(made, parts), [adaptive(METHODS[5]), adaptive(METHODS[2])])
    reported = [report.weights["mse"] for result in results for report in result.reports[1:]]
    assert Seen.weights == pytest.approx(reported)


def test_gradients_are_of_the_rows_that_plain_keras_takes():
    """Of many rows at most 256 among 1024."""
    x = np.arange(3000.0)[:, None]
    rows = weighing_rows(problem(), Data(train=(x, x), val=(x, x)).train)
    np.testing.assert_array_equal(rows.x, spread(spread(x, ROWS), GRADIENT_ROWS))


def assert_same_weights(one, other):
    """The same weights in every report, to what rounding makes of them."""
    for mine, theirs in zip(one.reports, other.reports, strict=True):
        assert (mine.weights is None) == (theirs.weights is None)
        if mine.weights is not None:
            assert mine.weights == pytest.approx(theirs.weights, rel=1e-4)
