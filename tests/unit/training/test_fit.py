"""The reference trainer against a Keras script written by hand, bit for bit."""

import keras
import numpy as np
import pytest
from keras import ops

import lossweights as lw
from lossweights.data import Data
from lossweights.loss.combined import CombinedLoss
from lossweights.records import Outcome
from lossweights.terms import as_term
from lossweights.training import FitTrainer, Member
from lossweights.training.order import batch_order
from lossweights.training.problem import Problem

EPOCHS, BATCH = 3, 8
RNG = np.random.default_rng(5)
X = RNG.normal(size=(30, 4)).astype("float32")  # 30 rows: the last batch is smaller
Y = (X @ [[1.0], [2.0], [-1.0], [0.5]] + 3 + RNG.normal(size=(30, 1))).astype("float32")
VAL = (X[:9] + 0.1, Y[:9])
TERMS = {"mse": "mse", "under": lw.terms.Underestimation()}
METRICS = {"rmse": lw.metrics.RMSE(), "bias": lw.metrics.Bias()}
MEMBERS = [Member({"mse": 1.0, "under": 0.5}, seed=3), Member({"mse": 0.25, "under": 4.0}, seed=9)]


def plain():
    """A small model."""
    layers = [keras.layers.Dense(5, activation="relu"), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((4,)), *layers])


def with_states():
    """A model with everything that has a state besides its weights."""
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6),
            keras.layers.BatchNormalization(),
            keras.layers.GaussianNoise(0.1),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1),
        ]
    )


def predicted_as_trained(model):
    """What `with_states` predicts for all rows if its moving averages are those of the rows."""
    first, normalization, *_ = model.layers
    hidden = np.asarray(first(X))
    normalization.moving_mean.assign(hidden.mean(axis=0))
    normalization.moving_variance.assign(hidden.var(axis=0))
    return model.predict(X, verbose=0)


def unbuilt():
    """A model that learns the shape of its inputs from the first of them."""
    return keras.Sequential([keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(1)])


def two_inputs():
    """A model with two inputs, in a list."""
    a, b = keras.Input((4,)), keras.Input((1,))
    joined = keras.layers.Concatenate()([keras.layers.Dense(3)(a), b])
    return keras.Model([a, b], keras.layers.Dense(1)(joined))


