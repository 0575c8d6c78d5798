"""Data and problem: everything bad is refused before training, and everything good is kept."""

import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops

import lossweights as lw
from lossweights.base.errors import DataError, LossweightsError, MetricError, ModelError
from lossweights.data import Data
from lossweights.loss.combined import CombinedLoss
from lossweights.terms import as_term
from lossweights.training.problem import Problem, rehearse

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10.0).reshape(10, 1)
GOOD = (X, Y)


def broken(value, at=3):
    """Targets with one bad value."""
    y = Y.copy()
    y[at] = value
    return y


BAD_DATA = {
    "nothing": (None, "train=.x, y."),
    "one array": (X, "ndarray"),
    "a list": ([X, Y], "list of length 2"),
    "only x": ((X,), "tuple of length 1"),
    "four parts": ((X, Y, Y[:, 0], Y), "tuple of length 4"),
    "no targets": ((X, None), "train.y"),
    "no inputs": ((None, Y), "train.x"),
    "NaN in targets": ((X, broken(np.nan)), r"train\.y.*1 NaN or infinite.*index \(3, 0\)"),
    "infinity in inputs": ((broken(np.inf), Y), r"train\.x.*index \(3, 0\)"),
    "minus infinity": ((X, broken(-np.inf)), r"train\.y"),
    "NaN in a weight": ((X, Y, broken(np.nan)[:, 0]), r"train\.sample_weight"),
    "NaN in one of two inputs": (
        ({"a": X, "b": broken(np.nan)}, Y),
        r"train\.x\.b",
    ),
    "lengths differ": ((X[:9], Y), r"'train.x': 9, 'train.y': 10"),
    "weights too short": ((X, Y, np.ones(9)), r"'train.sample_weight': 9"),
    "lengths of two inputs differ": (((X, X[:5]), Y), r"'train.x.1': 5"),
    "empty": ((X[:0], Y[:0]), "at least one row"),
    "a number": ((3.0, Y), "batch axis"),
    "a list of numbers": (([1.0, 2.0], Y), "batch axis"),
    "texts": ((np.array(["a"] * 10), Y), "numbers"),
    "objects": ((np.array([None] * 10), Y), "numbers"),
    "dates": ((np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]"), Y), "numbers"),
    "complex": ((X + 1j, Y), "numbers"),
    "a frame with texts": ((pd.DataFrame({"a": ["x"] * 10}), Y), "numbers"),
    "negative weights": ((X, Y, broken(-1.0)[:, 0]), "none negative"),
    "weights all zero": ((X, Y, np.zeros(10)), "not all 0"),
    "weights for each element": ((X, Y, np.ones((10, 2))), "one number for each row"),
    "a dict of weights": ((X, Y, {"out": np.ones(10)}), "one number for each row"),
}


@pytest.mark.parametrize("part", ["train", "val", "test"])
@pytest.mark.parametrize(("bad", "found"), BAD_DATA.values(), ids=BAD_DATA.keys())
def test_bad_data_is_refused_in_every_part(bad, found, part):
    """Whatever no training could use is a DataError that says which part and where."""
    if part == "test" and bad is None:
        assert Data(GOOD, GOOD, None).test is None  # the only part that may be missing
        return
    with pytest.raises(DataError, match=found.replace("train", part)) as raised:
        Data(**{"train": GOOD, "val": GOOD, part: bad})
    assert "Expected" in str(raised.value)
    assert "Found" in str(raised.value)


@pytest.mark.parametrize(
    "x",
    [X.astype("float32"), X.astype("int8"), X > 3, pd.DataFrame(X), {"a": X, "b": X}, (X, X),
     [X, X], {"a": (X, {"b": X})}, ops.convert_to_tensor(X)],
    ids=["float32", "int8", "bool", "frame", "dict", "tuple", "list", "nested", "tensor"],
)  # fmt: skip
def test_every_form_of_good_data_passes(x):
    """Arrays of numbers in any structure are data."""
    data = Data(train=(x, Y), val=(x, Y, np.ones(10)))
    assert len(data.train) == 10
    assert data.train.sample_weight is None


def test_no_weight_and_a_column_of_weights():
    """``(x, y, None)`` has no weights, and a column of weights is a row of them."""
    data = Data(train=(X, Y, None), val=(X, Y, np.ones((10, 1))))
    assert data.train.sample_weight is None
    assert data.val.sample_weight.shape == (10,)


def test_float64_becomes_keras_own_float_and_integers_stay():
    """Doubles are narrowed once; class numbers remain integers."""
    data = Data(train=({"a": X, "n": np.arange(10)}, Y), val=GOOD)
    assert data.train.x["a"].dtype == "float32"
    assert data.train.x["n"].dtype == "int64"


def test_spread_covers_the_whole_time_order():
    """A probe's rows are evenly spaced from the first to the last, without repetition."""
    split = Data(train=(X, Y, np.arange(1, 11)), val=GOOD).train
    probe = split.spread(4)
    assert probe.y[:, 0].tolist() == [0.0, 3.0, 6.0, 9.0]
    assert probe.sample_weight.tolist() == [1, 4, 7, 10]
    assert split.spread(10) is split
    assert len(split.head(99)) == 10


def test_fingerprint_is_of_every_value_shape_and_type():
    """Equal data have one fingerprint, and no change is without one of its own."""
    weights = np.ones(10, "float32")
    base = Data(train=(X, Y, weights), val=GOOD, test=GOOD)
    variants = [
        base,
        Data(train=(X, broken(3.5), weights), val=GOOD, test=GOOD),
        Data(train=(X, Y, weights * 2), val=GOOD, test=GOOD),
        Data(train=GOOD, val=GOOD, test=GOOD),
        Data(train=(X, Y, weights), val=GOOD),
        Data(train=(X, Y, weights), val=(X, Y[::-1]), test=GOOD),
        Data(train=(X.reshape(10, 2, 1), Y, weights), val=GOOD, test=GOOD),
        Data(train=(X.astype("int64"), Y, weights), val=GOOD, test=GOOD),
        Data(train=({"a": X}, Y, weights), val=GOOD, test=GOOD),
        Data(train=({"b": X}, Y, weights), val=GOOD, test=GOOD),
        Data(train=(X[:9], Y[:9], weights[:9]), val=GOOD, test=GOOD),
    ]
    prints = [data.fingerprint() for data in variants]
    assert len(set(prints)) == len(prints)
    again = Data(train=(X.copy(), np.asfortranarray(Y), weights.copy()), val=GOOD, test=GOOD)
    assert again.fingerprint() == prints[0]


def dense(units=1, **options):
    """A model of one layer."""

    def build_model():
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(units, **options)])

    return build_model


