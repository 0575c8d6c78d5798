"""What trains is what was written: settings of optimizers, and models that begin afresh."""

import keras
import numpy as np
import pytest
from keras import layers

from lossweights.base.errors import ModelError, RecipeError
from lossweights.data import Data
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer
from lossweights.training._stackable import NotStackable
from lossweights.training.early_stopping import EarlyStopping
from lossweights.training.optimizer import describe_optimizer, fresh_optimizer
from lossweights.training.order import batch_order
from lossweights.training.problem import rehearse

from . import models
from .parity import BATCH, EPOCHS, SEED, assert_parity, data, problem, train

ADAMW = keras.optimizers.AdamW


def plain_parameters(make_optimizer, given, callbacks=()):
    """What Keras' own ``compile`` and ``fit`` end with, on the documented batches."""
    made = problem()
    model = made.make_model(SEED)
    loss = made.make_loss()
    loss.set_weights({"mse": 1.0, "log_cosh": 0.3})
    model.compile(make_optimizer(), loss=loss)
    x, y = given.train.x, given.train.y
    order = np.concatenate([batch_order(len(x), SEED, e + 1) for e in range(EPOCHS)])
    rows = [order[e * len(x) : (e + 1) * len(x)] for e in range(EPOCHS)]
    import tensorflow as tf

    batches = tf.data.Dataset.from_generator(
        lambda: ((x[r[i : i + BATCH]], y[r[i : i + BATCH]]) for r in rows
                 for i in range(0, len(x), BATCH)),
        output_signature=tuple(tf.TensorSpec((None, *a.shape[1:]), a.dtype) for a in (x, y)),
    )  # fmt: skip
    steps = -(-len(x) // BATCH)
    model.fit(batches, epochs=EPOCHS, steps_per_epoch=steps, shuffle=False, verbose=0,
              callbacks=list(callbacks))  # fmt: skip
    return model.get_weights()


def not_decayed():
    """Weight decay that leaves out biases."""
    optimizer = ADAMW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of the user's own that Keras does not know."""

    def __init__(self, start):
        self.start = start

    def __call__(self, step):
        """Half of it every fourth step."""
        return self.start * 0.5 ** (keras.ops.cast(step, "float32") / 4)

    def get_config(self):
        """What it starts with."""
        return {"start": self.start}


OPTIMIZERS = {
    "ema": lambda: keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.9),
    "ema_overwrite": lambda: keras.optimizers.Adam(
        0.02, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2
    ),
    "not_decayed": not_decayed,
    "own_schedule": lambda: keras.optimizers.Adam(Halving(0.05)),
    "function": lambda: keras.optimizers.SGD(lambda: 0.03),
    "schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    ),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_settings_of_an_optimizer_count_as_in_plain_keras(kind):
    """`fit` ends with the parameters, and so the numbers, of plain Keras."""
    given = data()
    trainer = FitTrainer(problem(optimizer=OPTIMIZERS[kind]()), given)
    (result,) = train(trainer, [Member({"mse": 1.0, "log_cosh": 0.3}, SEED)])
    expected = plain_parameters(OPTIMIZERS[kind], given)
    for mine, theirs in zip(trainer.parameters(0), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    model = problem().make_model(SEED)
    model.set_weights(expected)
    rmse = np.sqrt(np.mean((given.val.y - model.predict(given.val.x, verbose=0)) ** 2))
    assert result.metrics["rmse"] == pytest.approx(rmse, rel=1e-5)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("make", [SerialTrainer, StackedTrainer])
def test_other_trainers_do_the_same_or_refuse(kind, make):
    """A setting that a stack cannot have is refused by name; all others count there too."""
    if kind.startswith("ema"):
        with pytest.raises(NotStackable, match="use_ema"):
            make(problem(optimizer=OPTIMIZERS[kind]()), data())
    else:
        assert_parity(make, optimizer=OPTIMIZERS[kind]())


def test_early_stopping_and_moving_averages_of_parameters_exclude_each_other():
    """The best epoch's parameters and those of the end cannot both be kept."""
    optimizer = keras.optimizers.SGD(use_ema=True)
    with pytest.raises(RecipeError, match="use_ema"):
        problem(optimizer=optimizer, early_stopping=EarlyStopping("rmse"))


def test_variables_without_weight_decay_are_given_by_name():
    """Variables themselves are those of one model: refused, with what to write."""
    optimizer = ADAMW()
    optimizer.exclude_from_weight_decay(var_list=models.dense().trainable_variables[:1])
    with pytest.raises(RecipeError, match="var_names"):
        fresh_optimizer(optimizer)


def test_a_schedule_without_a_configuration_is_refused():
    """It says which method is missing, not what Keras raises."""

    class Bare(Halving):
        get_config = keras.optimizers.schedules.LearningRateSchedule.get_config

    with pytest.raises(RecipeError, match=r"Bare has no get_config\(\)"):
        fresh_optimizer(keras.optimizers.SGD(Bare(0.1)))


def test_the_description_of_an_optimizer_has_all_that_decides():
    """Excluded names, a schedule's settings and its code, wherever the script was loaded from."""
    described = describe_optimizer(keras.optimizers.Adam(Halving(0.05)))
    assert described["learning_rate"] == {"class": "Halving", "start": 0.05}
    assert len(described["code"]) == 1
    assert describe_optimizer(not_decayed())["not_decayed"] == "bias"
    assert "code" not in describe_optimizer(keras.optimizers.Adam())


def test_a_compiled_model_is_refused():
    """Its optimizer and loss would not be used, which nobody would see."""

    def build_model():
        model = models.dense()
        model.compile("sgd", "mse")
        return model

    with pytest.raises(ModelError, match="compiled with SGD"):
        rehearse(problem(build_model), data(), seed=0)


def shared(*, frozen, layer=None):
    """A function that builds models upon one backbone."""
    backbone = keras.Sequential(
        [keras.Input((models.FEATURES,)), layers.Dense(5, name="inner"), layer or layers.ReLU()],
        name="backbone",
    )
    backbone.trainable = not frozen
    return lambda: keras.Sequential([backbone, layers.Dense(2)])


def test_a_shared_backbone_that_is_trained_is_refused():
    """Each trial would go on from the last: the layers are named."""
    with pytest.raises(ModelError, match="share layers which training changes: inner"):
        rehearse(problem(shared(frozen=False)), data(), seed=0)


def test_a_shared_random_generator_is_refused():
    """Masks of dropout would go on from one trial to the next, frozen or not."""
    build_model = shared(frozen=True, layer=layers.Dropout(0.5, name="noise"))
    with pytest.raises(ModelError, match="training changes: noise"):
        rehearse(problem(build_model), data(), seed=0)


def test_a_shared_frozen_backbone_is_trained_upon():
    """Nothing in it changes, averages of its frozen normalisation included; members are apart."""
    build_model = shared(frozen=True, layer=layers.BatchNormalization())
    rehearse(problem(build_model), data(), seed=0)
    trainer = FitTrainer(problem(build_model), data())
    first, again = (train(trainer, [Member({"mse": 1.0, "log_cosh": 1.0}, 1)]) for _ in range(2))
    assert first[0].reports == again[0].reports


class ByHost(keras.constraints.Constraint):
    """A constraint that leaves the graph, so that it cannot be vectorised."""

    def __call__(self, w):
        """Values of at most a tenth."""
        import tensorflow as tf

        clipped = tf.numpy_function(lambda a: np.clip(a, -0.1, 0.1), [w], w.dtype)
        return tf.reshape(clipped, w.shape)


class BySingularValues(keras.constraints.Constraint):
    """A constraint by a decomposition."""

    def __call__(self, w):
        """The matrix with singular values of at most 0.2."""
        s, u, v = keras.ops.svd(w, full_matrices=False)[1], *keras.ops.svd(w, False)[::2]
        return keras.ops.matmul(u * keras.ops.minimum(s, 0.2), v)


class MaxOfAll(keras.constraints.Constraint):
    """A constraint that is right alone and wrong on a stack, if it saw the whole of one."""

    def __call__(self, w):
        """Values over the largest of them."""
        return w / keras.ops.maximum(keras.ops.max(keras.ops.abs(w)), 1.0)


@pytest.mark.parametrize("constraint", [ByHost, BySingularValues, MaxOfAll])
@pytest.mark.parametrize("make", [SerialTrainer, StackedTrainer])
def test_constraints_of_any_kind(make, constraint):
    """A step with the constraint is tried before training: it is refused, or as in Keras."""

    def build_model():
        return models.sequential(
            (models.FEATURES,), layers.Dense(6, kernel_constraint=constraint())
        )

    try:
        make(problem(build_model), data(build_model))
    except NotStackable:
        assert constraint is not MaxOfAll
    else:
        assert_parity(make, build_model)


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_word_that_no_table_has_is_refused_before_training(part):
    """A stack would look up another word and go on; it is named with the part it is in."""
    good = data(models.embedding)
    words = np.array(good.val.x)
    words[-1, 0] = models.WORDS + 3
    parts = dict.fromkeys(("train", "val", "test"), (good.val.x, good.val.y))
    parts[part] = (words, good.val.y)
    with pytest.raises(ModelError, match=rf"all inputs of {part}.*{models.WORDS + 3}"):
        rehearse(problem(models.embedding), Data(**parts), seed=0)
    rehearse(problem(models.embedding), good, seed=0)


class Warming(keras.callbacks.Callback):
    """Raises the learning rate with every batch, and counts them."""

    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        """One more."""
        self.batches += 1
        self.model.optimizer.learning_rate = 0.002 * self.batches


class Meddling(keras.callbacks.Callback):
    """Changes in a training what no variable holds."""

    def on_epoch_end(self, epoch, logs=None):
        """No dropout any more, and nothing but the last layer is trained."""
        for layer in self.model.layers[:-1]:
            layer.trainable = False
            layer.rate = 0.0
        self.model.make_train_function(force=True)


class Stopping(keras.callbacks.Callback):
    """Ends a training after its first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        """Enough."""
        self.model.stop_training = True


def halving():
    """Two callbacks that change the learning rate."""
    return [Warming(), keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)]


def test_callbacks_run_as_in_plain_keras():
    """They hear of every batch and epoch, and the training is that of plain Keras."""
    given = data()
    trainer = FitTrainer(problem(optimizer=OPTIMIZERS["function"](), callbacks=None), given)
    without = train(trainer, [Member({"mse": 1.0, "log_cosh": 0.3}, SEED)])
    make = lambda: keras.optimizers.Adam(0.01)  # noqa: E731
    trainer = FitTrainer(problem(optimizer=make(), callbacks=halving), given)
    (result,) = train(trainer, [Member({"mse": 1.0, "log_cosh": 0.3}, SEED)])
    expected = plain_parameters(make, given, halving())
    for mine, theirs in zip(trainer.parameters(0), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    assert result.metrics != without[0].metrics


def test_callbacks_leave_nothing_to_the_next_training():
    """Neither what they keep nor what they do to the model: the same member again is the same."""

    def build_model():
        return models.sequential(
            (models.FEATURES,), layers.Dense(4), layers.Dropout(0.5), layers.Dense(2)
        )

    made = problem(build_model, callbacks=lambda: [Meddling(), Warming()])
    first, again = train(FitTrainer(made, data()), [Member({"mse": 1.0, "log_cosh": 1.0}, 1)] * 2)
    assert first.reports == again.reports


def test_a_callback_may_end_a_training():
    """It is complete with the epoch that it came to, whose parameters are kept."""
    trainer = FitTrainer(problem(callbacks=lambda: [Stopping()]), data())
    (result,) = train(trainer, [Member({"mse": 1.0, "log_cosh": 1.0}, SEED)])
    assert result.outcome.name == "COMPLETE"
    assert [report.epoch for report in result.reports] == [0, 1]
    rmse = trainer.measure_on(data().val).metrics["rmse"]
    assert rmse == pytest.approx(result.metrics["rmse"], rel=1e-6)
    assert trainer.parameters(0)


@pytest.mark.parametrize("make", [SerialTrainer, StackedTrainer])
def test_callbacks_are_refused_where_nothing_calls_them(make):
    """With the reason."""
    with pytest.raises(NotStackable, match=r"callbacks are given, which only model\.fit calls"):
        make(problem(callbacks=halving), data())


ONE = keras.callbacks.LambdaCallback()
BAD_CALLBACKS = {
    "a list": ([ONE], "as a function that makes them anew.*Found list"),
    "a callback": (ONE, "as a function.*LambdaCallback"),
    "no list": (lambda: ONE, "return a list of Keras callbacks"),
    "something else": (lambda: ["early"], "return a list of Keras callbacks"),
    "shared": (lambda: [ONE], "two trainings share LambdaCallback"),
    "unwatched": (lambda: [keras.callbacks.EarlyStopping()], "'val_loss', which would do nothing"),
    "backup": (
        lambda: [keras.callbacks.BackupAndRestore("/nowhere")],
        "would restore another trial",
    ),
}


@pytest.mark.parametrize(("callbacks", "says"), BAD_CALLBACKS.values(), ids=BAD_CALLBACKS)
def test_callbacks_that_would_not_do_what_they_say_are_refused(callbacks, says):
    """Before training, with what to write."""
    with pytest.raises(RecipeError, match=says):
        rehearse(problem(callbacks=callbacks), data(), seed=0)
