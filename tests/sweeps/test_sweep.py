"""A whole sweep, end to end: what it leaves, that it repeats, and that nothing bad gets in."""

import builtins
import json
import os
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from mlflow import MlflowClient

import lossweights as lw
from lossweights.base.errors import (
    DataError,
    InvalidName,
    LossweightsError,
    MetricError,
    ModelError,
    NoneComplete,
    ObjectiveError,
    PickError,
    RecipeError,
    SpaceError,
    StoreError,
    SweepChanged,
    SweepExists,
    SweepFailed,
    SweepNotFound,
    TermError,
    WeightError,
)
from lossweights.report.summary import print_summary
from lossweights.results.folder import read_manifest, tracking_uri
from lossweights.results.result import SweepResult
from lossweights.results.weights import model_path

from . import tiny
from .tiny import arguments

pytestmark = pytest.mark.usefixtures("without_report")

TRIALS = 5


def make(**changes):
    """The tiny sweep with some arguments changed."""
    return lw.Sweep(**arguments(**changes))


def run(root, trials=TRIALS, *, resume=False, name=None, tracking=False, trainer="fit", **changes):
    """Run the tiny sweep in silence and without MLflow, by what takes least to compile."""
    return make(**changes).run(
        trials, root=root, resume=resume, name=name, tracking=tracking, trainer=trainer, quiet=True,
        confirm=0,
    )  # fmt: skip


def numbers(result):
    """Everything that a sweep computed, trial by trial, without the times it took."""
    found = {}
    for number, finished in sorted(result.finished.items()):
        value = finished.result.to_json()
        del value["seconds"]
        found[number] = (dict(finished.asked.parameters), finished.asked.kind, value)
    return found


def files(root):
    """Every file below a root with its content."""
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished sweep with everything on, and its root."""
    root = tmp_path_factory.mktemp("whole") / "mlruns"
    return run(root, tracking=True), root


@pytest.fixture
def tracked_root(root, whole):
    """A root with MLflow's tables in it: to make them takes longer than the sweep."""
    root.mkdir()
    shutil.copy(whole[1] / "mlflow.db", root)
    client = MlflowClient(tracking_uri=tracking_uri(root))
    client.rename_experiment(client.get_experiment_by_name("tiny").experiment_id, "the-other")
    return root


def test_result_is_what_is_on_disk(whole):
    """What run returns is what anybody reads from the folder afterwards."""
    result, root = whole
    assert numbers(SweepResult.read("tiny", root)) == numbers(result)
    assert result.trials["outcome"].tolist() == ["COMPLETE"] * TRIALS
    assert result.trials["kind"].tolist() == ["start"] * 3 + ["trial"] * 2
    assert result.trials["baseline"].isna().all()
    assert result.verdict == SweepResult.read("tiny", root).verdict


def test_everything_is_left_where_it_is_documented(whole):
    """Manifest, study, results, report, weight sets and model, and no temporary file."""
    _, root = whole
    found = {str(path.relative_to(root)) for path in files(root)}
    for path in (
        "mlflow.db",
        "studies/tiny/manifest.json",
        "studies/tiny/study.db",
        "studies/tiny/report.html",
        "weights/tiny.json",
        "weights/tiny/knee.json",
        "weights/tiny/min-rmse.json",
        "weights/tiny/min-shortfall.json",
        "weights/tiny/knee.keras",
        *(f"studies/tiny/trials/{number:04d}.json" for number in range(TRIALS)),
    ):
        assert path in found
    assert not [path for path in found if path.rpartition("/")[2].startswith(".")]


def test_early_stopping_counts_the_best_epoch(root):
    """Trials end early; table, picks and the saved model are those of each trial's best epoch."""
    stopping = lw.EarlyStopping("rmse", patience=2)
    result = run(root, epochs=9, optimizer=keras.optimizers.SGD(0.4), early_stopping=stopping)
    ends = [finished.result for _, finished in sorted(result.finished.items())]
    assert any(len(trial.reports) < 10 for trial in ends)
    for trial, rmse in zip(ends, result.trials["rmse"], strict=True):
        values = [report.metrics["rmse"] for report in trial.reports]
        assert values[trial.best_epoch] == min(values[1:]) == rmse
        assert trial.best_epoch in (len(values) - 3, 9, 8, 7)
    model = keras.models.load_model(model_path(root, "tiny"))
    x, y = tiny.load_data().val.x, tiny.load_data().val.y
    found = float(np.sqrt(np.mean((model(x) - y) ** 2)))
    assert found == pytest.approx(result.best("knee").metrics["rmse"], rel=1e-5)
    recipe = json.loads((root / "studies/tiny/manifest.json").read_text())["recipe"]
    assert recipe["early_stopping"]["patience"] == 2
    with pytest.raises(SweepChanged, match="early_stopping"):
        run(root, resume=True, epochs=9, optimizer=keras.optimizers.SGD(0.4))


