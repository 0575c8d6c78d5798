"""How trials are trained is chosen once, kept in the manifest, and said."""

from dataclasses import dataclass, field

import pytest

from lossweights.base.errors import WorkerError
from lossweights.executors import InlineExecutor, ProcessExecutor
from lossweights.sweep import _choose
from lossweights.sweep._choose import choose_setup, make_executor
from lossweights.sweep._options import RunOptions
from lossweights.testing import FakeSweep
from lossweights.training import SetupRequest, TrainingSetup

SETUP = TrainingSetup("fit", workers=0, members=4, why="I say so")


class Prepared:
    """Notes what is asked, and says the same to all."""

    fingerprint = "of the sweep"

    def __init__(self):
        self.asked = []

    def choose(self, request):
        """The one setup."""
        self.asked.append(request)
        return SETUP


@dataclass
class Store:
    """A manifest that can be changed."""

    manifest: dict = field(default_factory=dict)
    done: int = 0
    folder = None

    def finished(self):
        """How many have been tried."""
        return self.done

    def change_manifest(self, manifest):
        """Keep another one."""
        self.manifest = manifest


def choose(prepared, store, **options):
    """The setup of a sweep that lies in a function, where no worker finds it."""
    return choose_setup(FakeSweep("fake"), prepared, store, RunOptions(trials=8, **options))


def test_it_is_asked_once_and_kept(capsys):
    """A sweep that goes on trains as it began, and says so again."""
    prepared, store = Prepared(), Store({"name": "fake"})
    assert choose(prepared, store) == SETUP
    assert choose(prepared, store) == SETUP
    assert prepared.asked == [SetupRequest("auto", 8, workers=0)]
    assert store.manifest["name"] == "fake"
    assert capsys.readouterr().err.splitlines() == [str(SETUP)] * 2


@pytest.mark.parametrize("change", [{"trainer": "fit"}, {"workers": 2}, {"trial_timeout": 9.0}])
def test_another_question_is_asked_anew(change):
    """What was chosen for one answers no other."""
    prepared, store = Prepared(), Store()
    choose(prepared, store)
    choose(prepared, store, **change)
    assert len(prepared.asked) == 2


def test_other_cores_are_another_question(monkeypatch):
    """What is best on two need not be on three."""
    prepared, store = Prepared(), Store()
    choose(prepared, store)
    monkeypatch.setattr(_choose, "available_cores", lambda: 10_000)
    choose(prepared, store)
    assert len(prepared.asked) == 2


def test_a_time_limit_wants_a_process():
    """Only a process can be ended in time."""
    prepared = Prepared()
    choose(prepared, Store(), trial_timeout=1.0)
    assert prepared.asked == [SetupRequest("auto", 8, workers=None, least=1)]


def test_nothing_is_chosen_where_nothing_is_left():
    """All trials have been tried."""
    prepared = Prepared()
    assert choose(prepared, Store(done=8)) is None
    assert prepared.asked == []


def test_quiet_is_quiet(capsys):
    """The choice is kept, and not said."""
    assert choose(Prepared(), Store(), quiet=True) == SETUP
    assert capsys.readouterr().err == ""


def test_the_setup_says_where_is_trained(tmp_path):
    """In this process, or in workers that find the sweep."""
    store, options = Store(), RunOptions(script=tmp_path / "mine.py")
    store.folder = tmp_path
    found = make_executor(FakeSweep("fake"), Prepared(), store, SETUP, options)
    assert isinstance(found, InlineExecutor)
    workers = TrainingSetup("fit", workers=2)
    found = make_executor(FakeSweep("fake"), Prepared(), store, workers, options)
    assert isinstance(found, ProcessExecutor)
    assert found.slots == 2
    found.close()
    with pytest.raises(WorkerError):
        make_executor(FakeSweep("fake"), Prepared(), store, workers, RunOptions())
