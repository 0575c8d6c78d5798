"""The sweep folder as its one writer holds it: creation, lock, crashes, and the same seed again."""

import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from lossweights.base.errors import SweepExists, SweepLocked, SweepNotFound
from lossweights.base.files import write_all
from lossweights.records import EpochReport, Failure, Outcome, TrialResult
from lossweights.results.folder import (
    Finished,
    list_results,
    list_sweeps,
    sweep_folder,
    write_results,
)
from lossweights.search._lessons import TRAINS
from lossweights.search.aims import Aims
from lossweights.search.samplers import STARTUP_TRIALS
from lossweights.search.space import LogUniform, Space, Uniform
from lossweights.search.start import starting_points
from lossweights.store import Store
from lossweights.store import _store as store_module
from lossweights.store._told import lesson_of

from ..samples import OBJECTIVES, manifest

SPACE = Space(["mse", "under"], {"mse": 1.0, "under": LogUniform(1e-2, 1e2)})


def create(root, name="demand", seed=0, objectives=OBJECTIVES, start=()):
    """A new sweep of two terms."""
    made = manifest(name, objectives=objectives, seed=seed, baselines=list(start))
    return Store.create(root, made, SPACE)


def reopen(root, name="demand"):
    """The sweep that `create` made, opened again."""
    return Store.reopen(root, name, SPACE)


def trained(asked, outcome=Outcome.COMPLETE):
    """A result that a training could have had: the more weight, the more error of one kind."""
    weights = SPACE.weights(asked.parameters)
    metrics = {"rmse": weights["under"], "shortfall": 1.0 / weights["under"]}
    report = EpochReport(1, weights, weights, metrics)
    reports = () if outcome is Outcome.FAILED else (report,)
    return TrialResult(weights, 0, outcome, reports, trainer="fake")


def run(store, trials, outcome=Outcome.COMPLETE):
    """Ask and tell until so many trials have ended; what was asked, in order."""
    asked = []
    while store.finished() < trials:
        asked.append(store.ask())
        store.tell(asked[-1], trained(asked[-1], outcome))
    return asked


def study_trials(root, name="demand"):
    """The trials as Optuna has them on disk."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{sweep_folder(root, name) / 'study.db'}")
    try:
        return optuna.load_study(study_name=name, storage=storage).get_trials()
    finally:
        storage.remove_session()
        storage.engine.dispose()


def test_results_are_on_disk_and_in_the_study(root):
    """Every trial told is a file, and a trial of the study with its values and weights."""
    with create(root) as store:
        asked = run(store, 2)
    listed = list_results(sweep_folder(root, "demand"))
    assert [listed[a.number].asked for a in asked] == asked
    for one, frozen in zip(asked, study_trials(root), strict=True):
        assert frozen.state is TrialState.COMPLETE
        assert frozen.params == one.parameters
        assert frozen.values == [one.parameters["under"], 1.0 / one.parameters["under"]]
        assert frozen.user_attrs["weights"] == {"mse": 1.0, "under": one.parameters["under"]}


def test_baselines_come_first_and_are_marked(root):
    """Baselines are tried first, under their names, then what every search starts with."""
    start = starting_points(SPACE)
    contest = {
        "equal": {"weights": {"mse": 1.0, "under": 1.0}, "parameters": start[0]},
        "dwa": {"weights": {"mse": 1.0, "under": 1.0}, "method": {}},
    }
    made = manifest("demand", seed=0, baselines=start, contest=contest)
    with Store.create(root, made, SPACE) as store:
        asked = run(store, len(start) + 1)
        again = store.retry(asked[0])
    assert [a.parameters for a in asked[:-1]] == start
    assert [a.kind for a in asked] == ["baseline", "start", "start", "trial"]
    assert [a.baseline for a in (*asked, again)] == ["equal", None, None, None, "equal"]
    assert [t.user_attrs.get("baseline") for t in study_trials(root)[:2]] == ["equal", None]
    assert list_results(sweep_folder(root, "demand"))[0].asked == asked[0]
    for damaged in (False, True):  # the study made anew from the result files knows them as well
        if damaged:
            (sweep_folder(root, "demand") / "study.db").write_bytes(b"none")
        with Store.reopen(root, "demand", SPACE) as store:
            assert [f.asked for f in store.take_history()] == asked


def test_first_places_of_earlier_versions_are_all_baselines(root):
    """Their sweeps go on as they began: what is tried first is of the one kind they had."""
    start = starting_points(SPACE)
    with create(root, start=start) as store:
        asked = run(store, len(start) + 1)
    assert [a.parameters for a in asked[:-1]] == start
    assert [a.kind for a in asked] == ["baseline"] * len(start) + ["trial"]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(Outcome.COMPLETE, TrialState.COMPLETE), (Outcome.DIVERGED, TrialState.PRUNED),
     (Outcome.PRUNED, TrialState.PRUNED), (Outcome.FAILED, TrialState.FAIL)],
)  # fmt: skip
def test_outcomes_as_the_study_knows_them(root, outcome, state):
    """A diverged trial is told as pruned, so that the sampler learns; a complete one scores."""
    with create(root) as store:
        run(store, 1, outcome)
    (frozen,) = study_trials(root)
    assert frozen.state is state
    assert (frozen.values is None) is (outcome is not Outcome.COMPLETE)
    said = {"outcome": "DIVERGED"} if outcome is Outcome.DIVERGED else {}
    assert {k: v for k, v in frozen.user_attrs.items() if k == "outcome"} == said


@pytest.mark.parametrize("objectives", [OBJECTIVES, {"rmse": "minimize"}], ids=["two", "one"])
def test_sampling_goes_on_among_diverged_trials(root, objectives):
    """The model-based sampler takes pruned trials in, with one objective and with two."""
    with create(root, objectives=objectives) as store:
        for index in range(STARTUP_TRIALS + 2):
            asked = store.ask()
            outcome = Outcome.DIVERGED if index % 2 else Outcome.COMPLETE
            store.tell(asked, trained(asked, outcome))
        assert store.finished() == STARTUP_TRIALS + 2


def parameters_of(asked):
    """What was sampled, trial after trial."""
    return [a.parameters for a in asked]


TRIALS = STARTUP_TRIALS + 3  # enough for the model of the sampler to matter


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The parameters of a sweep that nothing disturbed."""
    with create(tmp_path_factory.mktemp("root"), seed=3, start=starting_points(SPACE)) as store:
        return parameters_of(run(store, TRIALS))


