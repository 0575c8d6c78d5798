"""The contract that every metric keeps, and what the base class promises about exactness."""

import json
import pickle

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from lossweights import metrics
from lossweights.base.errors import MetricError
from lossweights.metrics import _base

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
needs_tensorflow = pytest.mark.skipif(not ON_TENSORFLOW, reason="a feature of TensorFlow")

# one metric of every kind: class, arguments, and the function with the same arguments
ON_VALUES = {
    "rmse": (metrics.RMSE, {}, metrics.rmse),
    "mae": (metrics.MAE, {}, metrics.mae),
    "bias": (metrics.Bias, {}, metrics.bias),
    "edge": (metrics.EdgeRMSE, {"axes": 1}, metrics.edge_rmse),
    "under": (metrics.UnderRate, {}, metrics.under_rate),
    "service": (metrics.ServiceLevel, {}, metrics.service_level),
    "shortfall": (metrics.Shortfall, {}, metrics.shortfall),
    "fill": (metrics.FillRate, {}, metrics.fill_rate),
    "cost": (
        metrics.NewsvendorCost,
        {"under_cost": 4.0, "over_cost": 1.0},
        metrics.newsvendor_cost,
    ),
    "pinball": (metrics.PinballLoss, {"tau": 0.9}, metrics.pinball_loss),
}
ON_MASKS = {
    "iou": (metrics.IoU, {}, metrics.iou),
    "iou-dataset": (metrics.IoU, {"average": "dataset"}, metrics.iou),
    "dice": (metrics.Dice, {"threshold": 0.4}, metrics.dice),
    "dice-largest": (metrics.Dice, {"threshold": None}, metrics.dice),
    "dice-dataset": (metrics.Dice, {"average": "dataset"}, metrics.dice),
    "boundary-iou": (metrics.BoundaryIoU, {"dilation_ratio": 0.1}, metrics.boundary_iou),
    "boundary-f1": (metrics.BoundaryF1, {"tolerance": 1.5}, metrics.boundary_f1),
    "surface-dice": (metrics.SurfaceDice, {"tolerance": 1.5}, metrics.surface_dice),
    "hd95-pooled": (metrics.HD95, {"empty_distance": 20.0}, metrics.hd95),
    "hd95-directed": (
        metrics.HD95,
        {"variant": "max_directed", "empty_distance": 20.0},
        metrics.hd95,
    ),
    "surface-dice-sizes": (metrics.SurfaceDice, {"sampling": (1.0, 2.5)}, metrics.surface_dice),
    "hd95-surfel": (metrics.HD95, {"variant": "surfel", "empty_distance": 20.0}, metrics.hd95),
    "missing": (metrics.Missing, {}, metrics.missing),
    "asd": (
        metrics.AverageSurfaceDistance,
        {"empty_distance": 20.0},
        metrics.average_surface_distance,
    ),
}
ALL = {**ON_VALUES, **ON_MASKS}
IN_GRAPH = [kind for kind, (cls, _, _) in ALL.items() if cls.in_graph]
ON_HOST = [kind for kind, (cls, _, _) in ALL.items() if not cls.in_graph]

every = pytest.mark.parametrize("kind", ALL)
every_in_graph = pytest.mark.parametrize("kind", IN_GRAPH)
every_on_host = pytest.mark.parametrize("kind", ON_HOST)


def make(kind, **options):
    """A fresh metric of a kind."""
    cls, arguments, _ = ALL[kind]
    return cls(**arguments, **options)


def data(kind):
    """Float32 targets, predictions and positive weights of 13 samples that suit a kind."""
    rng = np.random.default_rng(7)
    weight = rng.uniform(0.5, 2.0, 13).astype(np.float32)
    if kind in ON_VALUES:
        y_true = rng.gamma(2.0, 5.0, (13, 6)).astype(np.float32)
        return y_true, y_true + rng.normal(0.0, 2.0, (13, 6)).astype(np.float32), weight
    smooth = rng.random((2, 13, 8, 8, 2)).repeat(2, axis=2).repeat(2, axis=3)
    y_true = (smooth[0] > 0.4).astype(np.float32)
    y_pred = (0.6 * smooth[0] + 0.4 * smooth[1]).astype(np.float32)
    y_true[3, ..., 0], y_pred[3, ..., 0] = 0.0, 0.0  # an undefined case
    y_pred[5, ..., 1] = 0.0  # a case with one empty mask
    return y_true, y_pred, weight


