"""What MLflow holds after a sweep, after a replay, and after everything went wrong."""

import json
import logging
import socket
import threading
from collections import Counter
from dataclasses import replace

import pytest
from mlflow import MlflowClient

from lossweights.dominance.judge import judge_results
from lossweights.records import EpochReport, Outcome, TrialResult
from lossweights.results.folder import Asked, Finished, tracking_uri
from lossweights.tracking import About, Ending, Tracker
from lossweights.tracking import _runs as runs_module
from lossweights.tracking import _tracker as tracker_module
from lossweights.tracking._points import end_tags, result_points

from ..samples import finished

STARTED = "2026-01-02T03:04:05.678+00:00"
ENDING = Ending("FINISHED", "mse drove training in 1 of 1 trials.")

pytestmark = pytest.mark.usefixtures("databases_closed")


@pytest.fixture
def root(root_with_tables):
    """A root in which MLflow has its tables."""
    return root_with_tables


def test_database_is_made_where_there_is_none(tmp_path):
    """In a fresh clone there is no folder and no table: both are made."""
    assert track(tmp_path / "new" / "mlruns", [finished(0)]).error is None
    assert sorted(runs(tmp_path / "new" / "mlruns")[2]) == [0]


def track(root, trials, ending=ENDING, sweep="demand", started=STARTED, params=None, about=None):
    """Record trials as a sweep does; the tracker, when it has finished."""
    tracker = Tracker(root, sweep, started, about=about)
    tracker.start(params or {})
    for trial in trials:
        tracker.trial_ended(trial)
    tracker.finish(ending)
    return tracker


