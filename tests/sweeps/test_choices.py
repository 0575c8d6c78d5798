"""Sweeps that choose more than weights."""

import keras
import numpy as np
import pytest

import lossweights as lw
from lossweights.base.errors import WeightError
from lossweights.records import Outcome
from lossweights.results.folder import list_results, read_manifest, sweep_folder
from lossweights.sweep.reproduce import Likeness, reproduce
from lossweights.training.order import batch_order

from .tiny import arguments, load_data

OPTIONS = {"trainer": "stacked", "workers": 0, "tracking": False, "quiet": True, "confirm": 0}
RATES = lw.LogUniform(1e-3, 1e-1)


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    """A sweep of learning rates beside weights, confirmed, and where it is."""
    root = tmp_path_factory.mktemp("rates")
    sweep = lw.Sweep(**arguments(hyper={"learning_rate": RATES}, baselines=["equal", "dwa"]))
    return sweep, sweep.run(8, root=root, **{**OPTIONS, "confirm": 1, "tracking": True}), root


def test_a_learning_rate_beside_weights(rates):
    """Each trial has its own, which stands in its parameters, the table and the weight set."""
    _, result, root = rates
    column = result.trials["hyper/learning_rate"]
    assert column.between(RATES.low, RATES.high).all()
    assert column.nunique() > 3
    for number, finished in list_results(sweep_folder(root, "tiny")).items():
        assert finished.asked.parameters["hyper/learning_rate"] == column[number]
        assert finished.result.chosen == {"hyper/learning_rate": column[number]}
    best = result.best("min:rmse")
    assert best.chosen["hyper/learning_rate"] == column[result.best_number("min:rmse")]
    assert best.loss().weights == dict(best.weights)


def test_baselines_have_the_usual_rate_and_picks_their_own(rates):
    """What is confirmed trains as it was found; what a sweep must beat trains as it would be."""
    _, result, _ = rates
    usual = pytest.approx(0.05)
    assert result.trials["hyper/learning_rate"][0] == usual  # the first trial: equal weights
    assert result.baselines["hyper/learning_rate"].tolist() == [usual]
    for outing in result.contest.outings:
        entered = result.contest.entered(outing)
        assert dict(outing.result.chosen) == dict(entered.chosen)
        if entered.role == "pick":
            assert entered.chosen == result.finished[entered.trial].result.chosen


def test_the_rate_is_a_param_of_mlflow_and_the_winner_is_that_of_its_trial(rates):
    """Whoever looks at the runs sees it; and the saved model was trained with it."""
    import mlflow

    _, result, root = rates
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    shown = {
        run.data.tags["lossweights.trial"]: float(run.data.params["hyper/learning_rate"])
        for run in runs
        if "lossweights.trial" in run.data.tags
    }
    assert shown == {str(n): rate for n, rate in result.trials["hyper/learning_rate"].items()}
    assert result.remark == ""


def test_a_set_trains_as_its_trial_did(rates):
    """In plain Keras with the rate that was chosen, and by ``lossweights reproduce``."""
    sweep, result, root = rates
    best = result.best("min:rmse")
    model = plain()
    best.compile(model)
    rate = np.float32(best.chosen["hyper/learning_rate"])
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == rate
    found = reproduce(sweep, result, "min:rmse", read_manifest(root, "tiny"))
    assert found.likeness is Likeness.EQUAL, found.sentence


def test_a_run_of_mlflow_has_the_rate_of_its_trial(rates):
    """As a weight set of its own."""
    import mlflow

    _, result, root = rates
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")
    [run] = client.search_runs(
        [client.get_experiment_by_name("tiny").experiment_id],
        filter_string="tags.`lossweights.trial` = '3'",
    )
    found, trial = lw.load(f"runs:/{run.info.run_id}", root), result.finished[3].result
    assert found.weights == trial.weights
    assert found.chosen == trial.chosen


def test_a_resumed_sweep_goes_on_as_one_that_never_stopped(rates, tmp_path):
    """Also in its rates, and with workers, which are told them; another range is refused."""
    sweep, whole, _ = rates
    sweep.run(3, root=tmp_path, **OPTIONS)
    again = sweep.run(8, root=tmp_path, resume=True, **{**OPTIONS, "trainer": "serial"})
    for number, finished in whole.finished.items():
        assert dict(again.finished[number].asked.parameters) == dict(finished.asked.parameters)
        assert again.finished[number].result.metrics == pytest.approx(
            finished.result.metrics, rel=1e-5
        )
    other = lw.Sweep(**arguments(hyper={"learning_rate": lw.Uniform(0.1, 0.2)}, baselines="none"))
    with pytest.raises(lw.errors.SweepChanged, match=r"space\.hyper/learning_rate"):
        other.run(9, root=tmp_path, resume=True, **OPTIONS)