def in_batches(metric, arrays, cuts):
    """The value from the sums of batches, added up in float64."""
    total = 0.0
    for batch in zip(*(np.split(a, cuts) for a in arrays), strict=True):
        if len(batch[0]):
            total = total + ops.convert_to_numpy(metric.sums(*batch)).astype(np.float64)
    return float(metric.value(total))


@every
def test_every_metric_says_which_way_is_better_and_in_what_unit(kind):
    """Direction, unit and name are set on the class, as documentation and sweeps read them."""
    metric = make(kind)
    assert metric.direction in ("minimize", "maximize", None)
    assert metric.unit in ("target", "fraction", "money", "pixels")
    assert metric.name == metric.default_name == ALL[kind][2].__name__


def test_only_the_signed_bias_has_no_direction():
    """Every metric but Bias can be an objective as it is."""
    assert [kind for kind in ALL if make(kind).direction is None] == ["bias"]


def test_abstract_metrics_cannot_be_built():
    """A metric without statistics and value is refused by Python."""
    with pytest.raises(TypeError, match="abstract"):
        metrics.Metric()


@every
def test_function_is_the_class(kind):
    """The plain function gives the class's number."""
    cls, arguments, function = ALL[kind]
    y_true, y_pred, weight = data(kind)
    expected = cls(**arguments).evaluate(y_true, y_pred, weight)
    assert function(y_true, y_pred, weight, **arguments) == expected
    assert isinstance(expected, float)
    assert np.isfinite(expected)


@every
@settings(max_examples=5, deadline=None)
@given(cuts=st.lists(st.integers(0, 13), max_size=4).map(sorted))
def test_any_split_into_batches_gives_the_same_number(kind, cuts):
    """Batches of any sizes, a partial last one included, add up to the data set's number."""
    metric, arrays = make(kind), data(kind)
    assert in_batches(metric, arrays, cuts) == pytest.approx(metric.evaluate(*arrays), rel=1e-6)


@every
def test_keras_state_over_batches_is_the_whole_number(kind):
    """update_state over uneven batches, then result, is evaluate; reset_state starts again."""
    metric, (y_true, y_pred, weight) = make(kind), data(kind)
    expected = metric.evaluate(y_true, y_pred, weight)
    for _ in range(2):
        metric.reset_state()
        for part in (slice(0, 4), slice(4, 12), slice(12, 13)):
            metric.update_state(y_true[part], y_pred[part], weight[part])
        assert float(metric.result()) == pytest.approx(expected, rel=1e-6)


@every
def test_evaluate_does_not_depend_on_its_own_chunks(kind, monkeypatch):
    """Chunks of one sample give what one chunk gives, to float64 rounding."""
    metric, arrays = make(kind), data(kind)
    whole = metric.evaluate(*arrays)
    monkeypatch.setattr(_base, "_CHUNK", 1)
    assert metric.evaluate(*arrays) == pytest.approx(whole, rel=1e-13)


@every
def test_evaluate_leaves_the_keras_state_alone(kind):
    """Measuring a data set does not add to what fit has accumulated."""
    metric = make(kind)
    metric.evaluate(*data(kind))
    assert np.isnan(float(metric.result()))


@every
def test_integer_weights_are_repetitions(kind):
    """A sample of weight 3 counts as three copies of it, one of weight 0 not at all."""
    metric, (y_true, y_pred, _) = make(kind), data(kind)
    times = np.arange(13) % 4
    repeated = metric.evaluate(y_true.repeat(times, axis=0), y_pred.repeat(times, axis=0))
    assert metric.evaluate(y_true, y_pred, times) == pytest.approx(repeated, rel=1e-12)
    assert metric.evaluate(y_true, y_pred, times[:, None]) == pytest.approx(repeated, rel=1e-12)
    in_float32 = metric.value(metric.sums(y_true, y_pred, times[:, None]))
    assert float(in_float32) == pytest.approx(repeated, rel=1e-6)


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_prediction_that_is_not_finite_shows(kind, bad):
    """One NaN or infinite prediction is never a good (or any finite) value, in both routes."""
    metric, (y_true, y_pred, _) = make(kind), data(kind)
    y_pred[0] = bad
    assert np.isnan(metric.evaluate(y_true, y_pred))
    assert np.isnan(float(metric.value(metric.sums(y_true, y_pred))))


