"""F06 and F07: the MLflow server is down, wrong, slow or silent."""

import itertools
import os
import time

import pytest

from lossweights.base.errors import SweepLocked, TrackingError
from lossweights.records import EpochReport
from lossweights.results.status import read_status
from lossweights.tracking import Tracker, sync_sweep
from lossweights.tracking import _tracker as tracker

from .helpers import check_mlflow, eventually

pytestmark = pytest.mark.faults

TRIALS = 12


def watched(script, change):
    """The sweep of a script, with something that happens before each of its trials."""
    sweep = script.sweep()
    count = itertools.count()

    def during(member, epoch):
        if epoch == 0:
            change(next(count))

    sweep._during = during
    return sweep


def run(sweep, script, server, trials=TRIALS, **options):
    """Run a sweep in this process, recorded to a server."""
    options = {"tracking": server.uri, "workers": 0, "quiet": True, **options}
    return sweep.run(trials, root=script.root, script=script.path, **options)


def test_f06_server_that_comes_and_goes_has_every_point_once(tracked, mlflow_server):
    """Accepting, refusing, silent, wrong, accepting again: nothing is lost and nothing double."""
    script = tracked()
    server = mlflow_server(script)
    steps = {
        2: server.refuse,
        4: server.listen,
        5: lambda: setattr(server, "mode", "hang"),
        8: lambda: setattr(server, "mode", "error"),
        TRIALS - 1: lambda: setattr(server, "mode", "accept"),
    }
    ended = []

    def change(trial):
        ended.append(time.monotonic())
        steps.get(trial, lambda: None)()

    run(watched(script, change), script, server)
    # A request to a silent server lasts for a minute, and there were three trials meanwhile.
    assert ended[8] - ended[5] < 30, "training waited for the server"
    check_mlflow(script.root)


@pytest.mark.parametrize("how", ["refuse", "hang", "error"])
def test_f06_server_that_stays_away_costs_the_record_only(
    tracked, mlflow_server, monkeypatch, caplog, how
):
    """The sweep ends in time, says what is missing, and `sync` writes it, once."""
    script = tracked()
    server = mlflow_server(script)
    patience = os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]
    if how == "refuse":
        server.refuse()
    if how == "hang":
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    server.mode = how
    started = time.monotonic()
    run(script.sweep(), script, server)
    assert time.monotonic() - started < 60  # one call of MLflow's would last for four minutes
    assert script.outcomes() == {"COMPLETE": TRIALS}
    assert f"{TRIALS} trials are missing" in caplog.text
    status = read_status(script.root, "fake")
    assert status.tracking["waiting"] == TRIALS
    assert "offline since" in status.describe()
    assert "lossweights sync fake" in status.describe()
    with pytest.raises(TrackingError, match=f"{TRIALS} of them are missing"):
        sync_sweep(script.root, "fake")
    if how == "refuse":
        server.listen()
    server.mode = "accept"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", patience)
    for _ in range(2):
        assert f"{TRIALS} trials of fake are in {server.uri}" in sync_sweep(script.root, "fake")
        check_mlflow(script.root)


def test_f06_an_answer_that_got_lost_leaves_no_second_run(tracked, mlflow_server):
    """The server did what it was asked, and nobody heard: the run is found, not made again."""
    script = tracked()
    server = mlflow_server(script)
    app, made, lost = server._app, [], []

    def deaf(environment, start_response):
        answer = app(environment, start_response)
        if "runs/create" in environment["PATH_INFO"]:
            made.append(answer)
            if len(made) % 2:
                lost.append(answer)
                raise ConnectionError("the cable was pulled")
        return answer

    server._app = deaf
    run(script.sweep(), script, server)
    assert len(lost) > 5
    check_mlflow(script.root)


def test_f06_sync_leaves_a_running_sweep_alone(scripted):
    """A sweep that runs records by itself; two writers would record twice."""
    script = scripted("def during(member, epoch):\n    announce()\n    hang()\n"
                      "sweep = FakeSweep('fake', during=during)", settle=True)  # fmt: skip
    process = script.start(workers=1)
    script.announced()
    with pytest.raises(SweepLocked):
        sync_sweep(script.root, "fake")
    process.kill()
    process.communicate()


def test_f07_points_of_a_silent_server_are_bounded(tmp_path, monkeypatch):
    """However many reports come, no more than 10,000 points wait in memory."""
    silent = Tracker(tmp_path, "fake", "now")
    clock = itertools.count(0, 60_000)
    weights = {"a": 1.0, "b": 1.0}
    from lossweights.results.folder import Asked

    asked = Asked(0, {"b": 1.0}, "trial")
    for epoch in range(2000):
        report = EpochReport(epoch, weights, weights, {"miss": 1.0})
        silent.reported(asked, weights, report, next(clock))
    assert len(silent._live) == tracker.MAX_POINTS
    for number in range(1000):
        from .helpers import finished

        silent.trial_ended(finished(number))
    assert len(silent._held) == tracker.MAX_HELD
    assert len(silent.unwritten) == 1000


def test_f07_the_settings_of_the_user_stay_in_force(tracked, mlflow_server, monkeypatch):
    """The tracker is impatient with its own requests only where nobody said otherwise."""
    script = tracked()
    server = mlflow_server(script)
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
    seen = []
    sweep = watched(script, lambda trial: seen.append(dict(os.environ)))
    run(sweep, script, server, trials=1)
    assert seen[0]["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "5"
    assert seen[0]["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"  # the user's
    assert "MLFLOW_HTTP_REQUEST_TIMEOUT" not in os.environ


def test_f06_long_trials_are_recorded_while_they_train(tracked, mlflow_server, monkeypatch):
    """Curves of a trial that trains for long can be watched, and its end adds nothing twice."""
    monkeypatch.setattr(tracker, "LIVE_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(tracker, "LIVE_SECONDS", 0.0)
    script = tracked()
    server = mlflow_server(script)
    sweep = script.sweep()
    seen = []

    def during(member, epoch):
        if epoch == 3 and not seen:  # the trial goes on once its first points are there
            eventually(lambda: seen.extend(points_of_running(script.root)) or seen, seconds=60)

    sweep._during = during
    run(sweep, script, server, trials=2)
    found = {key for key, _ in seen}
    assert found >= {"1 objectives/miss", "1 objectives/cost", "2 magnitude train/a"}
    check_mlflow(script.root)


def points_of_running(root):
    """The points of runs that are open."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        return database.execute(
            "SELECT key, step FROM metrics JOIN runs USING (run_uuid) WHERE status = 'RUNNING'"
        ).fetchall()
