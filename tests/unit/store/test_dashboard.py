"""What optuna-dashboard, or anybody who reads ``study.db``, is shown of a sweep."""

import json

import optuna
import pytest

from lossweights.base.errors import StoreError
from lossweights.records import Outcome
from lossweights.store import note_drivers
from lossweights.store._told import end_notes
from lossweights.testing import FakeSweep

from ..samples import finished


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """The study of a sweep that does sums, as Optuna loads it, its result and its folder."""
    root = tmp_path_factory.mktemp("dashboard") / "mlruns"
    result = FakeSweep("shown").run(3, root=root, workers=0, quiet=True, tracking=False)
    folder = root / "studies" / "shown"
    storage = f"sqlite:///{folder / 'study.db'}"
    return optuna.load_study(study_name="shown", storage=storage), result, folder


def test_objectives_have_their_names_and_the_report_its_link(studied):
    """A plot of the front has axes that say what they are."""
    study, _, folder = studied
    assert study.metric_names == ["miss", "cost"]
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MINIMIZE"]
    assert study.user_attrs["report"] == (folder / "report.html").resolve().as_uri()


def test_trials_have_magnitudes_and_what_drove_them(studied):
    """Numbers as they trained, the driver as the result says it."""
    study, result, _ = studied
    for trial in study.trials:
        ended = result.finished[trial.number].result
        magnitudes = trial.user_attrs["magnitude"]
        assert magnitudes == pytest.approx(ended.reports[-1].train, rel=1e-3)
        verdict = result.verdicts[trial.number]
        assert trial.user_attrs["decrease"] == pytest.approx(dict(verdict.decrease), rel=1e-3)
        assert trial.user_attrs["driver"] == verdict.driver
        assert trial.user_attrs["weights"] == dict(ended.weights)


def test_a_study_that_was_moved_or_is_of_an_earlier_version_is_brought_up_to_date(tmp_path, root):
    """Whoever goes on with the sweep finds names, and a link to where the report is now."""
    FakeSweep("shown").run(2, root=root, workers=0, quiet=True, tracking=False)
    moved = tmp_path / "moved"
    root.rename(moved)
    FakeSweep("shown").run(3, root=moved, workers=0, quiet=True, tracking=False, resume=True)
    folder = moved / "studies" / "shown"
    study = optuna.load_study(study_name="shown", storage=f"sqlite:///{folder / 'study.db'}")
    assert study.user_attrs["report"] == (folder / "report.html").resolve().as_uri()
    assert study.metric_names == ["miss", "cost"]
    assert len(study.trials) == 3


def test_what_is_not_finite_is_not_noted():
    """A trial that diverged has the numbers that it has, in JSON that every program reads."""
    notes = end_notes(finished(0, outcome=Outcome.DIVERGED).result)
    assert notes == {"magnitude": {}, "decrease": {}}
    assert json.loads(json.dumps(notes, allow_nan=False)) == notes


def test_a_file_that_is_no_study_is_named(tmp_path):
    """The error says which."""
    path = tmp_path / "study.db"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match=r"study\.db"):
        note_drivers(path, {0: "mse"})
