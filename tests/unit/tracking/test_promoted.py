"""MLflow shows what a person promoted, whatever is recorded afterwards."""

import pytest
from mlflow import MlflowClient

import lossweights as lw
from lossweights.results.folder import tracking_uri
from lossweights.results.promotion import promote
from lossweights.testing import FakeSweep
from lossweights.tracking import record_promotion, sync_sweep

pytestmark = pytest.mark.usefixtures("databases_closed")
QUIET = {"quiet": True, "workers": 0}
HIDDEN = "min:miss where cost<=1e9"  # a pick that no file can be named after


@pytest.fixture
def recorded(root_with_tables):
    """A sweep that is recorded below its root, of which a person promoted a pick."""
    root = root_with_tables
    result = FakeSweep("fake").run(4, root=root, **QUIET)
    sync_sweep(root, "fake")  # on a busy machine not all may be recorded when it ends
    record_promotion("fake", promote(result, HIDDEN, "agreed"), root, None)
    return root


def run_of(root):
    """The sweep's run."""
    client = MlflowClient(tracking_uri=tracking_uri(root))
    experiment = client.get_experiment_by_name("fake").experiment_id
    (run,) = client.search_runs([experiment], "tags.`lossweights.kind` = 'sweep'")
    return run


def assert_shown(root):
    """Tags, numbers and the set itself are those of what the name loads."""
    run, promoted = run_of(root), lw.load("fake", root)
    assert run.data.tags["lossweights.promoted"] == HIDDEN
    assert run.data.tags["lossweights.promoted_by"] == "hand"
    found = {name: run.data.metrics[f"best/{name}"] for name in promoted.metrics}
    assert found == dict(promoted.metrics)
    tracked = lw.load(f"runs:/{run.info.run_id}", root)
    assert tracked == promoted
    assert tracked.provenance.promotions[-1]["why"] == "agreed"


def test_the_run_of_a_sweep_shows_what_is_promoted_by_hand(recorded):
    """Also after the sweep was recorded again, went on, and gave the choice back."""
    root = recorded
    assert_shown(root)
    sync_sweep(root, "fake")
    assert_shown(root)
    again = FakeSweep("fake").run(6, root=root, resume=True, **QUIET)
    sync_sweep(root, "fake")
    assert_shown(root)
    record_promotion("fake", promote(again, None, ""), root, None)
    tags = run_of(root).data.tags
    assert tags["lossweights.promoted"] == again.first_pick
    assert tags["lossweights.promoted_by"] == "sweep"
    found = lw.load(f"runs:/{run_of(root).info.run_id}", root)
    assert found.weights == again.best(again.first_pick).weights


def test_a_sweep_that_is_recorded_later_shows_it_too(root_with_tables):
    """What was promoted before MLflow knew of the sweep is not forgotten."""
    root = root_with_tables
    result = FakeSweep("fake").run(4, root=root, tracking=False, **QUIET)
    weights = promote(result, HIDDEN, "agreed")
    assert record_promotion("fake", weights, root, None) == ""
    sync_sweep(root, "fake")
    assert_shown(root)