def test_another_seed_asks_for_other_trials(root, uninterrupted):
    """The seed decides what is sampled, and nothing before that."""
    start = starting_points(SPACE)
    with create(root, seed=4, start=start) as store:
        found = parameters_of(run(store, len(start) + 3))
    assert found[: len(start)] == uninterrupted[: len(start)]
    assert not [p for p in found[len(start) :] if p in uninterrupted]


def test_same_seed_asks_for_the_same_trials_however_it_is_disturbed(root, uninterrupted):
    """Stopped between trials, killed in one before and in one after the sampler models them."""
    with create(root, seed=3, start=starting_points(SPACE)) as store:
        found = run(store, 4)
    for trials in (6, STARTUP_TRIALS + 1):
        with reopen(root) as store:
            found += run(store, trials)
            store.ask()  # and never told
    with reopen(root) as store:
        found += run(store, TRIALS)
    assert parameters_of(found) == uninterrupted


def test_baseline_killed_among_baselines_is_not_lost(root, uninterrupted):
    """Baselines that still wait go before the retry; the set of trials is the same."""
    with create(root, seed=3, start=starting_points(SPACE)) as store:
        store.ask()
    with reopen(root) as store:
        found = parameters_of(run(store, 5))
    assert sorted(map(str, found)) == sorted(map(str, uninterrupted[:5]))