def test_mlflow_has_a_parent_with_all_children(whole):
    """One parent, a child for each trial with its weights, epochs and tags, and the files."""
    result, root = whole
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name("tiny")
    found = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in found if run.data.tags["lossweights.kind"] == "sweep"]
    children = {int(run.data.tags["lossweights.trial"]): run for run in found if run is not parent}
    assert sorted(children) == sorted(result.finished)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mlflow.note.content"] == result.sweep_verdict.paragraph
    assert parent.data.tags["lossweights.verdict"] == result.verdict
    assert parent.data.params["epochs"] == "2"
    best = result.best("knee")
    assert parent.data.metrics["best/rmse"] == best.metrics["rmse"]
    for pick in ("knee", "min:rmse", "min:shortfall"):
        for name, value in result.best(pick).metrics.items():
            assert parent.data.metrics[f"best/{pick.replace(':', '-')}/{name}"] == value
    assert not [key for key in parent.data.metrics if key.startswith("test/")]
    assert parent.data.tags["lossweights.trainer"]
    (data,) = parent.inputs.dataset_inputs
    manifest = read_manifest(root, "tiny")
    assert data.dataset.digest == manifest["data"][:16]
    assert json.loads(data.dataset.profile) == {"rows": "train 36, val 12, test 12"}
    artifacts = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"report.html", "verdict.json", "knee.json", "min-rmse.json", "knee.keras"} <= artifacts
    figures = {file.path for file in client.list_artifacts(parent.info.run_id, "figures")}
    assert {"figures/front.png", "figures/weights.png", "figures/drive.png"} <= figures
    tables = {file.path for file in client.list_artifacts(parent.info.run_id, "tables")}
    assert {"tables/trials.csv", "tables/front.csv"} <= tables
    for number, child in children.items():
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.tags["lossweights.dominant"]
        verdict = result.verdicts[number]
        assert child.data.tags["lossweights.verdict"] == verdict.sentence
        assert child.data.tags["mlflow.note.content"] == verdict.paragraph
        logged = child.data.metrics
        for name, value in verdict.decrease.items():
            assert logged.get(f"5 decrease/{name}", np.nan) == pytest.approx(value, nan_ok=True)
        judged = json.loads(child.data.tags["lossweights.judged"])
        for table in ("late", "baseline"):
            for name, value in getattr(verdict, table).items():
                found = judged.get(table, {}).get(name, np.nan)
                assert found == pytest.approx(value, rel=1e-5, nan_ok=True)
        for key in ("gradnorm/mse", "gradshare/mse", "contribution/mse", "cosine/mse and under"):
            assert f"8 {key}" in logged
        assert "calibration" not in judged  # training sees dropout, measuring does not
        trained = result.finished[number].result
        assert float(child.data.params["weight/under"]) == trained.weights["under"]
        assert "weight/mse" not in child.data.params  # it is fixed
        assert child.info.run_name.startswith(f"{number:03d} under ")
        for name in trained.weights:
            points = client.get_metric_history(child.info.run_id, f"2 magnitude val/{name}")
            assert [p.step for p in sorted(points, key=lambda p: p.step)] == [0, 1, 2]
        points = client.get_metric_history(child.info.run_id, "1 objectives/rmse")
        wanted = {report.epoch: report.metrics["rmse"] for report in trained.reports}
        assert {point.step: point.value for point in points} == wanted


def test_the_verdict_is_there_for_programs(whole):
    """A file in a format of its own, as the result says it; importances come with enough trials."""
    result, root = whole
    told = json.loads((root / "studies" / "tiny" / "verdict.json").read_text())
    assert told == result.sweep_verdict.to_json()
    assert (told["format"], told["version"]) == ("lossweights/sweep-verdict", 1)
    assert result.baseline.keys() == result.terms.keys()