@pytest.mark.parametrize(
    ("hyper", "said"),
    [
        ({"momentun": RATES}, "numbers of SGD among"),
        ({"learning_rate": 0.1}, "Expected Uniform or LogUniform for 'learning_rate'"),
        ([RATES], "mapping from names"),
    ],
)
def test_what_cannot_be_sampled_of_an_optimizer_is_refused(hyper, said):
    """Before anything is trained, with what there is."""
    with pytest.raises(lw.errors.LossweightsError, match=said):
        lw.Sweep(**arguments(hyper=hyper))


def test_ablation_tries_terms_on_and_off(tmp_path):
    """About a half of the trials are without the term, and leaving it out is a trial."""
    space = {"mse": 1.0, "under": lw.Off(lw.LogUniform(0.01, 100.0))}
    sweep = lw.Sweep(**arguments(space=space, baselines=["without:under"], name="off"))
    result = sweep.run(24, root=tmp_path, **OPTIONS)
    weights = result.trials["weight/under"]
    assert 4 < (weights == 0).sum() < 20
    assert weights[weights > 0].nunique() > 3
    assert list(result.trials["baseline"].dropna()) == ["without:under"]
    assert result.trials.loc[result.trials["baseline"].notna(), "weight/under"].item() == 0
    assert all(f.result.outcome is Outcome.COMPLETE for f in result.finished.values())
    assert read_manifest(tmp_path, "off")["space"]["on/under"]["names"] == ["on", "off"]
    assert np.isfinite(result.trials["rmse"]).all()


def test_one_term_is_always_on():
    """Where all may be off, a trial would have no loss."""
    both = {name: lw.Off(lw.LogUniform(0.1, 10.0)) for name in ("mse", "under")}
    with pytest.raises(lw.errors.SpaceError, match="always on"):
        lw.Sweep(**arguments(space=both))


RAMP = lw.Ramp(lw.LogUniform(0.1, 10.0), epochs=2, start=0.5, after=1)


@pytest.mark.parametrize("trainer", ["fit", "stacked"])
def test_a_weight_that_warms_up(tmp_path, trainer):
    """It is in force by the epoch, in every trainer alike, and ends at what was sampled."""
    sweep = lw.Sweep(**arguments(space={"mse": 1.0, "under": RAMP}, epochs=4, name=trainer))
    result = sweep.run(3, root=tmp_path, **{**OPTIONS, "trainer": trainer})
    finished = result.finished[2].result
    full = finished.weights["under"]
    assert result.trials["weight/under"][2] == full
    # Report k is that of the epoch that Keras counts as k - 1.
    expected = [full * part for part in (0.5, 0.5, 0.5, 0.75, 1.0)]
    assert finished.in_force()["under"] == pytest.approx(expected)


def test_a_ramp_is_the_same_in_plain_keras(tmp_path):
    """The callback gives a training of one's own the numbers of the trial."""
    sweep = lw.Sweep(**arguments(space={"mse": 1.0, "under": RAMP}, epochs=4, build_model=plain))
    trial = sweep.run(1, root=tmp_path, **{**OPTIONS, "trainer": "fit"}).finished[0].result
    keras.utils.set_random_seed(0)
    model, train, val = plain(), load_data().train, load_data().val
    loss = lw.CombinedLoss(arguments()["terms"], trial.weights)
    model.compile(keras.optimizers.SGD(0.05), loss=loss)
    ramp = lw.adaptive.ramps(loss, {"under": RAMP})
    for epoch in range(4):
        order = batch_order(len(train), 0, epoch + 1)
        model.fit(
            train.x[order], train.y[order], batch_size=16, shuffle=False, verbose=0,
            initial_epoch=epoch, epochs=epoch + 1, callbacks=[ramp],
        )  # fmt: skip
        rmse = lw.metrics.RMSE().evaluate(val.y, model.predict(val.x, verbose=0))
        assert trial.reports[epoch + 1].metrics["rmse"] == pytest.approx(rmse, rel=1e-5)