def two_named_inputs():
    """A model with two inputs, by name."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    joined = keras.layers.Concatenate()([keras.layers.Dense(3)(a), b])
    return keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(joined))


def problem(build_model=plain, terms=TERMS, **options):
    """A problem of two terms."""
    return Problem(
        build_model=build_model,
        terms={name: as_term(term, name) for name, term in terms.items()},
        metrics=METRICS,
        **{"epochs": EPOCHS, "batch_size": BATCH, "optimizer": "adam", **options},
    )


def train(trainer, members, report=lambda *_: True):
    """Train members and give their results."""
    return trainer.train(members, report)


def by_hand(build_model, member, x, y, weight=None, optimizer="adam", terms=TERMS):
    """A new model, compiled and fitted as anyone would write it, on the rows in the same order."""
    keras.utils.set_random_seed(member.seed)
    model = build_model()
    model.compile(optimizer=optimizer, loss=CombinedLoss(terms, member.weights))
    for epoch in range(1, EPOCHS + 1):
        rows = batch_order(len(y), member.seed, epoch)
        model.fit(
            keras.tree.map_structure(lambda array: array[rows], x),  # noqa: B023
            y[rows],
            sample_weight=None if weight is None else weight[rows],
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
        )
    return model


def same(model, other):
    """Whether two models have the same numbers in all variables, random states included."""
    for one, two in zip(model.variables, other.variables, strict=True):
        values = ops.convert_to_numpy(one), ops.convert_to_numpy(two)
        np.testing.assert_array_equal(*values, err_msg=one.path)


@pytest.fixture(scope="module")
def trainer():
    """A trainer of the small model: making one takes longer than using it."""
    return FitTrainer(problem(), Data((X, Y), VAL))


@pytest.fixture(scope="module")
def scripts():
    """What the script written by hand gives for each member."""
    return [by_hand(plain, member, X, Y) for member in MEMBERS]


def test_fit_is_a_fresh_keras_script_for_each_member(trainer, scripts):
    """One model reused gives, bit for bit, what a new model gives for each member in a row."""
    for index in (0, 1, 0):
        train(trainer, [MEMBERS[index]])
        same(trainer.model, scripts[index])


def test_optimizer_starts_anew_with_each_member():
    """No momentum and no step count is left over from the member before."""
    optimizer = keras.optimizers.SGD(
        keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.5), momentum=0.9
    )
    made = problem(optimizer=optimizer)
    trainer = FitTrainer(made, Data((X, Y), VAL))
    for member in MEMBERS:
        train(trainer, [member])
        same(trainer.model, by_hand(plain, member, X, Y, optimizer=made.make_optimizer()))


@pytest.mark.parametrize("build_model", [with_states, unbuilt])
def test_states_are_put_back_for_each_member(build_model):
    """Random states, moving averages and late-built layers start anew with each member."""
    trainer = FitTrainer(problem(build_model), Data((X, Y), VAL))
    for member in MEMBERS:
        train(trainer, [member])
        same(trainer.model, by_hand(build_model, member, X, Y))


@pytest.mark.parametrize(
    ("build_model", "x"),
    [(two_inputs, [X, X[:, :1]]), (two_named_inputs, {"a": X, "b": X})],
    ids=["list", "dict"],
)  # fmt: skip
def test_several_inputs(build_model, x):
    """Inputs in a list or a dict are fed as `model.fit` takes them."""
    val = keras.tree.map_structure(lambda a: a[:9], x)
    trainer = FitTrainer(problem(build_model), Data((x, Y), (val, Y[:9])))
    train(trainer, MEMBERS)
    same(trainer.model, by_hand(build_model, MEMBERS[-1], x, Y))


def test_sample_weights_are_those_of_keras():
    """Weighted samples count in training and in the probe as Keras counts them."""
    weight = RNG.uniform(0, 2, 30).astype("float32")
    weight[:4] = 0.0
    trainer = FitTrainer(problem(), Data((X, Y, weight), VAL))
    *_, result = train(trainer, MEMBERS)
    same(trainer.model, by_hand(plain, MEMBERS[-1], X, Y, weight))
    error = (Y - trainer.model.predict(X, verbose=0))[:, 0]
    last = result.reports[-1].train
    assert last["mse"] == pytest.approx(np.mean(weight * error**2), rel=1e-5)
    assert last["under"] == pytest.approx(np.mean(weight * 2 * np.maximum(error, 0)), rel=1e-5)


def test_reports_are_measurements_of_the_model_after_each_epoch():
    """Reports start before training, and hold whole-set means in inference mode.

    On training data batch normalisation has the statistics of the rows, as in training; on
    validation data its moving averages, as in use.
    """
    trainer = FitTrainer(problem(with_states), Data((X, Y), VAL))
    (result,) = train(trainer, MEMBERS[:1])
    assert result.outcome is Outcome.COMPLETE
    assert [report.epoch for report in result.reports] == [0, 1, 2, 3]
    assert result.reason == ""
    assert result.trainer == "fit"
    assert (result.weights, result.seed) == (MEMBERS[0].weights, MEMBERS[0].seed)
    keras.utils.set_random_seed(MEMBERS[0].seed)
    error = VAL[1] - trainer.model.predict(VAL[0], verbose=0)
    before, after = predicted_as_trained(with_states()), predicted_as_trained(trainer.model)
    for report, predicted in ((result.reports[0], before), (result.reports[-1], after)):
        assert report.train["mse"] == pytest.approx(np.mean((Y - predicted) ** 2), rel=1e-5)
    assert result.reports[-1].val["mse"] == pytest.approx(np.mean(error**2), rel=1e-5)
    assert result.reports[-1].metrics["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
    assert result.reports[-1].metrics["bias"] == pytest.approx(-np.mean(error), rel=1e-4)


def test_members_do_not_depend_on_their_order(trainer):
    """Together or alone, first or last, in this trainer or another: the same numbers."""
    together = train(trainer, MEMBERS)
    other = FitTrainer(problem(), Data((X, Y), VAL))
    alone = [train(other, [member])[0] for member in reversed(MEMBERS)][::-1]
    for one, two in zip(together, alone, strict=True):
        assert one.reports == two.reports


def test_scaling_all_weights_changes_no_direction():
    """Weights reach the loss: four times all of them is a quarter of the learning rate in SGD."""
    results = []
    for factor, rate in ((1.0, 0.04), (4.0, 0.01)):
        weights = {name: factor * weight for name, weight in MEMBERS[0].weights.items()}
        trainer = FitTrainer(problem(optimizer=keras.optimizers.SGD(rate)), Data((X, Y), VAL))
        results.append(train(trainer, [Member(weights, 3)])[0])
    np.testing.assert_allclose(results[0].magnitudes(), results[1].magnitudes(), rtol=1e-5)
    other = Member({"mse": 1.0, "under": 5.0}, 3)
    assert train(trainer, [other])[0].magnitudes()[-1, 0] != results[1].magnitudes()[-1, 0]


@pytest.fixture(scope="module")
def wild():
    """A trainer with a term that is ``value`` from the epoch ``start`` on, and 1 before."""
    now, start, value = (keras.Variable(0.0, trainable=False) for _ in range(3))

    def term(y_true, y_pred):
        error = ops.mean(ops.abs(y_true - y_pred), axis=-1)
        return ops.where(now >= start, value, 1.0) * ops.ones_like(error) + 0.0 * error

    trainer = FitTrainer(problem(terms={"mse": "mse", "wild": term}), Data((X, Y), VAL))

    def train_until(bad_epoch, bad_value):
        now.assign(0.0)
        start.assign(bad_epoch)
        value.assign(bad_value)

        def report(_position, report):
            now.assign(report.epoch + 1)
            return True

        member = Member({"mse": 1.0, "wild": 1.0}, 3)
        return train(trainer, [member], report)[0], trainer.model

    return train_until


@pytest.fixture(scope="module")
def error_alone():
    """The script by hand with the other term alone: the wild one is constant until it is wild."""
    return by_hand(plain, Member({"mse": 1.0}, 3), X, Y, terms={"mse": "mse"})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("epoch", [0, 2])
def test_diverging_term_is_named_and_stops_its_member_alone(wild, error_alone, value, epoch):
    """The first number that went is named with its epoch; the next member trains as if alone."""
    result, _ = wild(epoch, value)
    assert result.outcome is Outcome.DIVERGED
    assert result.reports[-1].epoch == epoch
    assert result.reports[-1].bad == "term wild"
    assert result.reason == f"term wild was not finite after epoch {epoch}"
    assert all(report.finite for report in result.reports[:-1])
    after, model = wild(1000, 1.0)
    assert after.outcome is Outcome.COMPLETE
    for one, two in zip(model.get_weights(), error_alone.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)


def test_exploding_training_diverges():
    """A learning rate that explodes ends as diverged, not as an error and not as a result."""
    trainer = FitTrainer(problem(optimizer=keras.optimizers.SGD(1e30)), Data((X, Y), VAL))
    (result,) = train(trainer, MEMBERS[:1])
    assert result.outcome is Outcome.DIVERGED
    assert result.reports[0].finite
    assert not result.reports[-1].finite
    assert result.metrics == dict(result.reports[0].metrics)


def test_parameters_that_are_not_finite_diverge(trainer):
    """Magnitudes may look well while a parameter is infinite: that is looked at too."""
    train(trainer, MEMBERS[:1])
    first = trainer.model.layers[0]
    first.bias.assign([-np.inf, 0.0, 0.0, 0.0, 0.0])  # a dead unit: its output is 0
    report = trainer.measure(9)
    assert np.isfinite(list(report.train.values())).all()
    assert report.bad == "a parameter of the model"


@pytest.mark.parametrize("stop_at", [0, 1, EPOCHS - 1])
def test_report_can_stop_a_member(trainer, scripts, stop_at):
    """A report that says no ends that member as pruned, and the next one trains on."""
    results = train(trainer, MEMBERS, lambda i, report: i == 1 or report.epoch < stop_at)
    assert results[0].outcome is Outcome.PRUNED
    assert [report.epoch for report in results[0].reports] == list(range(stop_at + 1))
    assert results[0].reason == f"stopped after epoch {stop_at}"
    assert results[1].outcome is Outcome.COMPLETE
    same(trainer.model, scripts[1])


def test_stopping_at_the_last_epoch_is_no_stop(trainer):
    """A member that has trained to its end is complete, whatever the last report says."""
    (result,) = train(trainer, MEMBERS[:1], lambda _, report: report.epoch < EPOCHS)
    assert result.outcome is Outcome.COMPLETE


def test_reports_come_while_training(trainer):
    """Each report is passed on before the next epoch trains, with the member's position."""
    seen = []
    results = train(trainer, MEMBERS, lambda i, report: seen.append((i, report)) or True)
    wanted = [(i, report) for i, result in enumerate(results) for report in result.reports]
    assert seen == wanted


def test_error_while_training_leaves_a_usable_trainer(trainer, scripts):
    """A member that ends in an error does not spoil the next one."""

    def fail(_position, report):
        if report.epoch == 1:
            raise RuntimeError("boom")
        return True

    with pytest.raises(RuntimeError, match="boom"):
        train(trainer, MEMBERS[:1], fail)
    train(trainer, MEMBERS[1:])
    same(trainer.model, scripts[1])


def test_other_data_can_be_measured(trainer):
    """The winner's test data are measured with the model as it is."""
    train(trainer, MEMBERS[:1])
    split = Data((X, Y), VAL, test=(X[10:20], Y[10:20])).test
    measured = trainer.measure_on(split)
    error = Y[10:20] - trainer.model.predict(X[10:20], verbose=0)
    assert measured.metrics["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)


def test_one_row_and_a_batch_larger_than_the_data():
    """The smallest data train as well."""
    trainer = FitTrainer(problem(batch_size=64), Data((X[:1], Y[:1]), (X[:1], Y[:1])))
    (result,) = train(trainer, MEMBERS[:1])
    assert result.outcome is Outcome.COMPLETE