def test_importances_are_part_of_the_verdict(root):
    """For each metric the parts that the weights explain sum to one."""
    result = run(root, trials=8)
    for table in result.sweep_verdict.sensitivity.values():
        assert sum(s.importance for s in table.values()) == pytest.approx(1.0)


def test_own_scales_are_no_baseline(root):
    """The best constant prediction is found from the data, whatever weights are divided by."""
    scales = {"mse": 7.0, "under": 3.0}
    result = run(root, trials=1, scales=scales)
    assert result.scales == scales
    assert result.baseline["mse"] == pytest.approx(float(np.var(tiny.load_data().train.y)))


def test_several_seeds_give_standard_errors(root, capsys):
    """In table, weight sets' metrics and MLflow; the seeds are part of what must not change."""
    result = run(root, trials=3, seeds=2)
    assert result.trials["stderr/rmse"].gt(0).all()
    for finished in result.finished.values():
        values = [replica.metrics["rmse"] for replica in finished.result.replicas]
        assert finished.result.metrics["rmse"] == pytest.approx(np.mean(values))
    print_summary(result, root)
    assert " ± " in capsys.readouterr().out
    with pytest.raises(SweepChanged, match=r"recipe\.seeds: was 2, is now 3"):
        run(root, trials=4, seeds=3, resume=True)


def two_outputs():
    """A model with two named outputs, given as a list as functional models do."""
    x = keras.Input((3,))
    return keras.Model(x, [keras.layers.Dense(1, name=name)(x) for name in ("level", "slope")])


def load_two():
    """Targets for both, in a list and in a dict."""
    data = tiny.load_data()
    x, y = data.train.x, data.train.y
    listed = (x, [y, 2 * y])
    named = (data.val.x, {"level": data.val.y, "slope": 2 * data.val.y})
    return lw.Data(train=listed, val=named)


def test_several_outputs_have_terms_and_metrics_of_their_own(root):
    """Each says which output it reads; scales and objectives are those of that output."""
    result = run(
        root,
        build_model=two_outputs,
        load_data=load_two,
        terms={"mse": lw.terms.on("level", "mse"), "slope": lw.terms.on("slope", "mse")},
        space={"mse": lw.Fixed(1.0), "slope": lw.LogUniform(0.1, 10.0)},
        metrics={
            "rmse": lw.metrics.on("level", lw.metrics.RMSE()),
            "slope_rmse": lw.metrics.on("slope", lw.metrics.RMSE()),
        },
        objectives={"rmse": "minimize", "slope_rmse": "minimize"},
    )
    assert result.trials["outcome"].tolist() == ["COMPLETE"] * TRIALS
    assert result.scales["slope"] == pytest.approx(4 * result.scales["mse"])
    assert result.best().metrics["slope_rmse"] > 0


def test_picks_go_straight_into_a_training(whole):
    """The saved sets load by name and compile into a model, with the weights of the trial."""
    result, root = whole
    weights = lw.load("tiny", root)
    assert weights == lw.load("tiny@knee", root) == result.best("knee")
    model = tiny.build_model()
    model.compile("sgd", loss=weights.loss())
    data = tiny.load_data()
    model.fit(data.train.x, data.train.y, verbose=0)
    assert lw.load("tiny@min:rmse", root).metrics["rmse"] == result.trials["rmse"].min()