@every
def test_sample_of_weight_zero_has_no_part_whatever_it_holds(kind):
    """Padding samples may hold NaN if their weight is zero."""
    metric, (y_true, y_pred, weight) = make(kind), data(kind)
    expected = metric.evaluate(y_true[1:], y_pred[1:], weight[1:])
    y_pred[0], weight[0] = np.nan, 0.0
    assert metric.evaluate(y_true, y_pred, weight) == pytest.approx(expected, rel=1e-12)
    sums = metric.sums(y_true, y_pred, weight)
    assert float(metric.value(sums)) == pytest.approx(expected, rel=1e-6)


@every
def test_sums_end_with_the_weight_and_value_keeps_leading_axes(kind):
    """Sums have shape (S,), the last is the weight; stacked sums of models give stacked values."""
    metric, (y_true, y_pred, weight) = make(kind), data(kind)
    sums = metric.sums(y_true, y_pred, weight)
    assert tuple(sums.shape) == (metric.n_statistics + 1,)
    assert float(sums[-1]) == pytest.approx(weight.sum(), rel=1e-6)
    stacked = ops.convert_to_numpy(ops.stack([sums, 2.0 * sums]))
    value = metric.value(stacked)
    assert isinstance(value, np.ndarray)
    np.testing.assert_allclose(value, metric.evaluate(y_true, y_pred, weight), rtol=1e-6)


@every
def test_no_sums_give_nan_without_a_warning(kind):
    """The value of nothing is NaN for numpy and for tensors."""
    metric = make(kind)
    assert np.isnan(metric.value(np.zeros(metric.n_statistics + 1)))
    assert np.isnan(float(metric.result()))


@every
def test_config_round_trip(kind):
    """from_config and Keras' serializer rebuild the metric from strict JSON."""
    metric, arrays = make(kind, name="mine"), data(kind)
    text = json.dumps(keras.saving.serialize_keras_object(metric), allow_nan=False)
    for again in (
        type(metric).from_config(metric.get_config()),
        keras.saving.deserialize_keras_object(json.loads(text)),
    ):
        assert type(again) is type(metric)
        assert again.name == "mine"
        assert again.get_config() == metric.get_config()
        assert again.evaluate(*arrays) == metric.evaluate(*arrays)


# Keras 3.15 pickles its variables through an `__array__` that NumPy 2 complains about
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("kind", ["cost", "boundary-f1", "hd95-surfel"])
def test_metrics_travel_to_worker_processes(kind):
    """A pickled metric comes back with its arguments."""
    metric = make(kind)
    again = pickle.loads(pickle.dumps(metric))
    assert again.get_config() == metric.get_config()
    assert again.evaluate(*data(kind)) == metric.evaluate(*data(kind))


@every
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_inputs_are_cast_up_first(kind, dtype):
    """Half-precision arrays give the number of the same values in float32."""
    y_true, y_pred, _ = data(kind)
    half = [ops.cast(ops.convert_to_tensor(y), dtype) for y in (y_true, y_pred)]
    cast_up = [ops.convert_to_numpy(ops.cast(y, "float32")) for y in half]
    metric = make(kind, dtype=dtype)
    expected = metric.evaluate(*cast_up)
    assert metric.evaluate(*half) == expected
    sums = metric.sums(*half)
    assert keras.backend.standardize_dtype(sums.dtype) == "float32"
    assert float(metric.value(sums)) == pytest.approx(expected, rel=1e-6)


@every
def test_integer_and_boolean_targets_are_numbers(kind):
    """Counts and boolean masks need no cast by the caller."""
    y_true, y_pred, _ = data(kind)
    whole = np.round(y_true).astype(bool if kind in ON_MASKS else np.int32)
    metric = make(kind)
    expected = metric.evaluate(whole.astype(np.float64), y_pred)
    assert metric.evaluate(whole, y_pred) == expected
    assert float(metric.value(metric.sums(whole, y_pred))) == pytest.approx(expected, rel=1e-6)


@needs_tensorflow
@every_in_graph
@pytest.mark.parametrize("jit", [False, True])
def test_sums_inside_a_compiled_graph(kind, jit):
    """tf.function, with XLA or without, gives evaluate's number."""
    import tensorflow as tf

    metric, arrays = make(kind), data(kind)
    compiled = tf.function(metric.sums, jit_compile=jit, autograph=False)
    expected = metric.evaluate(*arrays)
    assert float(metric.value(compiled(*arrays))) == pytest.approx(expected, rel=1e-6)


