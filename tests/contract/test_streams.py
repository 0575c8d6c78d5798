"""Training data larger than memory: every trainer reads them in the same order, once an epoch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import lossweights as lw
from lossweights.data import Data
from lossweights.loss.combined import CombinedLoss
from lossweights.training import FitTrainer, Member, SerialTrainer, StackedTrainer
from lossweights.training._candidates import Candidates
from lossweights.training._stacked_gradients import Form
from lossweights.training.early_stopping import EarlyStopping

from . import models
from .parity import BATCH, EPOCHS, MEMBERS, SEED, TERMS, assert_same, data, problem, train

TRAINERS = {"stacked": lambda *given: StackedTrainer(*given, size=4), "serial": SerialTrainer}


def rows_of(split):
    """The rows of a split as a dataset."""
    weight = [] if split.sample_weight is None else [split.sample_weight]
    return tf.data.Dataset.from_tensor_slices((split.x, split.y, *weight))


def streamed(build_model=models.dense, *, weighted=False, change=lambda rows: rows):
    """Data of a model whose training rows are shuffled anew in every epoch."""
    arrays = data(build_model, weighted=weighted)
    rows = change(rows_of(arrays.train).shuffle(20, seed=3))
    return Data(train=rows.batch(7), val=arrays.val)


@pytest.mark.parametrize(
    ("trainer", "build_model"),
    [
        ("stacked", models.dense),
        ("stacked", models.dropout),
        ("serial", models.batch_normalization),
    ],
)
def test_streams_are_trained_as_by_fit(trainer, build_model):
    """Rows, sample weights and the smaller last batch are the same to all trainers."""
    made, given = problem(build_model), streamed(build_model, weighted=True)
    found = train(TRAINERS[trainer](made, given))
    assert_same(found, train(FitTrainer(made, given)))


def test_fit_trains_in_the_order_of_the_dataset():
    """A stream gives, bit for bit, what Keras makes of the same dataset by itself."""
    arrays = data()
    member = MEMBERS[1]
    fit = FitTrainer(problem(), Data(train=rows_of(arrays.train).batch(7), val=arrays.val))
    train(fit, [member])
    keras.utils.set_random_seed(SEED)
    model = models.dense()
    model.compile("adam", CombinedLoss(TERMS, member.weights))
    model.fit(rows_of(arrays.train).batch(BATCH), epochs=EPOCHS, shuffle=False, verbose=0)
    for mine, theirs in zip(fit.parameters(0), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.fixture(scope="module")
def counted():
    """Data whose rows are counted while they are read, and the count."""
    count = [0]

    def note(*row):
        count[0] += 1
        return np.float32(0)

    def counting(rows):
        def add(x, y):
            zero = tf.numpy_function(note, [], tf.float32)
            zero.set_shape(())
            return x + zero, y

        return rows.map(add)

    return streamed(change=counting), count


@pytest.fixture(scope="module")
def stacked(counted):
    """A trainer that stacks four members on counted rows."""
    return StackedTrainer(problem(), counted[0], size=4, form=Form(xla=False))


def test_rows_are_read_once_for_all_members(counted, stacked):
    """An epoch of four members reads every row once."""
    given, count = counted
    members = [*MEMBERS, MEMBERS[0]]
    train(stacked, members, lambda *_: False)  # compiles, which takes a step
    count[0] = 0
    train(stacked, members)
    assert count[0] == EPOCHS * len(given.train)


def test_every_training_starts_anew(stacked):
    """What was trained before, to its end or not, moves no row of what is trained after it."""
    first = train(stacked)
    train(stacked, MEMBERS, lambda _, report: report.epoch < 1)
    for again, before in zip(train(stacked), first, strict=True):
        assert again.reports == before.reports


def test_members_that_end_leave_the_others_their_rows(stacked, counted):
    """In a smaller stack, made while training goes on, the rows go on where they were."""
    members = [Member({"mse": 1.0, "log_cosh": w}, seed) for w, seed in ((0.1, 4), (1, 5), (2, 6))]
    ends = {0: 1, 1: 1}

    def rung(position, report):
        return report.epoch < ends.get(position, 99)

    found = train(stacked, members, rung)
    assert_same(found, train(FitTrainer(problem(), counted[0]), members, rung))


@pytest.mark.parametrize("make", [FitTrainer, *TRAINERS.values()])
def test_timing_reads_one_batch_and_trains_full_ones_alone(counted, make):
    """A step is timed, not a shuffle that fills; the smaller last batch of an epoch is no step."""
    given, count = counted
    assert len(given.train) % BATCH != 0
    trainer = make(problem(), given)
    trainer.seconds_a_step(99)
    count[0] = 0
    assert trainer.seconds_a_step(99) > 0  # would raise if it read a smaller batch
    assert count[0] == 0


def test_timing_moves_no_row():
    """It reads rows as well; what is trained afterwards begins at the first one."""
    made, given = problem(), streamed()
    candidates = Candidates(made, given)
    expected = train(FitTrainer(made, given), MEMBERS[:2])
    for name in ("stacked", "serial", "fit"):
        trainer = candidates.get(name)
        assert trainer.seconds_a_step(2) > 0
        assert_same(train(trainer, MEMBERS[:2]), expected)


def load_stream():
    """Training data as a dataset, the others as arrays."""
    arrays = data()
    return Data(
        train=rows_of(arrays.train).shuffle(20, seed=3).batch(7),
        val=rows_of(arrays.val).batch(5),
        test=(arrays.val.x, arrays.val.y),
    )


def test_a_whole_sweep_runs_on_a_dataset(root):
    """Scales, trials, early stopping, winner and test come from a dataset as from arrays."""
    results = []
    for name in ("stacked", "fit"):
        sweep = lw.Sweep(
            name=name,
            build_model=models.dense,
            load_data=load_stream,
            terms=TERMS,
            space={"mse": lw.Fixed(1.0), "log_cosh": lw.LogUniform(0.1, 10.0)},
            metrics={"rmse": lw.metrics.RMSE()},
            objectives={"rmse": "minimize"},
            epochs=2,
            batch_size=16,
            early_stopping=EarlyStopping("rmse"),
        )
        options = {"root": root, "workers": 0, "tracking": False, "quiet": True}
        results.append(sweep.run(3, trainer=name, **options))
        assert sweep.run(3, trainer=name, resume=True, **options).trials["rmse"].notna().all()
    for one, other in zip(results[0].finished.values(), results[1].finished.values(), strict=True):
        assert one.result.metrics == pytest.approx(other.result.metrics, rel=1e-5)