def test_winner_is_a_plain_model_that_measures_as_said(whole):
    """The kept model needs nothing of this package and has the metrics of its trial."""
    result, root = whole
    model = keras.models.load_model(model_path(root, "tiny"))
    assert not model.compiled
    val, best = tiny.load_data().val, result.best("knee").metrics
    error = val.y - model.predict(val.x, verbose=0)
    assert best["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
    assert best["shortfall"] == pytest.approx(np.mean(np.maximum(error, 0)), rel=1e-5)


def test_weights_are_relative_to_the_data(whole):
    """With scales from the data a sampled weight is divided by its term's reference magnitude."""
    result, _ = whole
    train = tiny.load_data().train.y
    assert result.scales["mse"] == pytest.approx(np.var(train), rel=1e-5)
    for finished in result.finished.values():
        weights = finished.result.weights
        assert weights["mse"] == pytest.approx(1.0 / result.scales["mse"])
        sampled = finished.asked.parameters["under"]
        assert weights["under"] == pytest.approx(sampled / result.scales["under"])


def test_another_name_gives_the_same_numbers(whole, root):
    """Same seed, same sweep: a rerun under another name is equal to the last bit."""
    result, _ = whole
    assert numbers(run(root, name="again")) == numbers(result)


def test_another_seed_gives_other_numbers(whole, root):
    """The seed decides initialisation and batches as well as what is sampled."""
    result, _ = whole
    other = run(root, trials=1, seed=1)
    assert numbers(other)[0][2]["reports"] != numbers(result)[0][2]["reports"]


def without_model(weights):
    """A set but for the digest of its model's file, in which Keras writes the time."""
    return replace(weights, provenance=replace(weights.provenance, model={}))


def test_resumed_sweep_is_an_uninterrupted_one(whole, root):
    """Stopped after two trials and resumed, a sweep ends with the same numbers and picks."""
    result, _ = whole
    run(root, trials=2)
    resumed = run(root, resume=True)
    assert numbers(resumed) == numbers(result)
    assert without_model(resumed.best("knee")) == without_model(result.best("knee"))
    again = run(root, resume=True)  # nothing is left to do
    assert numbers(again) == numbers(result)


def test_trials_can_be_added(whole, tracked_root):
    """A finished sweep goes on to a higher number of trials, in MLflow too."""
    root = tracked_root
    result, _ = whole
    run(root, trials=3, tracking=True)
    more = run(root, trials=TRIALS, resume=True, tracking=True)
    assert numbers(more) == numbers(result)
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name("tiny")
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 1 + TRIALS
    assert {run.info.status for run in found} == {"FINISHED"}


def wider_model():
    """Another model than the sweep was started with."""
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)],
    )


def absolute(y_true, y_pred):
    """A term that only code can describe."""
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


def cubic(y_true, y_pred):
    """Another one."""
    return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** 3, axis=-1)


OWN = {"mse": "mse", "under": absolute}
COST = {"rmse": lw.metrics.NewsvendorCost(under_cost=2.0, over_cost=1.0)}
DEARER = {"rmse": lw.metrics.NewsvendorCost(under_cost=9.0, over_cost=1.0)}
ONE = {"rmse": "minimize"}

# What the sweep was started with, what it is resumed with, and the field that the message names.
CHANGES = {
    "epochs": ({}, {"epochs": 3}, "epochs"),
    "batch size": ({}, {"batch_size": 8}, "batch_size"),
    "probe size": ({}, {"probe_size": 4}, "probe_size"),
    "seed": ({}, {"seed": 1}, "seed"),
    "optimizer": ({}, {"optimizer": "adam"}, "optimizer"),
    "learning rate": ({}, {"optimizer": keras.optimizers.SGD(0.04)}, "learning_rate"),
    "range": ({}, {"space": {"mse": 1.0, "under": lw.LogUniform(0.1, 100)}}, "space"),
    "kind": ({}, {"space": {"mse": 1.0, "under": lw.Uniform(0.01, 100)}}, "space"),
    "fixed value": ({}, {"space": {"mse": 2.0, "under": lw.LogUniform(0.01, 100)}}, "space"),
    "simplex": ({}, {"space": lw.Simplex()}, "space"),
    "scales": ({}, {"scales": None}, "scales"),
    "argument of a term": (
        {"scales": None},
        {"terms": {"mse": "mse", "under": lw.terms.Underestimation(factor=1.0)}, "scales": None},
        "terms",
    ),
    "code of a term": (
        {"terms": OWN, "scales": None},
        {"terms": {"mse": "mse", "under": cubic}, "scales": None},
        "code",
    ),
    "model": ({}, {"build_model": wider_model}, "build_model"),
    "objective": ({}, {"objectives": ONE}, "objectives"),
    "argument of a metric": (
        {"metrics": COST, "objectives": ONE},
        {"metrics": DEARER, "objectives": ONE},
        "metrics",
    ),
    "one more metric": (
        {},
        {"metrics": {**arguments()["metrics"], "bias": lw.metrics.Bias()}},
        "metrics",
    ),
}


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """Sweeps of one trial by their arguments: one that is refused a resumption stays as it was."""
    roots = {}

    def start(arguments):
        key = ", ".join(arguments)
        if key not in roots:
            roots[key] = tmp_path_factory.mktemp("started") / "mlruns"
            run(roots[key], trials=1, **arguments)
        return roots[key]

    return start