def problem(build_model=None, terms=None, metrics=None, **options):
    """A problem of two terms."""
    terms = terms or {"mse": "mse", "under": lw.terms.Underestimation()}
    return Problem(
        build_model=build_model or dense(),
        terms={name: as_term(term, name) for name, term in terms.items()},
        metrics=metrics or {"rmse": lw.metrics.RMSE()},
        **options,
    )


def test_rehearsal_of_a_good_problem_gives_the_output_shape():
    """What fits passes, and the shape of the output comes back with an open batch."""
    found = rehearse(problem(), Data(GOOD, GOOD, GOOD), seed=0)
    assert (found.output_shape, found.has_own_losses) == ((None, 1), False)


class Lazy(keras.Model):
    """A model that learns the shape of its inputs from the first of them."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        """The output."""
        return self.dense(x)


def raise_boom():
    """A build_model with a mistake."""
    raise RuntimeError("boom")


def broken_term(_y_true, _y_pred):
    """A term with a mistake."""
    raise KeyError("no such column")


def squared(y_true, y_pred):
    """A term that broadcasts where it should not."""
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def layer(built, width=2):
    """Builds a model of one given layer."""
    return lambda: keras.Sequential([keras.Input((width,)), built()])


NOT_FINITE = {"log": lambda y, p: ops.log(0.0 * ops.mean(p, axis=-1))}
ONE_NUMBER = {"scalar": lambda y, p: ops.mean(ops.square(y - p))}
IDENTITY = layer(lambda: keras.layers.Lambda(lambda x: x[:, :1]))
FIVE_INPUTS = layer(lambda: keras.layers.Dense(1), width=5)

# What is wrong: (values of a target, model, terms, error, what it says)
BAD_PROBLEMS = {
    "too many outputs": (1, dense(3), None, ModelError, r"shape \(1,\).*shape \(3,\)"),
    "too few outputs": (4, dense(1), None, ModelError, r"shape \(4,\).*shape \(1,\)"),
    "not for a lambda": (4, dense(3), {"own": squared}, ModelError, r"\(4,\).*\(3,\)"),
    "broadcast": (4, dense(1), {"own": squared}, MetricError, r"rmse.*\(10, 4\).*\(10, 1\)"),
    "other inputs": (1, FIVE_INPUTS, None, ModelError, r"inputs of train, of shape \(10, 2\)"),
    "no model": (1, lambda: None, None, ModelError, "Found NoneType"),
    "a function": (1, lambda: dense(), None, ModelError, "Found function"),
    "nothing to train": (1, IDENTITY, None, ModelError, "trainable"),
    "all frozen": (1, dense(trainable=False), None, ModelError, "trainable"),
    "not finite": (1, dense(), NOT_FINITE, ModelError, "finite values of the term 'log'"),
    "one number": (1, dense(), ONE_NUMBER, ModelError, "one value per sample"),
    "failing term": (1, dense(), {"own": broken_term}, ModelError, "no such column"),
}


@pytest.mark.parametrize(
    ("width", "build_model", "terms", "error", "says"),
    BAD_PROBLEMS.values(),
    ids=BAD_PROBLEMS.keys(),
)
def test_what_does_not_fit_is_refused(width, build_model, terms, error, says):
    """Model, terms and metrics are tried on a few rows, so that no training starts in vain."""
    part = (X, np.repeat(Y, width, axis=1))
    with pytest.raises(error, match=says):
        rehearse(problem(build_model, terms), Data(part, part), seed=0)


def test_error_of_the_users_own_code_keeps_its_traceback():
    """A mistake in build_model or in a term is shown as what it is."""
    with pytest.raises(RuntimeError, match="boom"):
        rehearse(problem(raise_boom), Data(GOOD, GOOD), seed=0)
    with pytest.raises(ModelError) as raised:
        rehearse(problem(terms={"own": broken_term}), Data(GOOD, GOOD), seed=0)
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_every_part_is_rehearsed(part):
    """Targets of another shape in one part alone are found, and the part is named."""
    parts = {"train": GOOD, "val": GOOD, "test": GOOD, part: (X, np.ones((10, 2)))}
    with pytest.raises(LossweightsError, match=part):
        rehearse(problem(), Data(**parts), seed=0)


def test_metric_without_meaning_on_the_data_is_refused():
    """A metric that the targets have no meaning for says so before training, with its name."""
    metrics = {"fill": lw.metrics.FillRate()}
    with pytest.raises(MetricError, match="Metric 'fill' on val"):
        rehearse(problem(metrics=metrics), Data(GOOD, (X, Y - 5)), seed=0)


def test_row_18_a_metric_is_checked_on_the_data_that_it_is_measured_on():
    """Validation and test data; that targets of training have no meaning for it costs nothing."""
    made = problem(metrics={"fill": lw.metrics.FillRate()})
    corrected = (X, Y - 5)
    rehearse(made, Data(corrected, GOOD, GOOD), seed=0)
    with pytest.raises(MetricError, match="Metric 'fill' on test"):
        rehearse(made, Data(corrected, GOOD, corrected), seed=0)


def test_metric_is_judged_on_all_data_not_on_the_first_rows():
    """No demand in the first hours, or no weight on them, is no reason to refuse."""
    y, weight = Y.copy(), np.ones(10)
    y[:4], weight[:4] = 0.0, 0.0
    metrics = {"fill": lw.metrics.FillRate()}
    rehearse(problem(metrics=metrics), Data((X, y, weight), (X, y, weight)), seed=0)


def test_model_is_a_function_of_its_seed():
    """The same seed gives the same parameters and random states, another seed others."""

    def build_model():
        layers = [keras.layers.Dense(3), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        return keras.Sequential([keras.Input((2,)), *layers])

    def variables(seed):
        made = problem(build_model).make_model(seed)
        return [np.array(variable) for variable in made.variables]

    first, again, other = variables(3), variables(3), variables(4)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "build_model", [Lazy, lambda: keras.Sequential([keras.layers.Dense(1)])],
    ids=["subclass", "sequential"],
)  # fmt: skip
def test_model_that_does_not_know_its_inputs_is_built_from_an_example(build_model):
    """Models without an Input layer have their parameters before training starts."""
    assert problem(build_model).make_model(0).variables == []
    first, again = (problem(build_model).make_model(0, x=X[:1]) for _ in range(2))
    assert len(first.trainable_variables) == 2
    np.testing.assert_array_equal(first.get_weights()[0], again.get_weights()[0])


@pytest.mark.parametrize("optimizer", ["sgd", keras.optimizers.SGD(0.5, momentum=0.9)])
def test_each_optimizer_is_fresh(optimizer):
    """A trial's optimizer has the configuration of the problem's, and none of its state."""
    made = problem(optimizer=optimizer)
    first, second = made.make_optimizer(), made.make_optimizer()
    assert first is not second
    assert first is not optimizer
    wanted = keras.optimizers.get(optimizer)
    configs = [{**o.get_config(), "name": None} for o in (first, second, wanted)]
    assert configs[0] == configs[1] == configs[2]


@pytest.mark.parametrize(("rows", "steps"), [(1, 1), (3, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_steps_count_the_last_smaller_batch(rows, steps):
    """Every row is seen once an epoch."""
    assert problem(batch_size=4).steps_per_epoch(rows) == steps


def test_loss_starts_with_all_weights_one():
    """The problem's loss has its terms; the weights are the trial's to set."""
    loss = problem().make_loss()
    assert isinstance(loss, CombinedLoss)
    assert loss.weights == {"mse": 1.0, "under": 1.0}