def runs(root, sweep="demand"):
    """The parent runs and the children by trial number, as MLflow has them."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name(sweep)
    found = client.search_runs([experiment.experiment_id])
    parents = [run for run in found if "lossweights.trial" not in run.data.tags]
    children = {
        int(run.data.tags["lossweights.trial"]): run
        for run in found
        if "lossweights.trial" in run.data.tags
    }
    assert len(children) == len(found) - len(parents)
    return client, parents, children


def history(client, run, key):
    """Every point of a metric as (step, value)."""
    points = client.get_metric_history(run.info.run_id, key)
    return sorted((point.step, point.value) for point in points)


def test_a_sweep_is_a_parent_with_a_child_for_each_trial(root):
    """Names, parent, status, tags and params are what filters and people look for."""
    trials = [
        finished(0, kind="baseline"),
        finished(1, driver="under"),
        finished(2, outcome=Outcome.DIVERGED, reason="term mse was not finite after epoch 2"),
        finished(3, outcome=Outcome.FAILED, reason="ValueError: boom"),
        finished(4, outcome=Outcome.PRUNED, reason="stopped after epoch 1"),
    ]
    tracker = track(root, trials, params={"epochs": 3, "space/under": {"kind": "Uniform"}})
    assert tracker.error is None
    assert tracker.unwritten == []
    _, (parent,), children = runs(root)
    assert parent.info.run_name == "demand"
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"epochs": "3", "space/under": "{'kind': 'Uniform'}"}
    assert parent.data.tags["lossweights.kind"] == "sweep"
    assert parent.data.tags["mlflow.note.content"] == ENDING.note
    assert sorted(children) == [0, 1, 2, 3, 4]
    for number, child in children.items():
        tags = child.data.tags
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert tags["lossweights.sweep"] == "demand"
        assert tags["lossweights.trial"] == str(number)
        assert child.info.run_name == f"{number:03d} mse 1, under 0.5"
        assert child.info.end_time - child.info.start_time == 250
        assert child.data.params == {"weight/mse": "1.0", "weight/under": "0.5"}
    kinds = [children[number].data.tags["lossweights.kind"] for number in range(5)]
    assert kinds == ["baseline", "trial", "trial", "trial", "trial"]
    states = [children[number].data.tags["lossweights.state"] for number in range(5)]
    assert states == ["COMPLETE", "COMPLETE", "DIVERGED", "FAILED", "PRUNED"]
    assert [children[n].info.status for n in range(5)] == [
        "FINISHED", "FINISHED", "FAILED", "FAILED", "KILLED",
    ]  # fmt: skip
    dominant = [children[number].data.tags["lossweights.dominant"] for number in range(3)]
    assert dominant == ["mse", "under", "undetermined"]
    assert children[2].data.tags["mlflow.note.content"] == trials[2].result.reason
    assert "drove training" in children[0].data.tags["mlflow.note.content"]


def test_every_epoch_has_every_number(root):
    """Magnitude, weighted magnitude and share of each term, and the metrics, by epoch."""
    trial = finished(0)
    track(root, [trial], about=About(objectives=("rmse",)))
    client, _, children = runs(root)
    weights = trial.result.weights
    for term, weight in weights.items():
        for split in ("train", "val"):
            wanted = [(r.epoch, getattr(r, split)[term]) for r in trial.result.reports]
            assert wanted[0][0] == 0  # before training
            assert history(client, children[0], f"2 magnitude {split}/{term}") == wanted
        weighted = history(client, children[0], f"3 weighted/{term}")
        assert weighted == [(r.epoch, weight * r.train[term]) for r in trial.result.reports]
        for (epoch, share), report in zip(
            history(client, children[0], f"4 share/{term}"), trial.result.reports, strict=True
        ):
            total = sum(weights[name] * report.train[name] for name in weights)
            assert epoch == report.epoch
            assert share == pytest.approx(weight * report.train[term] / total, rel=1e-12)
    for key, metric in (("1 objectives/rmse", "rmse"), ("7 metrics/shortfall", "shortfall")):
        wanted = [(r.epoch, r.metrics[metric]) for r in trial.result.reports]
        assert history(client, children[0], key) == wanted


def test_decrease_shares_are_charted_so_far_and_end_as_the_verdict_has_them(root):
    """From the first epoch after which there is a decrease to speak of."""
    trial = finished(0)
    track(root, [trial])
    client, _, children = runs(root)
    verdict = judge_results({0: trial.result})[0]
    charts = {term: history(client, children[0], f"5 decrease/{term}") for term in verdict.decrease}
    for term, points in charts.items():
        assert [step for step, _ in points] == [1, 2, 3]
        assert points[-1] == (3, verdict.decrease[term])
    first, after = trial.result.reports[:2]
    fallen = {t: w * (first.train[t] - after.train[t]) for t, w in trial.result.weights.items()}
    for term, points in charts.items():
        assert points[0][1] == pytest.approx(fallen[term] / sum(fallen.values()), rel=1e-12)


def test_what_is_one_number_at_the_end_is_a_tag_and_no_chart(root):
    """The rest of the verdict as JSON, each standard error and each metric on test data."""
    trial = finished(0)
    result = replace(trial.result, test={"rmse": 2.5, "shortfall": float("nan")})
    track(root, [replace(trial, result=result)], about=About(baseline={"mse": 20.0, "under": 2.0}))
    _, _, children = runs(root)
    verdict = judge_results({0: result}, {"mse": 20.0, "under": 2.0})[0]
    tags = children[0].data.tags
    judged = json.loads(tags["lossweights.judged"])
    assert set(judged) == {"late", "baseline", "conflict"}
    assert judged["late"] == pytest.approx(dict(verdict.late), rel=1e-5)
    assert judged["baseline"] == pytest.approx(dict(verdict.baseline), rel=1e-5)
    assert tags["test/rmse"] == "2.5"
    assert "test/shortfall" not in tags
    groups = {key.rpartition("/")[0] for key in children[0].data.metrics}
    assert sorted(groups) == [
        "2 magnitude train", "2 magnitude val", "3 weighted", "4 share", "5 decrease", "7 metrics",
    ]  # fmt: skip


def test_what_does_not_vary_is_on_the_parent_alone(root):
    """A fixed weight, scales, source, user, commit and data; names say the weights that vary."""
    about = About(
        objectives=("rmse",),
        fixed=frozenset({"mse"}),
        scales={"mse": 2.0, "under": 10.0},
        script="/home/me/sweeps/demand.py",
        made={"user": "me", "commit": "c0ffee", "rows": "train 8, val 2"},
        data="0123456789abcdef" * 4,
    )
    for _ in range(2):  # again adds nothing
        track(root, [finished(0), finished(1, under=42.0, kind="baseline")], about=about)
    client, (parent,), children = runs(root)
    assert [children[n].info.run_name for n in (0, 1)] == ["000 under 5", "001 under 420"]
    assert set(children[0].data.params) == {"weight/under"}
    assert parent.data.params == {"scale/mse": "2.0", "scale/under": "10.0"}
    tags = parent.data.tags
    assert tags["mlflow.source.name"] == "/home/me/sweeps/demand.py"
    assert tags["mlflow.user"] == parent.info.user_id == "me"
    assert tags["mlflow.source.git.commit"] == "c0ffee"
    (data,) = parent.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("demand", "0123456789abcdef")
    assert json.loads(data.dataset.profile) == {"rows": "train 8, val 2"}
    assert client.get_run(children[0].info.run_id).inputs.dataset_inputs == []


def test_old_manifests_say_as_much_as_they_do():
    """A sweep of an earlier version is recorded by `sync`."""
    about = About.of_manifest({"objectives": {"rmse": "minimize"}})
    assert about == About(objectives=("rmse",))
    assert (about.tags, about.params) == ({}, {})
    space = {"mse": {"kind": "Fixed", "value": 1.0}, "under": {"kind": "LogUniform"}}
    assert About.of_manifest({"objectives": {}, "space": space}).fixed == {"mse"}


def test_what_is_not_finite_is_no_point(root):
    """MLflow would clip infinity to 1.8e308 and wreck the charts: such points are left out."""
    huge = {"mse": 1e301, "under": 1.0}
    reports = (
        *finished(0, outcome=Outcome.DIVERGED).result.reports,
        EpochReport(3, huge, huge, {"rmse": -1e305, "shortfall": 1.0}),
    )
    result = TrialResult({"mse": 1.0, "under": 0.5}, 7, Outcome.DIVERGED, reports)
    track(root, [Finished(Asked(0, {}, "trial"), result)])
    client, _, children = runs(root)
    keys = children[0].data.metrics
    values = [value for key in keys for _, value in history(client, children[0], key)]
    assert values
    assert all(abs(value) < 1e300 for value in values)
    assert [step for step, _ in history(client, children[0], "2 magnitude train/mse")] == [0, 1]
    under = history(client, children[0], "2 magnitude train/under")
    assert [step for step, _ in under] == [0, 1, 3]


def point_counts(root):
    """How many points each metric of each child has."""
    client, _, children = runs(root)
    return {
        number: Counter({key: len(history(client, child, key)) for key in child.data.metrics})
        for number, child in children.items()
    }


def test_replay_writes_nothing_twice(root):
    """Given everything again, another tracker adds no run, no point and no parent."""
    trials = [finished(0), finished(1)]
    track(root, trials, ending=Ending("KILLED", "stopped"))
    before = point_counts(root)
    track(root, [*trials, finished(2)])
    after = point_counts(root)
    assert {number: after[number] for number in before} == before
    assert sorted(after) == [0, 1, 2]
    _, parents, _ = runs(root)
    assert len(parents) == 1
    assert parents[0].info.status == "FINISHED"


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (runs_module, "write_runs"),
        (MlflowClient, "create_run"),
        (MlflowClient, "log_batch"),
        (MlflowClient, "set_terminated"),
    ],
)
def test_replay_after_a_crash_in_any_step_is_complete_and_single(root, monkeypatch, owner, step):
    """Whatever was written before the crash, afterwards each point is there once."""
    trial = finished(0)
    track(root, [])
    call = getattr(owner, step)
    if owner is MlflowClient:  # the steps of MLflow, into a file that only MLflow knows
        monkeypatch.setattr(runs_module, "write_runs", lambda path, runs: False)

    def crash(*args, **kwargs):
        call(*args, **kwargs)
        raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, crash)
        tracker = Tracker(root, "demand", STARTED)
        tracker.start({})
        tracker.trial_ended(trial)
        tracker.finish(Ending("KILLED", "crashed"))
    # Where only the answer got lost, another look has found that the work was done.
    assert tracker.unwritten == ([0] if step == "log_batch" else [])
    monkeypatch.setattr("time.time", lambda: 2e9)  # a later day
    track(root, [trial])
    counts = point_counts(root)
    assert set(counts) == {0}
    epochs = len(trial.result.reports)
    assert set(counts[0].values()) == {epochs - 1, epochs}  # of decreases there is one fewer
    _, _, children = runs(root)
    assert children[0].info.status == "FINISHED"


def test_a_new_sweep_of_an_old_name_is_not_the_old_one(root):
    """The folder of a sweep was removed and the name used again: its runs are its own."""
    track(root, [finished(0, rmse=5.0)])
    tracker = track(root, [finished(0, rmse=1.0)], started="2026-02-02T00:00:00.000+00:00")
    client = MlflowClient(tracking_uri=tracking_uri(root))
    found = client.search_runs([tracker.experiment_id])
    by_parent = {run.data.tags.get("mlflow.parentRunId"): run for run in found}
    assert by_parent[tracker.parent_id].data.metrics["7 metrics/rmse"] == 1.0
    assert len(found) == 4


def test_artifacts_metrics_and_tags_of_the_end(root, tmp_path):
    """The parent holds the files, the best numbers and the verdict."""
    path = tmp_path / "report.html"
    path.write_text("<p>")
    pictures = tmp_path / "figures"
    pictures.mkdir()
    (pictures / "front.png").write_bytes(b"PNG")
    ending = Ending(
        "FINISHED",
        "note",
        [path, pictures],
        {"best/rmse": 1.0, "test/hd95": float("nan")},
        {"a": "b"},
    )
    tracker = track(root, [], ending)
    assert tracker.error is None
    client, (parent,), _ = runs(root)
    files = [file.path for file in client.list_artifacts(parent.info.run_id)]
    assert files == ["figures", "report.html"]
    inside = client.list_artifacts(parent.info.run_id, "figures")
    assert [file.path for file in inside] == ["figures/front.png"]
    assert parent.data.metrics == {"best/rmse": 1.0}
    assert parent.data.tags["a"] == "b"
    assert list((root / "artifacts" / "demand").rglob("report.html"))


def test_experiment_opens_at_training_runs(root):
    """The experiment has the sweep's name and the kind that the UI shows runs for."""
    tracker = track(root, [])
    experiment = MlflowClient(tracking_uri=tracker.uri).get_experiment_by_name("demand")
    assert experiment.experiment_id == tracker.experiment_id
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


