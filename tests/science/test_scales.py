"""Reference scales are the magnitude for the best constant prediction in the model's output shape.

Against closed forms where there are some, and otherwise against the lowest value on a fine grid.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, losses, ops

import lossweights as lw
from lossweights import CombinedLoss, TermMonitor, reference_scales
from lossweights.base.errors import WeightError
from lossweights.terms import (
    Boundary,
    Dice,
    DistanceBoundary,
    Expectile,
    Focal,
    Huber,
    Linex,
    Newsvendor,
    Pinball,
    Underestimation,
    on,
    reading,
    with_distance_map,
)

pytestmark = pytest.mark.science

RNG = np.random.default_rng(0)
GAMMA = RNG.gamma(2.0, size=(300, 1)).astype("float32")
RARE = (np.arange(1000) % 100 == 7).astype("float32")[:, None]  # a base rate of 1 %
LABELS = RNG.choice(4, p=[0.5, 0.3, 0.15, 0.05], size=400)
ONE_HOT = np.eye(4)[LABELS]
RATES = ONE_HOT.mean(axis=0)


def scale(term, y, sample_weight=None, **options):
    """The scale of a single term."""
    return reference_scales({"term": term}, y, sample_weight, **options)["term"]


def entropy(*rates):
    """The entropy of a distribution, in nats."""
    return -sum(rate * np.log(rate) for rate in rates)


def is_close(value, rel=1e-3):
    """Equal to three digits: a search stops where it does not matter any more."""
    return pytest.approx(float(value), rel=rel)


def is_close_all(value, times):
    """The same number several times, to three digits."""
    return pytest.approx([float(value)] * times, rel=1e-3)


def on_grid(cost):
    """The lowest mean of a cost of errors over a fine grid of constants."""
    return cost(GAMMA - np.linspace(-2, 12, 14_001)).mean(axis=0).min()


def huber(e):
    """The Huber loss with its corner at a half."""
    return np.where(np.abs(e) < 0.5, e**2 / 2, 0.5 * (np.abs(e) - 0.25))


def test_issue_scale_of_a_weighted_function():
    """Targets that carry a weight of their own are not predicted: 1000, where it was 495000."""
    y = [[10, 1000], [12, 1000]]
    found = scale(lambda t, p: t[:, 1:] * ops.abs(t[:, :1] - p), y, output_shape=(None, 1))
    assert found == is_close(1000)


@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize("kind", ["class", "function", "own class"])
def test_base_rate_of_one_percent_gives_the_entropy(kind, from_logits):
    """Log-odds or probabilities, Keras' class or one's own: the best constant costs the entropy."""

    def function(t, p):
        return losses.binary_crossentropy(t, p, from_logits=from_logits)

    class Own(losses.Loss):
        def call(self, y_true, y_pred):
            return function(y_true, y_pred)

    made = {"class": losses.BinaryCrossentropy(from_logits=from_logits), "own class": Own()}
    expected = entropy(0.01, 0.99)
    assert expected == pytest.approx(0.056, abs=1e-4)
    assert scale(made.get(kind, function), RARE) == is_close(expected)


def test_rare_class_among_many_rows():
    """A class too rare for the rows that are searched counts with its true rate."""
    y = (np.arange(200_000) % 2000 == 3).astype("float32")[:, None]
    found = scale(lambda t, p: ops.softplus((1 - 2 * t) * p), y)
    assert found == is_close(entropy(0.0005, 0.9995))


@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
@pytest.mark.parametrize("labels", ["sparse", "one-hot"])
def test_classes_give_the_entropy(labels, from_logits):
    """Class numbers or one-hot targets, as Keras' class or as a function: the entropy."""
    sparse = labels == "sparse"
    y = LABELS[:, None] if sparse else ONE_HOT
    name = f"{'sparse_' if sparse else ''}categorical_crossentropy"
    known = losses.SparseCategoricalCrossentropy if sparse else losses.CategoricalCrossentropy

    def function(t, p):
        return getattr(losses, name)(t, p, from_logits=from_logits)

    for term in (known(from_logits=from_logits), function):
        assert scale(term, y, output_shape=(None, 4)) == is_close(entropy(*RATES))