def test_a_weight_set_says_how_its_weights_got_there(tmp_path, caplog):
    """Also from its file; whoever compiles with it is told, and has the training of the trial."""
    sweep = lw.Sweep(**arguments(space={"mse": 1.0, "under": RAMP}, epochs=4, build_model=plain))
    trial = sweep.run(1, root=tmp_path, **{**OPTIONS, "trainer": "fit"}).finished[0].result
    weights = lw.load("tiny", root=tmp_path)
    assert weights.ramps == {"under": {"start": 0.5, "epochs": 2, "after": 1}}
    assert weights.chosen["ramp/under/epochs"] == 2
    assert lw.WeightSet.parse(weights.to_json().encode()) == weights
    keras.utils.set_random_seed(0)
    model = plain()
    weights.compile(model)
    assert "lw.adaptive.ramps(None, weights.ramps)" in caplog.text
    ramp = lw.adaptive.ramps(None, weights.ramps)
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(ramp.loss.weights["under"])
    )
    model.fit(load_data().train.x, load_data().train.y, epochs=4, verbose=0, callbacks=[ramp, note])
    assert seen == pytest.approx(trial.in_force()["under"][1:])
    assert model.loss.weights == dict(weights.weights)


def test_a_set_without_ramps_has_none():
    """And what has a ramp, but is off, none either; odd ones are refused by the callback."""
    assert lw.WeightSet({"mse": 1.0}).ramps == {}
    off = lw.WeightSet({"mse": 1.0, "b": 0.0}, chosen={"ramp/b/epochs": 2, "ramp/b/start": 0.0})
    assert off.ramps == {}
    with pytest.raises(lw.errors.WeightError, match=r"Expected a lw\.Ramp"):
        lw.adaptive.ramps(None, {"b": {"epoch": 2}})


def plain():
    """One layer, and nothing at random in it."""
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def test_ramps_that_no_training_could_begin_with_are_refused():
    """All weights 0 in the first epoch make no loss; and numbers are checked."""
    zero = lw.Ramp(lw.LogUniform(0.1, 10.0), epochs=2)
    with pytest.raises(lw.errors.SpaceError, match="begins with 0"):
        lw.Sweep(**arguments(space={"mse": zero, "under": zero}))
    with pytest.raises(lw.errors.SpaceError, match="epochs of 1 or more"):
        lw.Ramp(1.0, epochs=0)


SHAPES = {
    "under": lw.terms.Underestimation(factor=lw.LogUniform(0.5, 8.0)),
    "quantile": lw.terms.Pinball(tau=lw.Uniform(0.6, 0.95)),
}
SHAPED = lw.Sweep(  # where a worker finds it
    **arguments(
        name="shapes",
        terms={"mse": "mse", "shape": lw.Choice(SHAPES)},
        space={"mse": 1.0, "shape": lw.LogUniform(0.1, 10.0)},
        baselines=["equal"],
    )
)


def test_one_of_several_terms_and_their_numbers(tmp_path):
    """Each trial has one, with its number; and its weight set is that term with that number."""
    options = {**OPTIONS, "confirm": 1, "workers": 1, "trainer": "serial"}
    result = SHAPED.run(10, root=tmp_path, **options)
    table = result.trials.set_index("number")
    assert set(table["term/shape"]) == {"under", "quantile"}
    tau, has = table["term/shape/quantile/tau"], table["term/shape"] == "quantile"
    assert tau[has].between(0.6, 0.95).all()
    assert tau[~has].isna().all()  # of an option that is not chosen, no number is told
    assert table["term/shape"][0] == "under"  # the first option is the usual one
    picked = result.best("min:rmse")
    row = table.loc[picked.origin["trial"]]
    term = picked.loss().terms["shape"]
    assert isinstance(term, lw.terms.Pinball | lw.terms.Underestimation)
    name, number = (
        ("tau", "quantile") if isinstance(term, lw.terms.Pinball) else ("factor", "under")
    )
    assert row["term/shape"] == number
    assert getattr(term, name) == row[f"term/shape/{number}/{name}"]
    assert set(picked.chosen) == {"term/shape", f"term/shape/{number}/{name}"}
    assert picked.relative["shape"] == pytest.approx(row["relative/shape"])
    for outing in result.contest.outings:
        assert outing.result.outcome is Outcome.COMPLETE
    assert lw.WeightSet.parse(picked.to_json().encode()) == picked