@pytest.mark.parametrize(("start", "change", "field"), CHANGES.values(), ids=CHANGES.keys())
def test_resuming_something_else_is_refused(started, start, change, field):
    """A sweep never mixes: the changed field is named with both values, and no file is touched."""
    root = started(start)
    before = files(root)
    with pytest.raises(SweepChanged, match=field) as raised:
        run(root, trials=2, resume=True, **change)
    assert "was" in str(raised.value)
    assert "is now" in str(raised.value)
    assert files(root) == before


def test_resuming_with_other_data_is_refused(root, monkeypatch):
    """The data are known by their values: one shift, and it is another sweep."""
    run(root, trials=1)
    monkeypatch.setenv("TINY_SHIFT", "0.001")
    with pytest.raises(SweepChanged, match="data"):
        run(root, trials=2, resume=True)


def test_same_sweep_made_anew_is_the_same(root):
    """Nothing that does not matter is a change: other objects, another folder, another script."""
    own = {"terms": OWN, "scales": None, "metrics": COST, "objectives": ONE}
    run(root, trials=1, **own)
    metrics = {"rmse": lw.metrics.NewsvendorCost(under_cost=2.0, over_cost=1.0)}
    sweep = make(**{**own, "metrics": metrics, "optimizer": keras.optimizers.SGD(0.05)})
    result = sweep.run(
        2, root=root, resume=True, tracking=False, quiet=True, script=str(root / "other.py")
    )
    assert len(result.finished) == 2


def test_existing_sweep_is_refused_before_anything_is_loaded(root):
    """A second run says what to do about the first, and touches nothing, data included."""
    run(root, trials=1)
    before = files(root)
    with pytest.raises(SweepExists, match="lossweights resume tiny"):
        run(root, load_data=lambda: pytest.fail("data were loaded"))
    assert files(root) == before
    with pytest.raises(SweepNotFound, match="tiny"):
        run(root, resume=True, name="other")
    assert files(root) == before


def shifted(**parts):
    """Data like the tiny ones with some parts replaced."""
    good = tiny.load_data()
    kept = {name: (getattr(good, name).x, getattr(good, name).y) for name in ("train", "val")}
    return lambda: lw.Data(**{**kept, **parts})


def with_nan():
    """Targets with a hole."""
    x, y = np.ones((4, 3)), np.ones((4, 1))
    y[2] = np.nan
    return (x, y)