@pytest.mark.parametrize("text", ["x" * 100_000, "\ud800", "nul\0", "é ✓ \u202e", ""])
def test_any_text_can_be_recorded(root, text):
    """Error messages and notes hold anything; tracking takes them all."""
    trial = finished(0, outcome=Outcome.FAILED, reason=text)
    tracker = track(root, [trial], Ending("FAILED", text))
    assert tracker.error is None
    _, (parent,), children = runs(root)
    assert parent.info.status == "FAILED"
    assert children[0].info.status == "FAILED"


def test_many_terms_and_epochs_fit(root):
    """More params, tags and points than MLflow takes in one call."""
    names = [f"term-{index}" for index in range(120)]
    weights = dict.fromkeys(names, 1.0)
    reports = tuple(
        EpochReport(epoch, dict.fromkeys(names, 2.0 - epoch / 4), weights, {"rmse": 1.0})
        for epoch in range(3)
    )
    result = TrialResult(weights, 0, Outcome.COMPLETE, reports)
    tracker = track(
        root, [Finished(Asked(0, weights, "trial"), result)], params=dict.fromkeys(names, 1)
    )
    assert tracker.error is None
    client, _, children = runs(root)
    assert len(children[0].data.params) == 120
    assert len(history(client, children[0], "2 magnitude train/term-119")) == 3
    assert children[0].info.run_name == ("000 term-0 1, term-1 1, term-2 1, term-3 1, and 116 more")
    assert len(children[0].data.tags["lossweights.judged"]) <= 6000


