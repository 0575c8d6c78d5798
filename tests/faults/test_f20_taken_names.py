"""F20 and F21: a name that is taken, a sweep that is being driven, a lock whose holder is dead."""

import logging
import platform

import pytest
from mlflow import MlflowClient

from lossweights.base.errors import SweepExists, SweepLocked
from lossweights.results.folder import tracking_uri
from lossweights.store import Store

from .helpers import HANGS, check_mlflow, kill

pytestmark = pytest.mark.faults


def test_f20_a_name_with_results_is_refused_with_the_ways_on(scripted):
    """Exit 2, how to resume it and how to keep it; not a byte is changed."""
    script = scripted()
    script.run(2, workers=0)
    before = {p: p.read_bytes() for p in script.sweep_folder.rglob("*") if p.is_file()}
    with pytest.raises(SweepExists, match="lossweights resume fake"):
        script.run(2)
    refused = script.call(trials=2)
    assert refused.returncode == 2
    assert "--name fake-2" in refused.stderr
    assert {p: p.read_bytes() for p in script.sweep_folder.rglob("*") if p.is_file()} == before


def test_f20_a_sweep_that_is_driven_is_refused_by_process(scripted):
    """A second driver is told who the first one is, and may start when that one is gone."""
    script = scripted(HANGS, settle=True)
    process = script.start(workers=1)
    script.announced()
    with pytest.raises(SweepLocked, match=f"process {process.pid} on {platform.node()}"):
        script.run(3, resume=True)
    refused = script.call("--resume", trials=3)
    assert refused.returncode == 2
    assert f"process {process.pid}" in refused.stderr
    kill(process.pid)
    process.communicate()


def test_f20_a_deleted_experiment_costs_the_record_only(tracked, caplog):
    """MLflow keeps its name: the sweep runs all the same, and says how to get it back."""
    script = tracked()
    script.run(2, workers=0, tracking=True)
    client = MlflowClient(tracking_uri=tracking_uri(script.root))
    experiment = client.get_experiment_by_name("fake").experiment_id
    client.delete_experiment(experiment)
    with caplog.at_level(logging.WARNING, logger="lossweights"):
        script.run(4, workers=0, tracking=True, resume=True)
    assert script.outcomes() == {"COMPLETE": 4}
    assert f"mlflow experiments restore --experiment-id {experiment}" in caplog.text
    client.restore_experiment(experiment)
    script.run(5, workers=0, tracking=True, resume=True)
    check_mlflow(script.root)


def test_f21_a_lock_dies_with_its_holder(scripted):
    """After kill -9 the next driver starts at once: no lock is ever stale."""
    script = scripted(HANGS)
    process = script.start(workers=1)
    script.announced()
    kill(process.pid)
    process.wait()
    with Store.reopen(script.root, "fake", script.sweep().space) as store:
        assert store.finished() == 0
    process.communicate()
