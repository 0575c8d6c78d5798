"""What a training or a sweep is compared with is one constant prediction that exists."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossweights as lw
from lossweights.dominance.judge import judge
from lossweights.loss.mean_prediction import mean_magnitudes
from lossweights.results._learned import why_nothing_learned
from lossweights.training import FitTrainer, Member, StackedTrainer
from lossweights.training.problem import Problem

pytestmark = pytest.mark.science

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 1)).astype("float32")
Y = (0.5 * X + RNG.normal(size=(600, 1))).astype("float32")
NO_LESS = "The terms cost no less than a constant"


def trained(model, loss, x, y, epochs=20, rate=0.05, batch_size=100, **options):
    """The monitor of a training."""
    model.compile(keras.optimizers.Adam(rate), loss=loss)
    monitor = lw.TermMonitor(loss, probe=(x, y), rows=1000, budget=None, gradients=None)
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[monitor], batch_size=batch_size, **options)
    return monitor


def linear(*rest):
    """One linear layer, and what comes behind it."""
    return keras.Sequential([keras.Input((1,)), layers.Dense(1), *rest])


def test_two_quantiles_are_compared_at_one_constant():
    """No constant is both quantiles: a model that beats each single one is not told to be worse."""
    loss = lw.CombinedLoss({"lo": lw.terms.Pinball(0.1), "hi": lw.terms.Pinball(0.9)})
    keras.utils.set_random_seed(0)
    model = linear()
    monitor = trained(model, loss, X, Y)
    least = min(float(loss(Y, np.full_like(Y, c))) for c in np.linspace(-2, 2, 81))
    assert float(loss(Y, model(X))) < least
    assert NO_LESS not in monitor.verdict.paragraph
    found = monitor._instruments.baseline()
    mean = np.full_like(Y, Y.mean())
    assert found == pytest.approx(
        {name: float(term(Y, mean)) for name, term in loss.terms.items()}, rel=1e-4
    )


def test_the_constant_is_the_mean_for_every_term():
    """Median, quantile and mean differ on skewed targets; the prediction does not."""
    y = RNG.exponential(size=(500, 1)).astype("float32")
    terms = {"mse": "mse", "mae": "mae", "q": lw.terms.Pinball(0.9), "own": lambda t, p: ops.square(
        ops.square(t - p))}  # fmt: skip
    found = mean_magnitudes(terms, y)
    loss = lw.CombinedLoss(terms)
    mean = np.full_like(y, y.mean())
    for name, term in loss.terms.items():
        assert found[name] == pytest.approx(float(np.mean(term(y, mean))), rel=1e-4)


@pytest.mark.parametrize("logits", [False, True])
def test_the_constant_of_classes_is_their_frequency(logits):
    """As probabilities or as log-odds, whichever the outputs are; for any function too."""
    y = (RNG.random((400, 1)) < 0.2).astype("float32")
    rate = y.mean()
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    bce = keras.losses.BinaryCrossentropy(from_logits=logits)
    own = lambda t, p: ops.mean(ops.binary_crossentropy(t, p, from_logits=logits), axis=-1)  # noqa: E731
    assert mean_magnitudes({"bce": bce}, y)["bce"] == pytest.approx(entropy, rel=1e-4)
    if logits:
        with pytest.raises(lw.errors.TermError, match="read predictions alike"):
            mean_magnitudes({"bce": bce, "mse": "mse"}, y)
    else:
        assert mean_magnitudes({"own": own}, y)["own"] == pytest.approx(entropy, rel=1e-4)


def test_masked_elements_are_no_part_of_the_constant():
    """Padding costs a constant nothing; counted, it would make any model look worse than it."""
    x = RNG.normal(size=(300, 10, 1)).astype("float32")
    y = x + RNG.normal(size=x.shape).astype("float32")
    x[:, 2:], y[:, 2:] = 0, 0
    valid = y[:, :2]
    model = keras.Sequential(
        [keras.Input((10, 1)), layers.Masking(), layers.TimeDistributed(layers.Dense(1))]
    )
    loss = lw.CombinedLoss({"mse": "mse", "mae": "mae"})
    monitor = trained(model, loss, x, y, epochs=10)
    assert NO_LESS not in monitor.verdict.paragraph
    found = monitor._instruments.baseline()
    assert found["mse"] == pytest.approx(valid.var(), rel=1e-3)
    assert found["mae"] == pytest.approx(np.abs(valid - valid.mean()).mean(), rel=1e-3)


def test_scales_of_a_sweep_leave_out_masked_elements(tmp_path):
    """A scale is what the best constant costs where the model is measured."""
    x = RNG.normal(size=(64, 5, 1)).astype("float32")
    y = x + RNG.normal(size=x.shape).astype("float32")
    x[:, 2:], y[:, 2:] = 0, 0
    sweep = lw.Sweep(
        name="padded",
        build_model=lambda: keras.Sequential(
            [keras.Input((5, 1)), layers.Masking(), layers.TimeDistributed(layers.Dense(1))]
        ),
        load_data=lambda: lw.Data(train=(x, y), val=(x, y)),
        terms={"mse": "mse", "mae": "mae"},
        space={"mse": lw.Fixed(1.0), "mae": lw.LogUniform(0.1, 10)},
        metrics={"rmse": lw.metrics.RMSE()}, objectives={"rmse": "minimize"}, epochs=1,
    )  # fmt: skip
    options = {"tracking": False, "trainer": "fit", "workers": 0, "quiet": True, "confirm": 0}
    result = sweep.run(1, root=tmp_path, **options)
    assert result.scales["mse"] == pytest.approx(y[:, :2].var(), rel=1e-3)
    assert result.baseline["mse"] == pytest.approx(y[:, :2].var(), rel=1e-3)


def test_what_a_constant_costs_the_model_is_not_made_up():
    """A penalty on the output costs a constant too; terms alone are compared."""
    y = (100 + X + 0.7 * RNG.normal(size=X.shape)).astype("float32")
    inputs = keras.Input((1,))
    start = keras.initializers.Constant(90.0)
    penalty = keras.regularizers.L2(1e-3)
    outputs = layers.Dense(1, bias_initializer=start, activity_regularizer=penalty)(inputs)
    loss = lw.CombinedLoss({"mse": "mse", "mae": "mae"})
    monitor = trained(keras.Model(inputs, outputs), loss, X, y, epochs=30, rate=0.1)
    assert monitor.history["magnitude/model"].iloc[-1] > 5
    assert NO_LESS not in monitor.verdict.paragraph
    assert np.isnan(monitor.verdict.baseline["model"])
    assert monitor.verdict.to_json()["baseline"]["model"] is None


def test_a_term_that_is_switched_off_is_no_part_of_it():
    """Nor of the angles between gradients, whatever its own is."""
    grams = [np.array([[1.0, -1.0], [-1.0, 1.0]])] * 2
    rows, nan = [[5.0, 1.0], [1.0, 2.0]], float("nan")
    off = judge({"a": 1.0, "b": 0.0}, rows, baseline={"a": 3.0, "b": nan}, grams=grams)
    assert NO_LESS not in off.paragraph
    assert off.baseline == {"a": 1.0, "b": 0.0}
    assert off.cosines == {}
    on = judge({"a": 1.0, "b": 0.1}, rows, grams=grams)
    assert "pull against each other" in on.paragraph


def test_a_rise_is_no_share_of_a_fall():
    """While the loss lies above its start, shares of its decrease are undefined."""
    loss = lw.CombinedLoss(
        {"up": lambda t, p: ops.mean(ops.square(p - 10), -1), "mse": "mse"},
        {"up": 0.01, "mse": 1.0},
    )
    model = linear()
    model.layers[0].set_weights([np.array([[3.0]]), np.array([0.0])])
    model.compile(keras.optimizers.SGD(1.05), loss=loss)
    monitor = lw.TermMonitor(loss, probe=(X, 3 * X), budget=None, gradients=None)
    model.fit(X, 3 * X, epochs=1, verbose=0, batch_size=600, shuffle=False, callbacks=[monitor])
    total = monitor.history[["weighted/up", "weighted/mse"]].sum(axis=1)
    assert total.iloc[1] > total.iloc[0]
    assert monitor.history[["decrease/up", "decrease/mse"]].iloc[1].isna().all()


def test_another_batch_size_is_another_loss():
    """Own losses that are sums over a batch are told for the batches of this training."""

    class Sums(layers.Layer):
        def call(self, x):
            self.add_loss(0.01 * ops.sum(ops.square(x)))
            return x

    model = keras.Sequential([keras.Input((1,)), layers.Dense(4), Sums(), layers.Dense(1)])
    loss = lw.CombinedLoss({"mse": "mse"})
    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    monitor = lw.TermMonitor(loss, probe=(X, Y), rows=1000, budget=None, gradients=None)
    for size in (10, 100):
        history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[monitor], batch_size=size).history
        found = monitor.history[["magnitude/mse", "magnitude/model"]].sum(axis=1)
        assert found.iloc[-1] == pytest.approx(history["loss"][-1], rel=0.1)  # on 256 rows


ATOMS = (RNG.random((600, 1)) < 0.35).astype("float32")


@pytest.mark.parametrize("trainer", [FitTrainer, StackedTrainer])
def test_an_optimum_at_a_kink_is_trained_enough(trainer):
    """Absolute errors have their best offset at an atom, where the mean gradient is not 0."""
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 30, 0.5)
    problem = Problem(
        build_model=linear, terms={"mae": lw.terms.as_term("mae", "mae")}, metrics={},
        epochs=60, batch_size=100, optimizer=keras.optimizers.Adam(rate),
    )  # fmt: skip
    data = lw.Data(train=(X, ATOMS), val=(X, ATOMS))
    [result] = trainer(problem, data).train([Member({"mae": 1.0}, 0)], lambda *_: True)
    assert result.reports[-1].calibration == 0.0
    short = Problem(**{**vars(problem), "epochs": 1, "optimizer": keras.optimizers.Adam(1e-4)})
    data = lw.Data(train=(X, ATOMS + 3), val=(X, ATOMS + 3))
    [result] = trainer(short, data).train([Member({"mae": 1.0}, 0)], lambda *_: True)
    assert result.reports[-1].calibration > 0.5


BOTH = {"rmse": "minimize", "shortfall": "minimize"}


def constants(y):
    """What a sweep knows of constants on these targets."""
    found = {}
    metrics = {"rmse": lw.metrics.RMSE(), "shortfall": lw.metrics.Shortfall()}
    along = lw.metrics.constant.along_constants(metrics, y)
    for name, metric in metrics.items():
        best = lw.metrics.constant.best_constant(metric, "minimize", y)
        found[name] = {"value": best.value, "perfect": best.perfect, "along": along[name]}
    return found


def scores(y, p):
    """Both metrics of a prediction."""
    return {
        "rmse": float(np.sqrt(np.mean((y - p) ** 2))),
        "shortfall": float(np.maximum(y - p, 0).mean()),
    }


def test_a_trial_that_no_constant_matches_learned_something():
    """All trials lie to the heavy side of a penalty, better there than any one constant."""
    heavy = [scores(Y, 0.5 * X + shift) for shift in (1.5, 2.0, 3.0)]
    known = constants(Y)
    assert all(s["rmse"] > known["rmse"]["value"] for s in heavy)
    assert not why_nothing_learned(heavy, BOTH, known, {}, fell=[True] * 3)
    assert why_nothing_learned(heavy, BOTH, known, {}, fell=[False] * 3)


@pytest.mark.parametrize("shift", [1.0, 1.37, 2.0])
def test_a_trial_that_is_a_constant_learned_nothing(shift):
    """Also between those that were looked at."""
    alone = [scores(Y, np.full_like(Y, Y.mean() + shift))]
    assert why_nothing_learned(alone, BOTH, constants(Y), {}, fell=[True])


def test_diverged_trials_ask_for_a_smaller_rate():
    """Also where one complete trial has nothing to say about it."""
    recipe = {"epochs": 12, "optimizer": {"learning_rate": 100.0}}
    told = why_nothing_learned(
        [scores(Y, 0 * Y + 9)], BOTH, constants(Y), recipe, fell=[False], risen=2, tried=3
    )
    assert "smaller learning rate than 100: the loss rose or diverged in 2 trials" in told