def test_deleted_experiment_says_how_to_restore_it(root, caplog):
    """MLflow keeps the name of a deleted experiment: the message says what to do."""
    tracker = track(root, [finished(0)])
    MlflowClient(tracking_uri=tracker.uri).delete_experiment(tracker.experiment_id)
    with caplog.at_level(logging.WARNING, logger="lossweights"):
        tracker = track(root, [finished(0), finished(1)])
    assert f"mlflow experiments restore --experiment-id {tracker_id(root)}" in tracker.error
    assert tracker.unwritten == [0, 1]
    assert "2 trials are missing" in caplog.text
    assert "lossweights sync demand" in caplog.text


def tracker_id(root):
    """The id of the deleted experiment."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    return client.search_experiments(view_type=2)[0].experiment_id


def test_damaged_database_is_said_and_stops_nothing(root, caplog):
    """A file that is no database costs the record, not the sweep."""
    (root / "mlflow.db").write_bytes(b"this is no database" * 100)
    with caplog.at_level(logging.WARNING, logger="lossweights"):
        tracker = track(root, [finished(0)])
    assert tracker.error
    assert tracker.unwritten == [0]
    assert "Nothing is lost" in caplog.text


def test_dead_server_is_said_and_stops_nothing(root, monkeypatch):
    """Nobody listens at the address: the tracker says so, and the trials are counted."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as taken:  # bound but not listening: the port refuses
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        tracker = Tracker(root, "demand", STARTED, uri)
        tracker.start({})
        tracker.trial_ended(finished(0))
        tracker.finish(ENDING)
    assert tracker.error
    assert tracker.unwritten == [0]
    assert track(root, [finished(0)]).unwritten == []  # and later it can be written