def test_options_are_alike_in_size(tmp_path):
    """A weight means the same whatever is chosen: divided by the scale of the option itself."""
    space = {"mse": 1.0, "shape": lw.LogUniform(0.1, 10.0)}
    terms = {"mse": "mse", "shape": lw.Choice({"mae": "mae", "mse": "mse"})}
    sweep = lw.Sweep(**arguments(terms=terms, space=space, name="sizes"))
    prepared = sweep.prepare(rehearse=True)
    y = load_data().train.y
    scales = lw.reference_scales({"mae": "mae", "mse": "mse"}, y)
    assert prepared.scales["shape"] == pytest.approx(scales["mae"], rel=1e-5)
    expected = {"mae": 1.0, "mse": scales["mae"] / scales["mse"]}
    assert prepared.units == {"shape": pytest.approx(expected, rel=1e-5)}


def test_scales_of_some_terms_are_given_and_those_of_others_found():
    """A penalty on what no constant does has none in the data; the others keep theirs."""

    def rough(y_true, y_pred):
        return keras.ops.relu(y_pred[:, :1] - y_pred[:, -1:])

    terms, space = {"mse": "mse", "rough": rough}, {"mse": 1.0, "rough": lw.LogUniform(0.1, 10)}
    given = arguments(terms=terms, space=space, name="some")
    with pytest.raises(WeightError, match="those of the terms that you do not name"):
        lw.Sweep(**given).prepare(rehearse=True)
    found = lw.Sweep(**given, scales={"rough": 3.0}).prepare(rehearse=True).scales
    own = lw.reference_scales({"mse": "mse"}, load_data().train.y)["mse"]
    assert found == {"mse": pytest.approx(own, rel=1e-5), "rough": 3.0}
    with pytest.raises(WeightError, match="one scale for each of the terms"):
        lw.Sweep(**given, scales={"rough": 3.0, "rogh": 1.0})


def test_options_on_folds_with_unknown_labels(tmp_path):
    """Each trial trains what it chose on every fold, by the same units."""
    data = load_data()
    x, y = (np.concatenate([getattr(part, k) for part in (data.train, data.val)]) for k in "xy")
    y[::7] = np.nan
    terms = {"mse": "mse", "shape": lw.Choice({"mae": "mae", "mse": "mse"})}
    sweep = lw.Sweep(
        **arguments(
            terms=terms,
            space={"mse": 1.0, "shape": lw.LogUniform(0.1, 10.0)},
            load_data=lambda: lw.Data(train=(x[:36], y[:36]), val=(x[36:], y[36:])),
            name="unknown",
            missing="nan",
            folds=2,
        )
    )
    result = sweep.run(4, root=tmp_path, **OPTIONS)
    manifest = read_manifest(tmp_path, "unknown")
    assert manifest["units"]["shape"]["mae"] == 1.0
    for finished in result.finished.values():
        assert finished.result.outcome is Outcome.COMPLETE
        assert {replica.fold for replica in finished.result.replicas} == {0, 1}
        chosen = finished.result.chosen
        assert chosen["unit/shape"] == manifest["units"]["shape"][chosen["term/shape"]]
    assert result.best("min:rmse").terms["shape"]["missing"] == "nan"


def build_sized(hp):
    """A layer of so many units before the last one."""
    hidden = keras.layers.Dense(hp["units"], activation="tanh")
    return keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1)])


def test_what_a_model_is_made_of(tmp_path):
    """`build_model` is given it, in trials, and for the model of the winner."""
    hyper = {"units": lw.Choice({"few": 2, "many": 5}), "learning_rate": RATES}
    declared = arguments(build_model=build_sized, hyper=hyper, name="sized", epochs=1)
    sweep = lw.Sweep(**declared)
    with pytest.raises(lw.errors.RecipeError, match="one model at a time"):
        sweep.run(1, root=tmp_path, **OPTIONS)
    result = sweep.run(6, root=tmp_path, **{**OPTIONS, "trainer": "auto"})
    assert set(result.trials["hyper/units"]) == {"few", "many"}
    assert result.trials["hyper/units"][0] == "few"
    assert (result.trials["outcome"] == "COMPLETE").all()
    [path] = (tmp_path / "weights" / "sized").glob("**/*.keras")
    units = {"few": 2, "many": 5}[result.best(result.first_pick).chosen["hyper/units"]]
    assert keras.models.load_model(path).layers[0].units == units
    assert result.remark == ""
