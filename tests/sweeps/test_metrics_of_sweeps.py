"""Sweeps judged by metrics of Keras, by functions, and by distances that some images have not."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.base.errors import NoneComplete, ObjectiveError, SweepChanged

from .tiny import arguments


def load_classes():
    """Two classes that overlap."""
    rng = np.random.default_rng(1)
    y = (rng.random((80, 1)) > 0.5).astype("float32")
    x = rng.normal(size=(80, 3)) + y
    return lw.Data(train=(x[:50], y[:50]), val=(x[50:], y[50:]))


def build_classifier():
    """One layer."""
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])


def share_right(y_true, y_pred):
    """Whether each row is right."""
    return (y_true > 0.5) == (y_pred > 0.5)


def classes(**changes):
    """A sweep of a classifier."""
    return lw.Sweep(
        **arguments(
            **{
                "build_model": build_classifier,
                "load_data": load_classes,
                "terms": {"mse": "mse", "under": "binary_crossentropy"},
                "metrics": {"auc": keras.metrics.AUC(), "right": share_right},
                "objectives": {"auc": "maximize", "right": "maximize"},
                **changes,
            }
        )
    )


OPTIONS = {"tracking": False, "quiet": True, "confirm": 0}


def test_a_keras_metric_and_a_function_are_objectives(tmp_path):
    """The numbers of stacks are those of the saved winner's own predictions, and it resumes."""
    result = classes().run(3, root=tmp_path, trainer="stacked", workers=0, **OPTIONS)
    (path,) = (tmp_path / "weights").rglob("*.keras")
    model = keras.models.load_model(path)
    val = load_classes().val
    predicted = model.predict(val.x, verbose=0)
    best = result.best(result.first_pick).metrics
    assert best["right"] == pytest.approx(share_right(val.y, predicted).mean())
    theirs = keras.metrics.AUC(name="another")
    theirs.update_state(val.y, predicted)
    assert best["auc"] == pytest.approx(float(theirs.result()), rel=1e-6)
    classes().run(4, root=tmp_path, resume=True, workers=0, **OPTIONS)  # counted names or not
    for other in (
        {"metrics": {"auc": keras.metrics.AUC(num_thresholds=50), "right": share_right}},
        {"metrics": {"auc": keras.metrics.AUC(), "right": lambda y, p: 1.0 - (y > p)}},
    ):
        with pytest.raises(SweepChanged, match="metrics"):
            classes(**other).run(5, root=tmp_path, resume=True, workers=0, **OPTIONS)


def test_what_is_no_metric_is_refused_at_once():
    """With what may be one; a direction that Keras knows better is turned round."""
    with pytest.raises(ObjectiveError, match=r"or a function, as 'auc'\. Found 'auc'"):
        classes(metrics={"auc": "auc"}, objectives={"auc": "maximize"})
    with pytest.raises(ObjectiveError, match="'maximize' for the objective 'auc'"):
        classes(metrics={"auc": keras.metrics.AUC()}, objectives={"auc": "minimize"})


def test_what_is_a_mean_of_batches_is_said_to_be_one():
    """Before the sweep trains."""

    class Own(keras.metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(keras.ops.sqrt(keras.ops.mean((y_true - y_pred) ** 2)))

    sweep = classes(metrics={"own": Own(), "auc": lw.metrics.AUC()}, objectives={"own": "minimize"})
    (note,) = sweep.prepare(rehearse=True).notes
    assert "'own' is a mean of batches" in note


def load_masks():
    """Blobs in noise, one of them so faint that nothing is found there."""
    rng = np.random.default_rng(0)
    y = np.zeros((12, 6, 6, 1), "float32")
    y[:, 2:5, 1:4] = 1.0
    x = 2.0 * y + 0.1 * rng.normal(size=y.shape)
    x[8] = -3.0
    return lw.Data(train=(x[:8], y[:8]), val=(x[8:], y[8:]))


def build_segmenter():
    """A pixel by itself."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Dense(
                1, "sigmoid", kernel_initializer="ones",
                bias_initializer=keras.initializers.Constant(-1.0),
            ),
        ]
    )  # fmt: skip


def masks(**distance):
    """A sweep judged by a distance."""
    return lw.Sweep(
        **arguments(
            build_model=build_segmenter,
            load_data=load_masks,
            terms={"mse": "mse", "under": lw.terms.Dice()},
            metrics={"hd95": lw.metrics.HD95(**distance)},
            objectives={"hd95": "minimize"},
            epochs=1,
        )
    )


def test_one_image_without_a_prediction_is_no_divergence(tmp_path):
    """The reason names the way out, and both ways out lead to results."""
    options = {"root": tmp_path, "trainer": "serial", "workers": 0, **OPTIONS}
    with pytest.raises(NoneComplete, match="empty_distance= in pixels, or 'apart'") as told:
        masks().run(2, **options)
    assert "learning rate" not in str(told.value)
    result = masks(empty_distance="apart").run(2, name="apart", **options)
    assert result.trials["hd95"].tolist() == [0.0, 0.0]
    assert result.trials["hd95_missing"].tolist() == [0.25, 0.25]
    result = masks(empty_distance=8.0).run(2, name="counted", **options)
    assert result.trials["hd95"].tolist() == [2.0, 2.0]
    assert "hd95_missing" not in result.trials