DRIVE = """
import sys
from pathlib import Path
from lossweights.search.space import LogUniform, Space
from lossweights.store import Store
sys.path.insert(0, {tests!r})
from samples import finished, manifest
space = Space(["mse", "under"], {{"mse": 1.0, "under": LogUniform(1e-2, 1e2)}})
with Store.create(Path(sys.argv[1]), manifest(), space) as store:
    for number in range(2):
        asked = store.ask()
        store.tell(asked, finished(number, under=asked.parameters["under"]).result)
    print(store.ask().parameters["under"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def driver(root, request):
    """Another process that has ended two trials and is in the middle of a third."""
    code = DRIVE.format(tests=str(request.path.parents[1]))
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.asked = float(process.stdout.readline())
    yield process
    process.kill()
    process.communicate()


def test_sweep_driven_by_another_process_is_locked(root, driver):
    """One process writes a sweep: others are refused by name, and may read what is there."""
    with pytest.raises(SweepLocked, match=f"process {driver.pid}"):
        reopen(root)
    with pytest.raises(SweepExists):
        create(root)
    assert list(list_results(sweep_folder(root, "demand"))) == [0, 1]


def test_killed_driver_is_settled_on_reopen(root, driver):
    """After kill -9 nothing finished is lost, and the trial under way is tried again, once."""
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    with reopen(root) as store:
        assert store.finished() == 2
        assert [t.state for t in study_trials(root)] == [
            TrialState.COMPLETE,
            TrialState.COMPLETE,
            TrialState.FAIL,
        ]
        retry = store.ask()
        assert retry.parameters == {"under": driver.asked}
        assert study_trials(root)[3].user_attrs["retry_of"] == 2
        store.tell(retry, trained(retry))
        run(store, 4)
    with reopen(root) as store:
        assert store.finished() == 4
    states = [t.state for t in study_trials(root)]
    assert states.count(TrialState.COMPLETE) == 4
    assert TrialState.RUNNING not in states
    assert TrialState.WAITING not in states


def test_what_a_killed_writer_has_left_is_removed_on_reopen(root, monkeypatch):
    """A file that was not renamed yet; files of the user's own that look like it stay."""
    create(root).close()
    folder = sweep_folder(root, "demand")

    class Killed(BaseException):
        """The process ends here."""

    def kill(*_):
        raise Killed

    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", kill)
        killed.setattr(Path, "unlink", kill)
        with pytest.raises(Killed):
            write_all({folder / "trials" / "0000.json": "{}"})
    (folder / "trials" / ".notes").write_text("mine")
    assert len(list((folder / "trials").iterdir())) == 2
    reopen(root).close()
    assert [path.name for path in (folder / "trials").iterdir()] == [".notes"]


def test_result_kept_but_not_told_is_told_on_reopen(root):
    """A crash between the file and the study loses nothing and trains nothing twice."""
    with create(root) as store:
        asked = store.ask()
        write_results(store.folder, [Finished(asked, trained(asked))])
    with reopen(root) as store:
        assert store.finished() == 1
    (frozen,) = study_trials(root)
    assert frozen.state is TrialState.COMPLETE
    assert frozen.values == [asked.parameters["under"], 1.0 / asked.parameters["under"]]


@pytest.mark.parametrize("outcome", [Outcome.DIVERGED, Outcome.FAILED])
def test_ending_without_values_kept_but_not_told(root, outcome):
    """The same for a trial that has no values to tell: it is not tried again."""
    with create(root) as store:
        asked = store.ask()
        write_results(store.folder, [Finished(asked, trained(asked, outcome))])
    for _ in range(2):
        with reopen(root) as store:
            assert store.finished() == 1
    assert len(study_trials(root)) == 1


def test_killed_baseline_is_tried_again_as_a_baseline(root):
    """A retry keeps the kind of the trial it repeats."""
    with create(root, start=[{"under": 1.0}]) as store:
        store.ask()
    with reopen(root) as store:
        retry = store.ask()
    assert (retry.kind, retry.parameters) == ("baseline", {"under": 1.0})


def test_a_result_that_was_taken_away_is_trained_again(root):
    """As the message about a damaged file promises: move it away, resume, and it is trained."""
    with create(root) as store:
        asked = run(store, 3)
    (sweep_folder(root, "demand") / "trials" / "0001.json").rename(root / "damaged.json")
    for _ in range(2):  # the second reopening queues nothing more
        with reopen(root) as store:
            assert store.finished() == 2
    with reopen(root) as store:
        again = run(store, 3)
    assert [a.parameters for a in again] == [asked[1].parameters]


def test_existing_sweep_is_refused_and_unchanged(root):
    """A second creation changes no byte of the first, and leaves it unlocked."""
    with create(root) as store:
        run(store, 1)
    folder = sweep_folder(root, "demand")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(SweepExists):
        create(root)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    reopen(root).close()


def test_remains_of_a_killed_creation_are_cleaned(root):
    """A folder without a manifest is no sweep: what is in it does not mix with the new one."""
    folder = sweep_folder(root, "demand")
    (folder / "trials").mkdir(parents=True)
    (folder / "trials" / "0000.json").write_text("{")
    (folder / "study.db").write_bytes(b"half a database")
    (folder / "lock").touch()
    with create(root) as store:
        run(store, 1)
    assert list(list_results(folder)) == [0]