BAD_INPUT = {
    "term name with a slash": (
        {"terms": {"a/b": "mse"}, "space": {"a/b": lw.Uniform(0, 1)}},
        InvalidName,
        "term name",
    ),
    "metric name with a slash": ({"metrics": {"a/b": lw.metrics.RMSE()}}, InvalidName, "metric"),
    "no terms": ({"terms": {}}, TermError, "at least one term"),
    "terms in a list": ({"terms": ["mse", "mae"]}, TermError, "mapping|at least one"),
    "unknown loss": ({"terms": {"mse": "mse", "under": "underr"}}, TermError, "underr"),
    "a list of losses as a term": (
        {"terms": {"mse": "mse", "under": ["mse", "mae"]}},
        TermError,
        "under",
    ),
    "weight without a term": (
        {"space": {"mse": 1.0, "undr": lw.Uniform(0, 1)}},
        SpaceError,
        "undr",
    ),
    "term without a weight": ({"space": {"under": lw.Uniform(0, 1)}}, SpaceError, "mse"),
    "nothing to search": ({"space": {"mse": 1.0, "under": 1.0}}, SpaceError, "all fixed"),
    "negative weight": ({"baselines": [{"mse": 1.0, "under": -1.0}]}, WeightError, "-1.0"),
    "NaN weight": ({"baselines": [{"mse": np.nan, "under": 1.0}]}, WeightError, "nan"),
    "all-zero weights": ({"baselines": [{"mse": 0.0, "under": 0.0}]}, WeightError, "all zero"),
    "baseline without a term": ({"baselines": [{"mse": 1.0}]}, WeightError, "under"),
    "misspelt baseline": ({"baselines": ["without:undr"]}, RecipeError, "without:undr"),
    "baseline in no list": ({"baselines": {"mse": 1.0, "under": 1.0}}, RecipeError, "a list"),
    "objective loss": ({"objectives": {"loss": "minimize"}}, ObjectiveError, "smallest weights"),
    "objective val_loss": (
        {"objectives": {"val_loss": "minimize"}},
        ObjectiveError,
        "smallest weights",
    ),
    "val_loss as a metric": (
        {"metrics": {"val_loss": lw.metrics.RMSE()}, "objectives": {"val_loss": "minimize"}},
        ObjectiveError,
        "val_loss",
    ),
    "unknown objective": ({"objectives": {"rmsee": "minimize"}}, ObjectiveError, "rmsee"),
    "no objective": ({"objectives": {}}, ObjectiveError, "at least one"),
    "objective in a list": ({"objectives": ["rmse"]}, ObjectiveError, "rmse"),
    "misspelt direction": ({"objectives": {"rmse": "min"}}, ObjectiveError, "'minimize'"),
    "wrong direction": ({"objectives": {"rmse": "maximize"}}, ObjectiveError, "'minimize'"),
    "an objective without a better end": (
        {"metrics": {"bias": lw.metrics.Bias()}, "objectives": {"bias": "minimize"}},
        ObjectiveError,
        "neither end of Bias is better",
    ),
    "early stopping on what has no better end": (
        {
            "metrics": {**arguments()["metrics"], "bias": lw.metrics.Bias()},
            "early_stopping": lw.EarlyStopping("bias"),
        },
        RecipeError,
        "neither end of Bias is",
    ),
    "a loss as a metric": ({"metrics": {"rmse": "mse"}}, ObjectiveError, "lw.metrics"),
    "metric named as a column": (
        {"metrics": {"seed": lw.metrics.RMSE()}, "objectives": {"seed": "minimize"}},
        ObjectiveError,
        "seed",
    ),
    "no epochs": ({"epochs": 0}, RecipeError, "epochs"),
    "half an epoch": ({"epochs": 1.5}, RecipeError, "epochs"),
    "true epochs": ({"epochs": True}, RecipeError, "epochs"),
    "no batch": ({"batch_size": 0}, RecipeError, "batch_size"),
    "no probe": ({"probe_size": 0}, RecipeError, "probe_size"),
    "early stopping on a loss": (
        {"early_stopping": lw.EarlyStopping("val_loss")},
        RecipeError,
        "changes with the weights",
    ),
    "early stopping the wrong way": (
        {"early_stopping": lw.EarlyStopping("rmse", "maximize")},
        RecipeError,
        "minimize",
    ),
    "early stopping by Keras": (
        {"early_stopping": keras.callbacks.EarlyStopping("val_loss")},
        RecipeError,
        "lw.EarlyStopping",
    ),
    "negative seed": ({"seed": -1}, RecipeError, "seed"),
    "seed too large": ({"seed": 2**32}, RecipeError, "seed"),
    "unknown optimizer": ({"optimizer": "adamm"}, RecipeError, "adamm"),
    "unknown scales": ({"scales": "dta"}, WeightError, "dta"),
    "scale of zero": ({"scales": {"mse": 1.0, "under": 0.0}}, WeightError, "under"),
    "scale of another term": ({"scales": {"mse": 1.0, "over": 1.0}}, WeightError, "scale"),
    "no data": ({"load_data": lambda: None}, DataError, "lw.Data"),
    "data of another kind": ({"load_data": lambda: (1, 2)}, DataError, "tuple"),
    "NaN in the data": ({"load_data": lambda: shifted(val=with_nan())()}, DataError, "val.y"),
    "lengths that differ": (
        {"load_data": lambda: shifted(train=(np.ones((4, 3)), np.ones((5, 1))))()},
        DataError,
        "one length",
    ),
    "no validation data": ({"load_data": lambda: shifted(val=None)()}, DataError, "val="),
    "no model": ({"build_model": lambda: None}, ModelError, "keras.Model"),
    "output of another shape": (
        {"build_model": lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(7)])},
        ModelError,
        r"\(1,\).*\(7,\)",
    ),
    "inputs of another shape": (
        {"build_model": lambda: keras.Sequential([keras.Input((9,)), keras.layers.Dense(1)])},
        ModelError,
        r"\(36, 3\)",
    ),
    "metric without meaning": (
        {"metrics": {"fill": lw.metrics.FillRate()}, "objectives": {"fill": "maximize"}},
        MetricError,
        "fill",
    ),
    "term without a scale": (
        {"terms": {"mse": "mse", "under": lambda y, p: 0.0 * p[:, 0]}},
        WeightError,
        "under",
    ),
}


