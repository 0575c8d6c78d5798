"""Metrics at home in Keras: compile, fit, evaluate, sample weights, saved models."""

import keras
import numpy as np
import pytest

from lossweights import metrics


def value_model(**options):
    """A small regression model that has been compiled with every metric of values."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model.compile(keras.optimizers.SGD(0.01), "mse", **options)
    return model


def value_metrics():
    """Every metric of values, fresh."""
    return [
        metrics.RMSE(),
        metrics.MAE(),
        metrics.Bias(),
        metrics.EdgeRMSE(axes=1),
        metrics.UnderRate(),
        metrics.ServiceLevel(),
        metrics.Shortfall(),
        metrics.FillRate(),
        metrics.NewsvendorCost(4.0, 1.0),
        metrics.PinballLoss(0.9),
    ]


def mask_metrics():
    """Metrics of masks, fresh, scipy's included where the backend can leave its graph."""
    in_graph = [metrics.IoU(), metrics.Dice(), metrics.BoundaryIoU(), metrics.BoundaryF1()]
    if keras.backend.backend() != "tensorflow":
        return in_graph
    return [
        *in_graph,
        metrics.SurfaceDice(),
        metrics.HD95("surfel", empty_distance=20.0),
        metrics.AverageSurfaceDistance(empty_distance=20.0),
    ]


def assert_logs_are_evaluated(model, measured, x, y, batch_size, rel):
    """After an epoch, Keras logs what each metric gives on the predictions of all samples."""
    model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0)
    logs = model.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
    predictions = model.predict(x, verbose=0)
    for metric in measured:
        expected = metric.evaluate(y, predictions)
        assert logs[metric.name] == pytest.approx(expected, rel=rel, abs=1e-6), metric.name


@pytest.fixture
def values():
    """Inputs, positive targets and weights of 50 samples."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 3)).astype(np.float32)
    y = rng.gamma(2.0, 2.0, (50, 2)).astype(np.float32)
    return x, y, rng.uniform(0.0, 2.0, 50).astype(np.float32)


@pytest.fixture
def images():
    """Images and their masks."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(10, 16, 16, 1)).astype(np.float32)
    return x, (x > 0.3).astype(np.float32)


def test_evaluate_of_a_compiled_model_is_the_whole_data_set(values):
    """model.evaluate with a partial last batch gives what evaluate gives on its predictions."""
    x, y, _ = values
    model = value_model(metrics=value_metrics())
    assert_logs_are_evaluated(model, value_metrics(), x, y, batch_size=16, rel=2e-6)


def test_fit_logs_training_and_validation_values(values):
    """History carries each metric under its own name, and as val_."""
    x, y, _ = values
    model = value_model(metrics=[metrics.RMSE(), metrics.RMSE(name="again")])
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x[:7], y[:7])).history
    assert set(history) == {"loss", "val_loss", "rmse", "again", "val_rmse", "val_again"}
    assert history["rmse"] == history["again"]
    expected = metrics.rmse(y[:7], model.predict(x[:7], verbose=0))
    assert history["val_rmse"][-1] == pytest.approx(expected, rel=1e-6)


def test_weighted_metrics_take_sample_weights(values):
    """compile(weighted_metrics=...) passes the weights of the samples, metrics=... does not."""
    x, y, weight = values
    model = value_model(metrics=[metrics.MAE(name="plain")], weighted_metrics=[metrics.MAE()])
    logs = model.evaluate(x, y, sample_weight=weight, batch_size=16, verbose=0, return_dict=True)
    predictions = model.predict(x, verbose=0)
    assert logs["mae"] == pytest.approx(metrics.mae(y, predictions, weight), rel=1e-6)
    assert logs["plain"] == pytest.approx(metrics.mae(y, predictions), rel=1e-6)


@pytest.mark.parametrize("eager", [False, True])
def test_masks_in_a_compiled_model(images, eager):
    """Region, boundary and scipy metrics work in fit and evaluate, in a graph and eagerly."""
    x, y = images
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 1))
    outputs = keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", metrics=mask_metrics(), run_eagerly=eager, jit_compile=False)
    assert_logs_are_evaluated(model, mask_metrics(), x, y, batch_size=4, rel=1e-6)


def test_targets_without_the_last_axis_of_the_model(values):
    """Targets (batch,) with a model that gives (batch, 1) are paired one to one."""
    x, y, _ = values
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", metrics=[metrics.RMSE()])
    logs = model.evaluate(x, y[:, 0], verbose=0, return_dict=True)
    direct = np.sqrt(np.mean((y[:, 0] - model.predict(x, verbose=0)[:, 0]) ** 2))
    assert logs["rmse"] == pytest.approx(float(direct), rel=1e-5)


# Keras 3.15 saves its variables through an `__array__` that NumPy 2 complains about
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_saved_model_loads_with_its_metrics(values, tmp_path):
    """A model file keeps the metrics and their arguments."""
    x, y, _ = values
    model = value_model(metrics=[metrics.NewsvendorCost(4.0, 1.0), metrics.EdgeRMSE(axes=1)])
    before = model.evaluate(x, y, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    after = loaded.evaluate(x, y, verbose=0, return_dict=True)
    assert after == pytest.approx(before, rel=1e-6)
    assert set(after) == {"loss", "newsvendor_cost", "edge_rmse"}


def test_mixed_precision_model(values):
    """A model that computes in float16 is measured in float32."""
    x, y, _ = values
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, dtype="mixed_float16")(inputs))
    model.compile("sgd", "mse", metrics=[metrics.RMSE()])
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    predictions = model.predict(x, verbose=0)
    assert predictions.dtype == np.float16
    assert logs["rmse"] == pytest.approx(metrics.rmse(y, predictions), rel=1e-6)
