"""Keras callbacks of the user's own in a sweep: trained by ``fit``, in workers too."""

import keras
import pytest

import lossweights as lw
from lossweights.base.errors import RecipeError, SweepChanged

from .tiny import arguments


def halving():
    """A learning rate that halves with every epoch."""
    return [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)]


def quartering():
    """Another one."""
    return [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.25)]


class Swap(keras.callbacks.Callback):
    """Trains one epoch on the one term alone, and the next on the other."""

    def on_epoch_begin(self, epoch, logs=None):
        """By the loss that the model is compiled with."""
        self.model.loss.set_weights({"mse": float(epoch == 0), "under": float(epoch > 0)})


def swapping():
    """A callback that moves the weights."""
    return [Swap()]


def run(root, callbacks=halving, trials=3, **options):
    """Run the tiny sweep with callbacks."""
    sweep = lw.Sweep(**arguments(callbacks=callbacks))
    return sweep.run(trials, root=root, tracking=False, **{"workers": 0, "confirm": 0, **options})


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """The sweep without callbacks."""
    return run(tmp_path_factory.mktemp("without") / "mlruns", None, trainer="fit", quiet=True)


def test_callbacks_make_auto_choose_fit_and_say_why(root, capsys, without):
    """Every trial is trained with them, and so is the winner, whose numbers are its trial's."""
    result = run(root)
    said = capsys.readouterr().err
    assert "trainer: fit, since Keras callbacks are given, which only model.fit calls" in said
    assert {finished.result.trainer for finished in result.finished.values()} == {"fit"}
    assert (result.trials["rmse"] != without.trials["rmse"]).all()
    assert result.remark == ""
    with pytest.raises(SweepChanged, match=r"code\.callbacks"):
        run(root, quartering, trials=4, resume=True, quiet=True)


@pytest.mark.parametrize("trainer", ["stacked", "serial"])
def test_another_trainer_is_refused_before_anything(root, trainer):
    """With the reason, and nothing is left."""
    with pytest.raises(RecipeError, match=r"'fit', or 'auto'.*callbacks are given.*Leave out"):
        run(root, trainer=trainer)
    assert not root.exists()


def test_a_list_of_callbacks_is_refused_where_it_is_written():
    """They would go on from trial to trial."""
    with pytest.raises(RecipeError, match="as a function that makes them anew"):
        lw.Sweep(**arguments(callbacks=halving()))


def test_decrease_shares_and_verdicts_count_the_weights_that_callbacks_set(root):
    """Each epoch with its own; the table has those that were searched."""
    result = run(root, swapping, trials=2, quiet=True)
    for number, finished in result.finished.items():
        start, first, second = (report.train for report in finished.result.reports)
        fell = {"mse": start["mse"] - first["mse"], "under": first["under"] - second["under"]}
        row = result.trials.loc[number]
        for name, fall in fell.items():
            assert row[f"decrease/{name}"] == pytest.approx(fall / sum(fell.values()))
        assert row["relative/mse"] == pytest.approx(1.0)
        assert (row["share/mse"], row["share/under"]) == (0.0, 1.0)
    assert result.trials["weight/under"].nunique() == 2