@pytest.mark.parametrize(("change", "error", "says"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_refused_and_leaves_nothing(root, change, error, says):
    """Every mistake is found before training, explained, and leaves no file behind."""
    with pytest.raises(error, match=says) as raised:
        run(root, tracking=True, **change)
    assert isinstance(raised.value, LossweightsError)
    assert not root.exists()


@pytest.mark.parametrize("name", ["a/b", "../x", "", "-rf", "CON", "x" * 65])
def test_names_are_names_at_both_doors(root, name):
    """A sweep's own name and the name of a run are plain names, and an empty one is no default."""
    with pytest.raises(InvalidName):
        make(name=name)
    with pytest.raises(InvalidName):
        run(root, name=name)
    assert not root.exists()


@pytest.mark.parametrize("trials", [0, -1, 1.5, True, "3", None])
def test_trials_below_one_are_refused(root, trials):
    """A sweep of no trial is a mistake."""
    with pytest.raises(RecipeError, match="trials"):
        run(root, trials=trials)
    assert not root.exists()


def test_unknown_trainer_is_refused(root):
    """A misspelt trainer is refused with those there are."""
    with pytest.raises(RecipeError, match="fit"):
        make().run(1, root=root, trainer="fitt")
    assert not root.exists()


@pytest.mark.parametrize("place", ["file/mlruns", "/proc/nowhere/mlruns", "/dev/null/mlruns"])
def test_root_that_cannot_be_written_is_refused(tmp_path, monkeypatch, place):
    """A root that cannot be made is named, and nothing is trained."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(keras.Model, "fit", lambda *_a, **_k: pytest.fail("trained"))
    with pytest.raises(StoreError, match=place.rpartition("/")[0].partition("/nowhere")[0]):
        run(tmp_path / place, tracking=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def failing(monkeypatch):
    """Makes a model fail in given calls of its function; the first two prepare the sweep."""

    def fail(first, last=99, error="RuntimeError"):
        monkeypatch.setenv("TINY_CALLS", "0")
        monkeypatch.setenv("TINY_FAIL", f"{first} {last} {error}")

    return fail


def flaky_model():
    """The tiny model, unless the environment wants it to fail: its code is the same either way."""
    call = os.environ["TINY_CALLS"] = str(int(os.environ["TINY_CALLS"]) + 1)
    first, last, error = os.environ["TINY_FAIL"].split()
    if int(first) <= int(call) <= int(last):
        raise getattr(builtins, error)("boom")
    return tiny.build_model()


def run_flaky(root, **options):
    """Run it with that model, one member after another, so that a call is a trial."""
    return run(root, build_model=flaky_model, trainer="fit", **options)


def parent_status(root):
    """How MLflow says the sweep ended."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name("tiny")
    found = client.search_runs([experiment.experiment_id], "tags.`lossweights.kind` = 'sweep'")
    return [run.info.status for run in found]


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit"])
def test_one_failing_trial_does_not_stop_a_sweep(root, failing, error):
    """A trial that fails is recorded with its reason, and the others go on."""
    failing(5, 5, error)
    result = run_flaky(root)
    assert result.trials["outcome"].tolist().count("FAILED") == 1
    failed = result.trials[result.trials["outcome"] == "FAILED"].iloc[0]
    assert "boom" in failed["reason"]
    assert len(result.pareto) >= 1


def test_three_failures_in_a_row_stop_a_sweep_that_can_be_mended(tracked_root, failing, whole):
    """The sweep stops with the reason, keeps what it has, and goes on when the cause is mended."""
    root = tracked_root
    failing(6)
    with pytest.raises(SweepFailed, match=r"boom.*lossweights resume tiny"):
        run_flaky(root, tracking=True)
    stopped = SweepResult.read("tiny", root)
    outcomes = stopped.trials["outcome"].tolist()
    assert outcomes[-3:] == ["FAILED"] * 3
    assert "COMPLETE" in outcomes
    assert parent_status(root) == ["FAILED"]
    failing(0, 0)
    wanted = len(outcomes) + 2
    result = run_flaky(root, trials=wanted, resume=True, tracking=True)
    assert result.trials["outcome"].tolist().count("COMPLETE") == wanted - 3
    assert parent_status(root) == ["FINISHED"]
    assert not [path for path in files(root) if path.name.startswith(".")]


def test_interrupted_sweep_is_resumed_to_the_same_numbers(tracked_root, failing):
    """Ctrl-C in the middle of a trial loses that trial alone, and resuming makes up for it."""
    root = tracked_root
    failing(5, 5, "KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        run_flaky(root, tracking=True)
    stopped = SweepResult.read("tiny", root)
    assert 0 < len(stopped.finished) < TRIALS
    assert parent_status(root) == ["KILLED"]
    failing(0, 0)
    result = run_flaky(root, resume=True, tracking=True)
    assert parent_status(root) == ["FINISHED"]
    found = [value for value in numbers(result).values() if value[2]["outcome"] == "COMPLETE"]
    wanted = list(numbers(run_flaky(root, name="uninterrupted")).values())
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, wanted))


def test_sweep_that_only_diverges_has_no_winner(root, capsys, monkeypatch):
    """Where every trial explodes, that is the end: an error, a report, and no weight set."""
    monkeypatch.undo()  # the report is a real one
    with pytest.raises(NoneComplete, match="2 of 2 trials diverged"):
        run(root, trials=2, optimizer=keras.optimizers.SGD(1e30))
    result = SweepResult.read("tiny", root)
    assert result.trials["outcome"].tolist() == ["DIVERGED", "DIVERGED"]
    assert all("not finite" in reason for reason in result.trials["reason"])
    assert not (root / "weights").exists()
    page = (root / "studies" / "tiny" / "report.html").read_text(encoding="utf-8")
    assert "plotly" in page
    print_summary(result, root)
    assert "No weight set was saved, since no trial is complete." in capsys.readouterr().out
    with pytest.raises(PickError, match="completed trial"):
        result.best()


def test_tracking_can_be_switched_off(root):
    """Without tracking there is no MLflow database, and all else is there."""
    result = run(root, trials=1)
    assert not (root / "mlflow.db").exists()
    assert not (root / "artifacts").exists()
    assert result.best().origin["trial"] == 0


def test_dead_tracking_changes_no_number(whole, root, caplog):
    """MLflow's database is damaged: the sweep says so at its end, and its numbers are the same."""
    root.mkdir()
    (root / "mlflow.db").write_bytes(b"damaged" * 1000)
    result = run(root, tracking=True)
    assert numbers(result) == numbers(whole[0])
    assert "lossweights sync tiny" in caplog.text


@pytest.mark.parametrize("script", [True, False])
def test_progress_and_summary_of_a_whole_run(root, capsys, script):
    """As a script the sweep shows progress on standard error and its end on standard output."""
    if not script:
        make().run(1, root=root, tracking=False)
        assert "1/1" in capsys.readouterr().err
        return
    with pytest.raises(SystemExit) as ended:
        make().main(["--trials", "2", "--root", str(root), "--no-tracking"])
    assert not ended.value.code
    captured = capsys.readouterr()
    assert "2/2" in captured.err
    for part in ("Verdict:", "Pareto front", "knee.json", "report.html"):
        assert part in captured.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--trials", "0"], "RecipeError: Expected trials"),
        (["--name", "a/b"], "InvalidName"),
        (["--trainer", "fitt"], "RecipeError"),
        (["--resume", "--trials", "1"], "SweepNotFound"),
    ],
)
def test_bad_command_line_is_a_sentence_and_exit_code_2(root, capsys, words, says):
    """On the command line a mistake is one sentence on standard error, without a traceback."""
    with pytest.raises(SystemExit) as ended:
        make().main([*words, "--root", str(root)])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert not root.exists()