def test_mlflow_is_opened_with_the_first_report(root, monkeypatch):
    """Or with what else there is to write; until then the cores are for those that compile."""
    opened, open_runs = threading.Event(), runs_module.Runs.open

    def note(self, params):
        opened.set()
        return open_runs(self, params)

    monkeypatch.setattr(tracker_module, "START_SECONDS", 3600.0)
    monkeypatch.setattr(runs_module.Runs, "open", note)
    tracker = Tracker(root, "demand", STARTED)
    tracker.start({})
    assert not opened.wait(0.05)
    trial = finished(0)
    tracker.reported(trial.asked, trial.result.weights, trial.result.reports[0], 0)
    assert opened.wait(60)
    tracker.finish(ENDING)
    assert tracker.error is None


def test_hanging_server_costs_training_nothing(root, monkeypatch):
    """While a call to MLflow hangs, ended trials are taken at once and wait in memory."""
    answer = threading.Event()
    search = MlflowClient.get_experiment_by_name

    def hang(self, name):
        assert answer.wait(60)
        return search(self, name)

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", hang)
    tracker = Tracker(root, "demand", STARTED)
    tracker.start({})
    for number in range(3):
        tracker.trial_ended(finished(number))  # returns although nothing is answered yet
    assert not answer.is_set()
    answer.set()
    tracker.finish(ENDING)
    assert tracker.error is None
    assert sorted(runs(root)[2]) == [0, 1, 2]


def test_trials_that_wait_are_recorded_together_and_a_bad_one_alone(root, monkeypatch):
    """A stack ends at once; of its trials one that cannot be written holds up no other."""
    write_runs, sizes = runs_module.write_runs, []

    def write(path, records):
        if any("0.125" in record.params.values() for record in records):
            raise ConnectionError("never")
        sizes.append(len(records))
        return write_runs(path, records)

    monkeypatch.setattr(runs_module, "write_runs", write)
    tracker = Tracker(root, "demand", STARTED)
    trials = [finished(n, under=0.125 if n == 20 else 0.5) for n in range(60)]
    for trial in trials:
        tracker.trial_ended(trial)
    tracker.start({})
    tracker.finish(ENDING)
    assert tracker.unwritten == [20]
    assert sorted(runs(root)[2]) == [n for n in range(60) if n != 20]
    assert sizes[0] == 16
    assert sizes.count(1) <= 32  # those around the bad one
    assert sum(sizes) == 59