@needs_tensorflow
@every_in_graph
def test_sums_of_many_models_at_once(kind):
    """tf.vectorized_map over stacked predictions gives each model its own number, in a graph."""
    import tensorflow as tf

    metric, (y_true, y_pred, weight) = make(kind), data(kind)
    models = np.stack([y_pred, np.flip(y_pred, axis=1), 0.9 * y_pred])

    @tf.function(autograph=False)
    def of_models(stacked):
        sums = tf.vectorized_map(
            lambda pred: metric.sums(y_true, pred, weight), stacked, fallback_to_while_loop=False
        )
        return metric.value(sums)

    expected = [metric.evaluate(y_true, pred, weight) for pred in models]
    np.testing.assert_allclose(of_models(models), expected, rtol=1e-6)


@needs_tensorflow
@every_on_host
def test_scipy_metrics_refuse_symbolic_sums_with_advice(kind):
    """Sums of a metric that is not in_graph raises while tracing and names evaluate()."""
    import tensorflow as tf

    metric, (y_true, y_pred, _) = make(kind), data(kind)
    with pytest.raises(MetricError, match=r"has not run.*`evaluate\(\)`"):
        tf.function(metric.sums, autograph=False)(y_true, y_pred)


@needs_tensorflow
@every_on_host
def test_scipy_metrics_update_from_a_graph_through_numpy(kind):
    """update_state inside tf.function accumulates evaluate's number."""
    import tensorflow as tf

    metric, (y_true, y_pred, weight) = make(kind), data(kind)
    step = tf.function(metric.update_state, autograph=False)
    step(y_true[:6], y_pred[:6], weight[:6])
    step(y_true[6:], y_pred[6:], weight[6:])
    expected = metric.evaluate(y_true, y_pred, weight)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)


@needs_tensorflow
def test_scipy_metric_under_xla_fails_with_the_remedy_in_the_message():
    """XLA cannot call numpy; its error carries our words."""
    import tensorflow as tf

    metric, (y_true, y_pred, _) = make("hd95-pooled"), data("hd95-pooled")
    step = tf.function(metric.update_state, autograph=False, jit_compile=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="needs_jit_compile_False"):
        step(y_true, y_pred)


@needs_tensorflow
@pytest.mark.parametrize("jit", [False, True])
def test_many_small_batches_lose_nothing_to_rounding(jit):
    """20 000 batches in float32 stay within 1e-7 of float64: the sum is compensated."""
    import tensorflow as tf

    metric = metrics.MAE()
    y_true = np.full((4, 1), 0.1, np.float32)

    @tf.function(autograph=False, jit_compile=jit)
    def epoch():
        tf.while_loop(
            lambda i: i < 20_000,
            lambda i: (metric.update_state(y_true, 3.0 * y_true), i + 1)[1:],
            [0],
        )

    epoch()
    error = float(np.float32(3.0) * np.float32(0.1)) - float(np.float32(0.1))
    assert float(metric.result()) == pytest.approx(error, rel=1.2e-7)


def test_a_million_values_agree_with_float64_numpy():
    """Evaluate keeps 1e-13 on 1e6 values with a large offset; float32 sums keep 1e-6."""
    rng = np.random.default_rng(0)
    y_true = rng.normal(1000.0, 3.0, 1_000_000)
    y_pred = y_true + rng.normal(0.5, 2.0, 1_000_000)
    error = y_pred - y_true
    single_true, single_pred = y_true.astype(np.float32), y_pred.astype(np.float32)
    single = single_pred.astype(np.float64) - single_true
    for metric, reference in (
        (metrics.RMSE(), lambda e: np.sqrt(np.mean(e**2))),
        (metrics.MAE(), lambda e: np.mean(np.abs(e))),
        (metrics.Bias(), np.mean),
        (metrics.Shortfall(), lambda e: np.mean(np.maximum(-e, 0))),
        (metrics.UnderRate(), lambda e: np.mean(e < 0)),
    ):
        assert metric.evaluate(y_true, y_pred) == pytest.approx(reference(error), rel=1e-13)
        in_graph = float(metric.value(metric.sums(single_true, single_pred)))
        assert in_graph == pytest.approx(reference(single), rel=1e-6)