@pytest.mark.parametrize("step", ["create_study", "write_atomic"])
def test_creation_that_fails_leaves_nothing(root, monkeypatch, step):
    """Where creating fails the folder is gone, and the name can be used at once."""

    def fail(*_args, **_kwargs):
        raise OSError("disk full")

    target = optuna if step == "create_study" else store_module
    monkeypatch.setattr(target, step, fail)
    with pytest.raises(OSError, match="disk full"):
        create(root)
    monkeypatch.undo()
    assert list_sweeps(root) == []
    assert not sweep_folder(root, "demand").exists()
    create(root).close()
    assert list_sweeps(root) == ["demand"]


def test_creation_in_another_process_wins(root):
    """Of processes that create one name at once exactly one does, and it is a whole sweep."""
    code = (
        "import sys; from pathlib import Path; from lossweights.base.errors import *\n"
        "from lossweights.search.space import Space, Uniform; from lossweights.store import Store\n"
        "space = Space(['mse'], {'mse': Uniform(0, 1)})\n"
        "sys.stdin.readline()\n"
        "try:\n"
        "    Store.create(Path(sys.argv[1]), {'format': 'lossweights/sweep', 'version': 1, "
        "'name': 'demand', 'objectives': {'rmse': 'minimize'}}, space).close(); print('made')\n"
        "except (SweepExists, SweepLocked): print('refused')\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = sorted(process.communicate()[0].strip() for process in processes)
    assert said == ["made", "refused", "refused"]
    Store.reopen(root, "demand", Space(["mse"], {"mse": Uniform(0, 1)})).close()


def test_unknown_sweep_cannot_be_reopened(root):
    """Reopening what is not there makes nothing."""
    with pytest.raises(SweepNotFound):
        reopen(root)
    assert not root.exists()


@pytest.mark.parametrize("name", ["with space", "per%cent?", "ünï'#;"])
def test_root_may_have_any_name(tmp_path, name):
    """The folder's name is the user's business: the database is found in it."""
    with create(tmp_path / name) as store:
        run(store, 1)
    assert (tmp_path / name / "studies" / "demand" / "study.db").exists()
    with reopen(tmp_path / name) as store:
        assert store.finished() == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_database_is_closed_with_the_store(root):
    """A closed store holds no file: the folder can be removed, and the lock is free."""
    with create(root) as store:
        run(store, 1)
    reopen(root).close()
    with pytest.raises(ZeroDivisionError), reopen(root):
        raise ZeroDivisionError
    reopen(root).close()


@pytest.mark.parametrize(
    ("failure", "barren"),
    [(failure, not failure.transient) for failure in Failure] + [(None, True)],
)
def test_what_would_fail_again_is_not_asked_for_again(failure, barren):
    """Divergence, exceptions and a lack of memory teach; a killed worker or a time limit do not.

    A worker that dies of the same weights once more does, as by Linux for lack of memory. After a
    change of the sweep what failed before says nothing any more.
    """
    outcome = Outcome.DIVERGED if failure is None else Outcome.FAILED
    result = TrialResult({"mse": 1.0}, 0, outcome, (), failure=failure)
    manifest = {"objectives": OBJECTIVES}
    assert lesson_of(result, manifest, Aims())["barren"] is barren
    repeated = lesson_of(result, manifest, Aims(), repeated=True)["barren"]
    assert repeated is (barren or failure is Failure.WORKER_KILLED)
    assert not lesson_of(result, manifest, Aims(), stale=True)["barren"]


def failed(failure):
    """The result of a trial that failed."""
    return TrialResult({"mse": 1.0}, 0, Outcome.FAILED, (), failure=failure)


def test_weights_of_which_workers_die_twice_are_not_asked_for_again(root):
    """Also where the sweep was stopped in between; a worker killed once teaches nothing."""
    for stopped in (False, True):
        name = f"stopped-{stopped}"
        store = create(root, name=name)
        asked = store.ask()
        store.keep(Finished(asked, failed(Failure.WORKER_KILLED), again=True))
        again = store.retry(asked)
        store.begin(again)
        if stopped:
            store.close()
            store = reopen(root, name=name)
            again = store.ask()
        store.tell(again, failed(Failure.WORKER_KILLED))
        once = store.ask()
        store.keep(Finished(once, failed(Failure.TIMEOUT), again=True))
        once = store.retry(once)
        store.begin(once)
        store.tell(once, failed(Failure.WORKER_KILLED))
        learned = store.sampler._learned
        store.close()
        assert [TRAINS in trial.constraints for trial in learned] == [True]