def test_losses_written_by_hand_on_classes():
    """Unguarded logarithms, sigmoids of each class, and squares have the scale of their kind."""
    assert scale(lambda t, p: -ops.sum(t * ops.log(p), axis=-1), ONE_HOT) == is_close(
        entropy(*RATES)
    )
    each = np.mean([entropy(rate, 1 - rate) for rate in RATES])
    assert scale(lambda t, p: ops.softplus((1 - 2 * t) * p), ONE_HOT) == is_close(each)
    assert scale(lambda t, p: ops.square(t - p), ONE_HOT) == is_close(ONE_HOT.var(axis=0).mean())


def test_many_classes():
    """Fifty classes cost no more time than a few: their frequencies are the constant."""
    labels = np.repeat(np.arange(50), np.arange(1, 51))
    rates = np.arange(1, 51) / 1275

    def function(t, p):
        return losses.sparse_categorical_crossentropy(t, p, from_logits=True)

    assert scale(function, labels, output_shape=(None, 50)) == is_close(entropy(*rates))


def masked(t, p):
    """A squared error that leaves out what is marked by -999."""
    return ops.where(t == -999, 0.0, ops.square(t - p))


def test_masked_function():
    """The marks of missing values are no targets: (1 + 1 + 0 + 0) / 4."""
    assert scale(masked, [[1], [3], [-999], [-999]]) == is_close(0.5)
    y = np.where(RNG.random((300, 6)) < 0.2, -999.0, RNG.gamma(2.0, size=(300, 6)))
    centred = [(c[c != -999] - c[c != -999].mean()) ** 2 for c in y.T]
    assert scale(masked, y) == is_close(np.concatenate(centred).sum() / y.size)