def test_float64_metric_keeps_float64_in_keras():
    """dtype="float64" carries double precision through sums and state."""
    if keras.backend.backend() == "jax":
        pytest.skip("JAX computes in float32 unless told otherwise at start")
    metric = metrics.Bias(dtype="float64")
    metric.update_state(np.array([0.0]), np.array([1.0 + 2.0**-40]))
    assert float(metric.result()) == 1.0 + 2.0**-40


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind != "dice-largest"])
def test_last_axis_of_one_may_be_missing_on_either_side(kind):
    """Targets (batch,) beside predictions (batch, 1) do not broadcast to (batch, batch)."""
    y_true, y_pred, _ = data(kind)
    if kind in ON_VALUES and kind != "edge":
        y_true, y_pred = y_true[:, 0], y_pred[:, 0]
    elif kind in ON_MASKS:
        y_true, y_pred = y_true[..., 0], y_pred[..., 0]
    metric = make(kind)
    expected = metric.evaluate(y_true, y_pred)
    for true, pred in ((y_true[..., None], y_pred), (y_true, y_pred[..., None])):
        assert metric.evaluate(true, pred) == expected
        assert float(metric.value(metric.sums(true, pred))) == pytest.approx(expected, rel=1e-6)


@every
@pytest.mark.parametrize(
    ("true_shape", "pred_shape"),
    [((4, 8, 8), (5, 8, 8)), ((4, 8, 8, 1), (4, 8, 8, 3)), ((4, 8), (4, 8, 8)), ((4, 1), (4, 3))],
)
def test_shapes_that_differ_are_named(kind, true_shape, pred_shape):
    """Nothing broadcasts: the error names both shapes, in evaluate and in sums."""
    metric = make(kind)
    for measure in (metric.evaluate, metric.sums, metric.update_state):
        with pytest.raises(MetricError) as caught:
            measure(np.ones(true_shape), np.ones(pred_shape))
        assert str(true_shape) in str(caught.value)
        assert str(pred_shape) in str(caught.value)


@every
def test_no_data_is_an_error(kind):
    """Evaluate on nothing raises instead of giving a number."""
    for shape in ((0, 8, 8), (3, 0, 8)):
        with pytest.raises(MetricError, match="at least one value"):
            make(kind).evaluate(np.ones(shape), np.ones(shape))


@pytest.mark.parametrize(
    "weight", [[1.0, -1.0, 1.0], [0.0, 0.0, 0.0], [1.0, np.nan, 1.0]], ids=["<0", "zeros", "nan"]
)
def test_weights_without_a_mean_are_refused(weight):
    """Negative, all-zero and missing weights raise and say what was found."""
    with pytest.raises(MetricError, match="Expected `sample_weight` to be finite"):
        metrics.rmse(np.ones(3), np.zeros(3), weight)


@pytest.mark.parametrize("shape", [(4,), (4, 2), (1, 3), ()])
def test_weights_of_another_shape_are_refused(shape):
    """Weights are of samples or elements; others raise with their shape, in evaluate and sums."""
    metric, values = metrics.RMSE(), np.ones((3, 2))
    for measure in (metric.evaluate, metric.sums):
        with pytest.raises(MetricError, match=r"one weight a sample|weights of rows"):
            measure(values, values, np.ones(shape))


@pytest.mark.parametrize("bad", [{"a": 1}, ["x", "y"], [[1.0], [1.0, 2.0]], None])
def test_what_is_not_numbers_is_refused(bad):
    """Dictionaries, text, ragged lists and None raise a MetricError that says what it wants."""
    with pytest.raises(MetricError, match="array of numbers"):
        metrics.rmse(bad, [1.0, 2.0])


def test_a_single_number_is_not_a_batch():
    """A scalar has no samples."""
    with pytest.raises(MetricError, match=r"\(batch, \.\.\.\)"):
        metrics.rmse(1.0, 2.0)


def test_dataframes_lists_and_tensors_are_arrays():
    """Whatever becomes a numpy array is measured, and gives the same number."""
    pandas = pytest.importorskip("pandas")
    values = [1.0, 2.0, 4.0]
    for y_true in (values, tuple(values), pandas.Series(values), ops.convert_to_tensor(values)):
        assert metrics.mae(y_true, [0.0, 0.0, 0.0]) == pytest.approx(7 / 3, rel=1e-12)
