"""How trials are trained is chosen once, kept in the manifest, and said."""

import threading
from dataclasses import replace

import pytest

from lossweights.base.errors import WorkerError
from lossweights.executors import InlineExecutor, ProcessExecutor
from lossweights.sweep import _choose
from lossweights.sweep._choose import Crew
from lossweights.sweep._options import RunOptions
from lossweights.testing import FakeSweep, FakeTrainer
from lossweights.training import SetupRequest, TrainingSetup

SETUP = TrainingSetup("fit", workers=0, members=4, why="I say so")


class Prepared:
    """Notes what is asked, and says how many workers there should be."""

    settings = {}  # noqa: RUF012
    shared = None

    def __init__(self, workers=0):
        self.asked, self.workers = [], workers
        self.fingerprint = FakeSweep("fake").prepare(rehearse=False).fingerprint

    def choose(self, request):
        """The one setup."""
        self.asked.append(request)
        workers = self.workers if request.workers is None else request.workers
        return replace(SETUP, workers=workers)

    def make_trainer(self, name, members):
        """One that does sums."""
        return FakeTrainer()


def choose(prepared, kept=None, **options):
    """The choice for a sweep that lies in a function, and holds what cannot be pickled."""
    lock = threading.Lock()

    def during(member, epoch):
        lock.locked()

    sweep = FakeSweep("fake", during=during)
    with Crew(sweep, prepared, RunOptions(trials=8, **options)) as crew:
        crew.start(kept)
        return crew.choice


def test_it_is_asked_once_and_kept(capsys):
    """A sweep that goes on trains as it began, and says so again."""
    prepared = Prepared()
    kept = choose(prepared)
    assert choose(prepared, kept) == kept
    assert prepared.asked == [SetupRequest("auto", 8)]
    assert capsys.readouterr().err.splitlines() == [str(SETUP)] * 2


@pytest.mark.parametrize("change", [{"trainer": "fit"}, {"workers": 0}, {"trial_timeout": 9.0}])
def test_another_question_is_asked_anew(change):
    """What was chosen for one answers no other."""
    prepared = Prepared()
    choose(prepared, choose(prepared), **change)
    assert len(prepared.asked) == 2


def test_other_cores_are_another_question(monkeypatch):
    """What is best on two need not be on three."""
    prepared = Prepared()
    kept = choose(prepared)
    monkeypatch.setattr(_choose, "available_cores", lambda: 10_000)
    choose(prepared, kept)
    assert len(prepared.asked) == 2


def test_a_time_limit_wants_a_process():
    """Only a process can be ended in time."""
    prepared = Prepared()
    choose(prepared, trial_timeout=1.0)
    assert prepared.asked == [SetupRequest("auto", 8, workers=None, least=1)]


def test_quiet_is_quiet(capsys):
    """The choice is kept, and not said."""
    assert choose(Prepared(), quiet=True)["made"]["trainer"] == "fit"
    assert capsys.readouterr().err == ""


def test_where_no_worker_finds_the_sweep_it_is_trained_here(caplog):
    """A line says why, and what is kept is how it is trained."""
    prepared = Prepared(workers=2)
    assert choose(prepared)["made"]["workers"] == 0
    assert prepared.asked == [SetupRequest("auto", 8), SetupRequest("auto", 8, workers=0)]
    (line,) = caplog.messages
    assert line.startswith("training in this process, since no worker process can load the sweep:")
    assert "_during cannot be pickled" in line
    assert "\n" not in line


def test_that_a_time_limit_acts_late_here_is_said(caplog):
    """Nobody can end a thread."""
    choose(Prepared(workers=2), trial_timeout=1.0)
    assert "where a time limit acts between epochs" in caplog.text


def test_workers_that_were_asked_for_are_insisted_on():
    """What cannot be done as asked is an error."""
    with pytest.raises(WorkerError, match=r"notebook.*pickled for worker processes"):
        choose(Prepared(), workers=1)


def test_without_fork_there_are_no_workers(monkeypatch, caplog, tmp_path):
    """As on Windows."""
    monkeypatch.delattr(_choose.ProcessExecutor.__init__.__globals__["os"], "fork")
    choose(Prepared(workers=2), script=tmp_path / "mine.py")
    assert caplog.messages[0].endswith(": this system has no fork")
    with pytest.raises(WorkerError, match="POSIX"):
        choose(Prepared(), workers=1, script=tmp_path / "mine.py")


def test_the_crew_is_where_is_trained(tmp_path):
    """In this process, or in workers that have loaded the sweep."""
    script = tmp_path / "mine.py"
    script.write_text("from lossweights.testing import FakeSweep\nsweep = FakeSweep('fake')\n")
    for workers, kind in ((0, InlineExecutor), (2, ProcessExecutor)):
        options = RunOptions(script=script, workers=workers)
        with Crew(FakeSweep("fake"), Prepared(), options) as crew:
            with pytest.raises(RuntimeError, match="start"):
                crew.executor.start()
            crew.start()
            assert isinstance(crew.executor, kind)
            assert crew.executor.trainer == "fake"