ERRORS = {
    "huber": (Huber(0.5), huber),
    "Keras' huber": (losses.Huber(0.5), huber),
    "log_cosh": ("log_cosh", lambda e: np.log(np.cosh(e))),
    "expectile": (Expectile(0.8), lambda e: np.where(e > 0, 0.8, 0.2) * e**2),
    "linex": (Linex(1.0), lambda e: np.exp(e) - e - 1),
    "pinball": (Pinball(0.9), lambda e: np.maximum(0.9 * e, -0.1 * e)),
    "newsvendor": (Newsvendor(3.0, 1.0), lambda e: np.maximum(3 * e, -e)),
    "mae": ("mae", np.abs),
    "mse": ("mse", np.square),
    "a quantile by hand": (
        lambda t, p: ops.maximum(0.9 * (t - p), -0.1 * (t - p)),
        lambda e: np.maximum(0.9 * e, -0.1 * e),
    ),
    "a loss that is not convex": (
        lambda t, p: ops.square(t - p) / (0.1 + ops.square(t - p)),
        lambda e: e**2 / (0.1 + e**2),
    ),
    "a plateau": (
        lambda t, p: ops.minimum(ops.abs(t - p), 0.5),
        lambda e: np.minimum(np.abs(e), 0.5),
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_no_constant_costs_less(name):
    """The scale is the lowest mean over all constants, whatever the shape of the loss."""
    term, cost = ERRORS[name]
    assert scale(term, GAMMA) == is_close(on_grid(cost))


def test_known_constants():
    """Squares from the mean, absolute errors from the median, pinball from its quantile."""
    y = GAMMA.astype(np.float64)
    assert scale("mse", y) == is_close(y.var(), 1e-5)
    assert scale("mae", y) == is_close(np.abs(y - np.median(y)).mean(), 1e-5)
    q = np.quantile(y, 0.9)
    pinball = np.maximum(0.9 * (y - q), -0.1 * (y - q)).mean()
    assert scale(Pinball(0.9), y) == is_close(pinball, 1e-5)
    constant = np.log(np.exp(y).mean())
    assert scale(Linex(1.0), y) == is_close((np.exp(y - constant) - (y - constant) - 1).mean())


@pytest.mark.parametrize("link", ["rates", "logarithms"])
def test_poisson_deviance(link):
    """The deviance of counts is that from their mean, whether rates or logarithms are predicted."""
    y = RNG.poisson(2.0, size=(400, 1)).astype("float32")
    log = np.log(np.maximum(y, 1e-9))
    expected = 2 * np.where(y > 0, y * (log - np.log(y.mean())), 0) - 2 * (y - y.mean())

    def deviance(t, p):
        rate, log_rate = (p, ops.log(p)) if link == "rates" else (ops.exp(p), p)
        known = ops.where(t > 0, t * (ops.log(ops.maximum(t, 1e-9)) - log_rate), 0.0)
        return 2 * known - 2 * (t - rate)

    assert scale(deviance, y) == is_close(expected.mean())


def test_focal_and_dice():
    """Terms on probabilities are searched from 0 to 1, on log-odds everywhere."""
    p = np.linspace(1e-4, 1 - 1e-4, 20_001)
    rate = RARE.mean()
    focal = -(rate * (1 - p) ** 2 * np.log(p) + (1 - rate) * p**2 * np.log(1 - p))
    for from_logits in (True, False):
        assert scale(Focal(from_logits=from_logits), RARE) == is_close(focal.min())
    masks = (RNG.random((6, 8, 8, 1)) < 0.3).astype("float32")
    rates = masks.mean(axis=(1, 2, 3))
    all_of_it = np.mean(1 - 2 * rates / (1 + rates))  # Dice rewards too much, and most at 1
    assert scale(Dice(), masks) == is_close(all_of_it)


@pytest.mark.parametrize("channels", [1, 6, 40])
def test_each_channel_has_its_own_constant(channels):
    """Medians channel by channel, also above the number of channels that are tuned."""
    y = RNG.gamma(2.0, size=(300, channels)) * np.arange(1, channels + 1)
    expected = np.abs(y - np.median(y, axis=0)).mean()
    assert scale(lambda t, p: ops.abs(t - p), y) == is_close(expected)


def test_numbers_that_are_no_targets():
    """Mean and log-variance, of which targets show one alone: the entropy of a normal, plus 3."""

    def likelihood(t, p):
        mean, log_variance = p[:, :1], p[:, 1:]
        return 3 + (log_variance + ops.square(t - mean) * ops.exp(-log_variance)) / 2

    expected = 3 + (np.log(GAMMA.var()) + 1) / 2
    assert scale(likelihood, GAMMA, output_shape=(None, 2)) == is_close(expected)


def test_units_of_another_size():
    """Predictions may be a thousandth of the targets or ten thousand times as large."""
    assert scale(lambda t, p: ops.square(t / 1000 - p), GAMMA) == is_close(GAMMA.var() / 1e6)
    assert scale(lambda t, p: ops.square(1e4 * t - p), GAMMA) == is_close(GAMMA.var() * 1e8)


def test_weights_count():
    """Rows and elements of weight 0 do not count, others as much as their weight, as in `fit`."""
    weight = RNG.uniform(size=300) * (np.arange(300) % 3 > 0)
    centre = np.average(GAMMA[:, 0], weights=weight)
    expected = np.mean(weight * (GAMMA[:, 0] - centre) ** 2)
    hidden = np.where(weight[:, None] > 0, GAMMA, 1e3)
    assert scale(lambda t, p: ops.square(t - p), hidden, weight) == is_close(expected)
    assert scale("mse", hidden, weight) == is_close(expected)


def test_the_same_twice():
    """A search draws nothing at random and measures no time."""
    y = RNG.gamma(2.0, size=(5000, 3))
    state = np.random.get_state()[1].copy()
    first = scale(lambda t, p: ops.abs(t - p), y)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert scale(lambda t, p: ops.abs(t - p), y) == first


def test_one_sided_functions_are_measured_at_the_mean():
    """A penalty on one side costs nothing far out: it has the scale of `Underestimation`."""
    expected = scale(Underestimation(), GAMMA)
    assert expected == is_close(np.abs(GAMMA - GAMMA.mean()).mean())
    assert scale(lambda t, p: 2 * ops.relu(t - p), GAMMA) == is_close(expected)
    y = np.concatenate([GAMMA, 3 * np.ones_like(GAMMA)], axis=1)
    found = scale(lambda t, p: t[:, 1:] * ops.relu(t[:, :1] - p), y, output_shape=(None, 1))
    assert found == is_close(1.5 * expected)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_overlap_by_hand_is_measured_at_the_base_rate(rate):
    """A ratio is below any number where its denominator is 0, at predictions below 0."""
    masks = (RNG.random((6, 8, 8, 1)) < rate).astype("float32")
    rates, p = masks.mean(axis=(1, 2, 3)), masks.mean()

    def overlap(t, p):
        return 1 - 2 * ops.sum(t * p, axis=(1, 2, 3)) / ops.sum(t + p, axis=(1, 2, 3))

    assert scale(overlap, masks) == is_close(np.mean(1 - 2 * rates * p / (rates + p)))


def test_definitions_that_stay():
    """Boundary terms measure differences of neighbours, those of maps the base rate's error."""
    y = RNG.normal(size=(20, 12))
    assert scale(Boundary(axes=1), y) == is_close(np.abs(np.diff(y, axis=1)).mean())
    masks = (RNG.random((4, 8, 8, 1)) < 0.3).astype("float32")
    maps = with_distance_map(masks)
    expected = np.mean(np.abs(maps[..., 1:]) * np.abs(masks.mean() - masks))
    assert scale(DistanceBoundary(), maps) == is_close(expected)
    found = scale(reading(lambda t, p: ops.abs(t - p)), maps)
    assert found == is_close(min(masks.mean(), 1 - masks.mean()))


REFUSED = {
    "cosine similarity": ("cosine_similarity", RNG.normal(10.0, size=(20, 5)), "is negative for"),
    "of classes": ("cosine_similarity", ONE_HOT, "is negative for"),
    "Poisson of large counts": ("poisson", np.array([[5.0], [9.0]]), "is negative for"),
    "without a bottom": (lambda t, p: -p, GAMMA, "is negative for"),
    "smoothness": (lambda t, p: ops.square(p[:, 1:] - p[:, :-1]), np.ones((5, 3)), "costs nothing"),
    "one class": (losses.BinaryCrossentropy(from_logits=True), np.zeros((9, 1)), "costs nothing"),
    "one class, by hand": (lambda t, p: ops.softplus((1 - 2 * t) * p), np.zeros((9, 1)), "nothing"),
    "never finite": (lambda t, p: ops.log(-1 - ops.square(p)), GAMMA, "finite for no constant"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_scale_says_why(name):
    """Negative, nothing, or not finite: the message has the true one, and a way out."""
    term, y, reason = REFUSED[name]
    with pytest.raises(WeightError, match=rf"'term'. Found .*{reason}.*or pass scales="):
        scale(term, y)


def test_the_advice_helps():
    """What the messages tell to do gives a loss: a number added, scales of one's own, or none."""
    y = RNG.normal(10.0, size=(20, 5))
    assert scale(lambda t, p: 1 + losses.cosine_similarity(t, p), y) > 0
    terms = {"mse": "mse", "angle": "cosine_similarity"}
    own = CombinedLoss(terms, scales={"mse": 2.0, "angle": 1.0})
    assert own.effective_weights == {"mse": 0.5, "angle": 1.0}
    assert CombinedLoss(terms, scales=None).effective_weights == {"mse": 1.0, "angle": 1.0}


def test_no_scale_is_too_small_for_float32():
    """What is not 0 but as good as 0 in float32 is refused, with what to do about the unit."""
    with pytest.raises(WeightError, match=r"float32 takes it for 0\. Give the targets a smaller"):
        scale(lambda t, p: ops.where(t > 1, 2e-38, 0.0), 2.0 * (np.arange(20) > 18))


X = RNG.normal(size=(64, 4)).astype("float32")
THREE = np.abs(RNG.normal(size=(64, 3))).astype("float32")
TWO_OF_THREE = {
    "scaled": lambda t, p: t[:, 2:] * ops.abs(t[:, :2] - p),
    "rows": lambda t, p: ops.abs(ops.sum(t, axis=-1) - ops.matmul(p, ops.ones((2, 1)))[:, 0]),
}


class Subclassed(keras.Model):
    """A model that is a class of its own, which does not say what comes out."""

    def __init__(self, units):
        super().__init__()
        self.dense = layers.Dense(units)

    def call(self, x):
        """One layer."""
        return self.dense(x)


def sequential(units):
    """The same as a stack of layers."""
    return keras.Sequential([keras.Input((4,)), layers.Dense(units)])


def watched(model, terms, y, *, by_output=False):
    """A verdict on a short training, and the magnitudes for a constant that it knew."""
    loss = CombinedLoss(terms)
    model.compile(keras.optimizers.SGD(0.05), loss=loss.by_output() if by_output else loss)
    monitor = TermMonitor(loss, probe=(X, y), gradients=None)
    model.fit(X, y, epochs=2, verbose=0, callbacks=[monitor])
    return monitor.verdict, monitor._instruments.baseline()


@pytest.mark.parametrize("make", [sequential, Subclassed])
def test_targets_with_more_channels_than_outputs_are_judged(make):
    """After training on targets (n, 3) with an output (n, 2) the verdict stands, baseline too."""
    model = make(2)
    model(X[:1])
    verdict, baseline = watched(model, TWO_OF_THREE, THREE)
    assert set(verdict.decrease) == set(TWO_OF_THREE)
    assert baseline == pytest.approx(of_the_mean(TWO_OF_THREE, THREE))


def of_the_mean(terms, y):
    """What terms cost for the mean of the first two channels."""
    mean = np.broadcast_to(y[:, :2].mean(axis=0), (len(y), 2))
    return {name: float(np.mean(term(y, mean))) for name, term in terms.items()}


def test_other_shapes_are_judged():
    """Class numbers, targets without an axis and several outputs have their constants, too."""
    labels = np.arange(64) % 3

    def by_hand(t, p):
        return losses.sparse_categorical_crossentropy(t, p, from_logits=True)

    terms = {"class": losses.SparseCategoricalCrossentropy(from_logits=True), "function": by_hand}
    _, baseline = watched(sequential(3), terms, labels)
    assert list(baseline.values()) == is_close_all(entropy(22 / 64, 21 / 64, 21 / 64), 2)
    _, baseline = watched(sequential(1), {"mse": lambda t, p: ops.square(t - p)}, THREE[:, 0])
    assert baseline["mse"] == is_close(THREE[:, 0].var())
    x = keras.Input((4,))
    outputs = {"v": layers.Dense(2, name="v")(x), "u": layers.Dense(1, name="u")(x)}
    terms = {"u": on("u", "mse"), "v": on("v", TWO_OF_THREE["scaled"])}
    y = {"u": THREE[:, :1], "v": THREE}
    _, baseline = watched(keras.Model(x, outputs), terms, y, by_output=True)
    of_v = of_the_mean({"v": TWO_OF_THREE["scaled"]}, THREE)
    assert baseline == pytest.approx({"u": THREE[:, 0].var(), **of_v})


def test_a_function_that_fails_for_constants_spoils_no_verdict():
    """Where no constant can be measured the verdict comes without, and nothing is raised."""

    def no_constants(t, p):
        if tf.executing_eagerly() and not np.ptp(np.asarray(p), axis=0).any():
            raise RuntimeError("found a constant")
        return ops.square(t - p)

    verdict, baseline = watched(sequential(3), {"fails": no_constants}, THREE)
    assert baseline is None
    assert set(verdict.decrease) == {"fails"}
    _, baseline = watched(sequential(3), {"angle": "cosine_similarity", "mse": "mse"}, THREE)
    assert -1 < baseline["angle"] < 0 < baseline["mse"]


class FirstTwo(lw.metrics.RMSE):
    """The RMSE of the channels that are predicted."""

    in_graph = False

    def evaluate(self, y_true, y_pred, sample_weight=None):
        """Of the first two channels of the targets."""
        return super().evaluate(np.asarray(y_true)[:, :2], y_pred, sample_weight)


@pytest.mark.usefixtures("without_report")
@pytest.mark.parametrize("scales", [None, "data"])
def test_targets_with_more_channels_than_outputs_are_swept(tmp_path, scales):
    """A sweep on targets (n, 3) with an output (n, 2) trains, with scales and without."""
    sweep = lw.Sweep(
        name="three",
        build_model=lambda: sequential(2),
        load_data=lambda: lw.Data(train=(X[:32], THREE[:32]), val=(X[32:], THREE[32:])),
        terms=TWO_OF_THREE,
        space={"scaled": lw.Fixed(1.0), "rows": lw.LogUniform(0.1, 10.0)},
        metrics={"error": FirstTwo()},
        objectives={"error": "minimize"},
        epochs=1,
        scales=scales,
    )
    options = {"tracking": False, "trainer": "fit", "quiet": True, "confirm": 0}
    result = sweep.run(1, root=tmp_path / "mlruns", **options)
    expected = reference_scales(TWO_OF_THREE, THREE[:32], output_shape=(None, 2))
    assert result.baseline == pytest.approx(of_the_mean(TWO_OF_THREE, THREE[:32]))
    assert result.scales == (None if scales is None else pytest.approx(expected))


@pytest.mark.parametrize("seed", range(4))
def test_signed_errors_have_no_scale(seed):
    """They cancel for the mean of the targets: what is left is rounding, of either sign."""
    y = np.random.default_rng(seed).normal(3, 1, size=(500, 1))
    for function in (lambda t, p: t - p, lambda t, p: (t - p) ** 3):
        with pytest.raises(WeightError, match="cancel"):
            reference_scales({"m": function}, y)