def test_one_trial_that_cannot_be_written_does_not_stop_the_next(root, monkeypatch):
    """An error costs the trial it happened in; sync finds it by its missing run."""
    write_runs = runs_module.write_runs

    def fail_once(path, records):
        if any("0.125" in record.params.values() for record in records):
            raise ConnectionError("one bad moment")
        return write_runs(path, records)

    monkeypatch.setattr(runs_module, "write_runs", fail_once)
    tracker = track(root, [finished(0, under=0.125), finished(1)])
    assert tracker.unwritten == [0]
    assert "one bad moment" in tracker.error
    monkeypatch.undo()
    assert track(root, [finished(0, under=0.125), finished(1)]).unwritten == []
    assert sorted(point_counts(root)) == [0, 1]


def test_two_sweeps_share_a_root(root):
    """Each sweep is an experiment of its own in one database."""
    track(root, [finished(0)], sweep="a")
    track(root, [finished(0), finished(1)], sweep="b")
    assert sorted(runs(root, "a")[2]) == [0]
    assert sorted(runs(root, "b")[2]) == [0, 1]


def test_database_is_below_the_root_whatever_lies_around(root, tmp_path, monkeypatch):
    """A leftover file store in the working folder, which flips MLflow's default, is no matter."""
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("artifact_location: x\n")
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    assert track(elsewhere, [finished(0)]).error is None
    assert (elsewhere / "mlflow.db").exists()
    assert not (tmp_path / "mlflow.db").exists()


def test_points_of_gradients_and_verdict():
    """What was measured of gradients is logged where it was, the verdict's numbers at the end."""
    gram = {"mse": {"mse": 9.0, "under": -3.0}, "under": {"mse": -3.0, "under": 1.0}}
    first, *rest = finished(0, under=1.0).result.reports
    reports = (replace(first, gram=gram), *rest[:-1], replace(rest[-1], calibration=0.25))
    trial = finished(0, under=1.0)
    trial = replace(trial, result=replace(trial.result, reports=reports))
    baseline = {"mse": 20.0, "under": 2.0}
    verdict = judge_results({0: trial.result}, baseline)[0]
    points = {(p.key, p.step): p.value for p in result_points(trial.result, verdict, (1, 2, 3, 4))}
    assert points["8 cosine/mse and under", 0] == -1.0
    assert points["8 contribution/mse", 0] == 1.5
    assert points["8 gradnorm/mse", 0] == 3.0
    assert points["8 gradshare/mse", 0] == 0.75
    assert ("8 gradnorm/mse", 1) not in points
    assert points["5 decrease/mse", 3] == verdict.decrease["mse"]
    judged = json.loads(end_tags(trial.result, verdict)["lossweights.judged"])
    assert judged["calibration"] == 0.25


def test_points_of_the_models_own_losses():
    """They are logged beside the terms under ``model``, with weight 1 and a share of the whole."""
    train, val = {"mse": 6.0, "model": 1.0}, {"mse": 2.0, "model": 1.0}
    reports = (EpochReport(0, train, val, {}), EpochReport(1, {**train, "model": 0.5}, val, {}))
    result = TrialResult({"mse": 0.5}, 0, Outcome.COMPLETE, reports)
    verdict = judge_results({0: result})[0]
    points = {(p.key, p.step): p.value for p in result_points(result, verdict, (1, 2))}
    assert points["2 magnitude train/model", 1] == 0.5
    assert points["4 share/model", 0] == 0.25
    assert points["3 weighted/model", 0] == 1.0
    assert points["5 decrease/model", 1] == 1.0
