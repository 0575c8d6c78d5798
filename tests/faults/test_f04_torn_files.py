"""F04: power loss and crashes between two writes; files are whole, or set aside and made again."""

import shutil

import pytest

from lossweights.base.errors import LossweightsError, StoreError
from lossweights.results.folder import Finished, list_results, read_manifest
from lossweights.store import Store
from lossweights.store import _writer as writer
from lossweights.store._study import Study

from .helpers import check_sweep

pytestmark = pytest.mark.faults


@pytest.fixture
def done(scripted):
    """A sweep of six trials that has ended."""
    script = scripted()
    script.run(6, workers=0)
    return script


def resumed(script, trials=6):
    """Resume in this process."""
    return script.run(trials, workers=0, resume=True)


def test_f04_a_torn_result_is_set_aside_and_trained_again(done, caplog):
    """Cut at every 64th byte: the trial keeps its number and gets the same result again."""
    path = done.sweep_folder / "trials" / "0003.json"
    whole, before = path.read_bytes(), done.results()
    for length in range(0, len(whole) - 1, 64):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"0003\.json"):
            list_results(done.sweep_folder)
        resumed(done)
        assert done.results()[3].result.to_json() == before[3].result.to_json()
        assert sorted(done.results()) == sorted(before)
    aside = list((done.sweep_folder / "trials").glob("0003.json*.corrupt"))
    assert len(aside) == len(range(0, len(whole) - 1, 64))
    assert "It is kept as 0003.json.corrupt" in caplog.text


def test_f04_a_torn_manifest_is_named(done):
    """It cannot be made again: the error names it, and nothing is changed."""
    path = done.sweep_folder / "manifest.json"
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 64):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"manifest\.json"):
            read_manifest(done.root, "fake")
        with pytest.raises(StoreError, match=r"manifest\.json"):
            resumed(done, trials=7)
    path.write_bytes(whole)
    resumed(done, trials=7)
    assert done.outcomes() == {"COMPLETE": 7}


def test_f04_a_torn_study_is_made_again_from_the_results(done, caplog):
    """Cut at every page and around: the same trials, states and values as before."""
    path = done.sweep_folder / "study.db"
    whole, before = path.read_bytes(), done.rows()
    lengths = [0, 1, 100, 4095, *range(4096, len(whole), 4 * 4096), len(whole) - 1]
    for length in lengths:
        path.write_bytes(whole[:length])
        resumed(done)
        assert done.rows() == before, length
        check_sweep(done.root)
    assert "made anew from the result files" in caplog.text
    assert len(list(done.sweep_folder.glob("study.db*.corrupt"))) > len(lengths) // 2


def test_f04_a_study_that_was_removed_is_made_again(done):
    """The result files are the record; the study can be made from them at any time."""
    before = done.rows()
    (done.sweep_folder / "study.db").unlink()
    resumed(done, trials=7)
    assert done.rows()[:6] == before
    assert done.outcomes() == {"COMPLETE": 7}


@pytest.mark.parametrize("name", ["status.json", "ending.json"])
def test_f04_torn_conveniences_stop_nothing(done, name):
    """Files that only people read: cut anywhere, the sweep goes on."""
    path = done.sweep_folder / name
    whole = path.read_bytes()
    for length in range(0, len(whole), 64):
        path.write_bytes(whole[:length])
        resumed(done)


def test_f04_a_torn_spool_gives_its_whole_lines(scripted):
    """The reports before the tear are kept; the file is set aside."""
    script = scripted()
    sweep = script.sweep()
    script.run(1, workers=0)
    spooled = script.results()[0].result.reports
    for length in range(0, 400, 64):
        with Store.reopen(script.root, "fake", sweep.space) as store:
            asked = store.ask()
            for report in spooled:
                store.spool.add(asked.number, report, 1000 + report.epoch)
            path = store.folder / "spool" / f"{asked.number:04d}.jsonl"
            whole = path.read_bytes()
            path.write_bytes(whole[:length])
        with Store.reopen(script.root, "fake", sweep.space):
            reports = script.results()[asked.number].result.reports
        assert [r.epoch for r in reports] == list(range(whole[:length].count(b"\n")))
        torn = not whole[:length].endswith(b"\n") and length > 0
        assert bool(list(path.parent.glob(f"{path.name}*.corrupt"))) is torn


def train_three(store, trainer):
    """Three trials, one after another."""
    for _ in range(3):
        asked = store.ask()
        store.tell(asked, trainer.train([store.member(asked)], lambda *_: True)[0])


class Crash(BaseException):
    """The machine stops here."""


STEPS = {
    "before the file": (writer, "write_results"),
    "before the row begins": (Study, "begin"),
    "before the row ends": (Study, "end"),
    "in the transaction": (writer, "last_of"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("nth", [1, 2])
def test_f04_a_crash_between_any_two_steps_is_settled(scripted, monkeypatch, step, nth):
    """Old or new, never half: after a crash at any step the sweep goes on to the asked number."""
    script = scripted()
    sweep = script.sweep()
    script.run(2, workers=0)
    owner, name = STEPS[step]
    call, calls = getattr(owner, name), []

    def crash(*args, **kwargs):
        calls.append(args)
        if len(calls) == nth:
            raise Crash
        return call(*args, **kwargs)

    store = Store.reopen(script.root, "fake", sweep.space)
    trainer = sweep.prepare(rehearse=False).make_trainer("fake")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crash)
        with pytest.raises(Crash):
            train_three(store, trainer)
    store.close()
    assert len(calls) == nth
    kept = script.results()
    resumed(script, trials=5)
    assert script.outcomes()["COMPLETE"] == 5
    for number, finished in kept.items():  # nothing that was kept was lost or trained again
        assert script.results()[number].result.to_json() == finished.result.to_json()


def test_f04_a_result_never_goes_before_the_row_of_its_trial(scripted, monkeypatch, caplog):
    """Trials that begin and end within one write: a crash in it loses no place and no weights."""
    script = scripted()
    sweep = script.sweep()
    script.run(2, workers=0)
    trainer = sweep.prepare(rehearse=False).make_trainer("fake")
    store = Store.reopen(script.root, "fake", sweep.space)
    store.behind = True
    trials = [store.propose() for _ in range(3)]
    store.begin(trials[-1])
    result = trainer.train([store.member(trials[-1])], lambda *_: True)[0]
    store.keep(Finished(trials[-1], result))

    def crash(*_args):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Study, "end", crash)
        with pytest.raises(Crash):
            store.flush()
    store.close()
    with Store.reopen(script.root, "fake", sweep.space) as store:
        assert [asked.parameters for asked in store.take_due()][:2] == [
            asked.parameters for asked in trials[:2]
        ]
        assert store.finished() == 3
        assert [store.place(asked) for asked in trials] == [2, 3, 4]
    assert "made anew" not in caplog.text
    resumed(script, trials=5)
    assert script.outcomes() == {"COMPLETE": 5, "AGAIN": 2}


def test_f04_a_copy_taken_at_any_time_is_a_whole_sweep(done, tmp_path):
    """Who copies the folder of a running sweep gets one that can be resumed."""
    shutil.copytree(done.root, tmp_path / "copy")
    (tmp_path / "copy" / "studies" / "fake" / "lock").unlink()
    options = {"workers": 0, "tracking": False, "resume": True, "quiet": True}
    result = done.sweep().run(7, root=tmp_path / "copy", **options)
    assert len(result.finished) == 7


def test_f04_errors_have_names():
    """Whatever a damaged file does, it is one of ours."""
    assert issubclass(StoreError, LossweightsError)
