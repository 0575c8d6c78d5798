"""The contest of a sweep: who competes, from which seeds, when, and when test data are read."""

import json
import time
from collections import Counter

import pytest

from lossweights.base.errors import NoneComplete, RecipeError
from lossweights.driver import _contest
from lossweights.records import EpochReport
from lossweights.results.result import SweepResult
from lossweights.sweep._entrants import fresh_seeds
from lossweights.testing import FakeSweep, FakeTrainer

from ..contests import Raced, raced_sweep

TRIALS = 12
OPTIONS = {"tracking": False, "workers": 0}
ALL = ["knee", "min:miss", "min:cost", "equal", "without:b", "dwa"]


def run(sweep, root, trials=TRIALS, *, quiet=True, **options):
    """Run a sweep in this process."""
    return sweep.run(trials, root=root, quiet=quiet, **{**OPTIONS, **options})


def trained(result, look):
    """The contestants and seeds of a look, in order."""
    return [(o.contestant, o.seed) for o in result.contest.outings if o.look == look]


def journal(root, name="fake"):
    """The lines of the journal."""
    path = root / "studies" / name / "contest.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_baselines_that_are_no_trials_are_trained_beside_them(root):
    """From the seed of the sweep, once; they are no trials, and test data are not read."""
    sweep = raced_sweep(seed=4)
    result = run(sweep, root, confirm=0)
    assert trained(result, 0) == [("without:b", 4), ("dwa", 4)]
    assert len(result.finished) == TRIALS
    assert result.contest.looks == 0
    assert all(not outing.result.test for outing in result.contest.outings)
    before = result.finished[0].result.reports[0].train
    assert sweep.contest_baselines.magnitudes == {"a": before["a"], "b": before["b"]}
    again = run(raced_sweep(seed=4), root, confirm=0, resume=True)
    assert again.contest == result.contest


def test_picks_and_baselines_are_confirmed_from_the_same_fresh_seeds(root):
    """Paired: every contestant from every seed, none of which a trial had; with test metrics."""
    result = run(raced_sweep(), root, confirm=3)
    contest = result.contest
    assert [each.name for each in contest.contestants[1]] == ALL
    assert [each.role for each in contest.contestants[1]] == ["pick"] * 3 + ["baseline"] * 3
    assert contest.seeds[1] == (1, 2, 3)
    assert trained(result, 1) == [(name, seed) for seed in (1, 2, 3) for name in ALL]
    confirmed = [outing for outing in contest.outings if outing.look == 1]
    assert all(outing.result.test == outing.result.metrics for outing in confirmed)
    by_name = {each.name: each for each in contest.contestants[1]}
    for pick in ALL[:3]:
        number = result.best_number(pick)
        assert by_name[pick].trial == number
        assert by_name[pick].weights == result.finished[number].result.weights
    assert by_name["equal"].trial == 0
    assert by_name["dwa"].method["method"] == "DWA"
    assert by_name["dwa"].trial is None


def test_terms_stay_in_their_order(root):
    """Whatever order a baseline has them in."""
    result = run(raced_sweep(), root, confirm=1)
    assert {tuple(outing.result.weights) for outing in result.contest.outings} == {("a", "b")}


def test_weights_are_divided_by_the_scales(root, monkeypatch):
    """As those of trials; and the magnitudes for inverse weights are in the units of the space."""
    sweep = raced_sweep()
    prepared = sweep.prepare(rehearse=True)
    scaled = type(prepared)(**{**vars(prepared), "scales": {"a": 2.0, "b": 4.0}})
    monkeypatch.setattr(sweep, "prepare", lambda **_: scaled)
    result = run(sweep, root, confirm=1)
    of = {outing.contestant: outing.result.weights for outing in result.contest.outings}
    assert of["equal"] == {"a": 0.5, "b": 0.25} == result.finished[0].result.weights
    assert of["knee"] == result.finished[result.best_number("knee")].result.weights
    before = result.finished[0].result.reports[0].train
    wanted = {"a": before["a"] / 2, "b": before["b"] / 4}
    assert sweep.contest_baselines.magnitudes == wanted


def test_a_pick_that_is_a_baseline_is_trained_once(root):
    """And both have the result of it."""
    told = []
    sweep = raced_sweep(during=lambda member, epoch: told.append((member.seed, member.tested)))
    result = run(sweep, root, trials=1, confirm=2)
    names = [each.name for each in result.contest.contestants[1]]
    assert names == ["knee", "equal", "without:b", "dwa"]  # each pick once, under its first name
    same = [o.result for o in result.contest.outings if o.contestant in ("knee", "equal")]
    assert len(same) == 4
    assert same[0] == same[1]
    assert Counter(told)[1, True] == 4 * 3  # epochs and three trainings a seed, not four


def test_a_repeated_confirmation_is_another_look(root, capsys):
    """From other seeds, and said; a resumed sweep that is confirmed is not confirmed again."""
    run(raced_sweep(), root, confirm=2)
    same = run(raced_sweep(), root, resume=True)
    assert same.contest.looks == 1
    more = run(raced_sweep(), root, resume=True, confirm=3, quiet=False)
    assert more.contest.seeds == {0: (0,), 1: (1, 2), 2: (3, 4, 5)}
    assert "This is look 2 at the test data." in capsys.readouterr().err
    assert run(raced_sweep(), root, resume=True, confirm=2).contest.looks == 2


def test_other_picks_are_confirmed_anew(root):
    """A sweep that goes on with more trials has others; what was confirmed before is kept."""
    first = run(raced_sweep(), root, trials=4, confirm=2)
    more = run(raced_sweep(), root, trials=30, resume=True)
    assert more.contest.seeds[2] == (3, 4)  # as many as was said before
    assert trained(more, 1) == trained(first, 1)
    assert {each.trial for each in more.contest.contestants[2]} != {
        each.trial for each in first.contest.contestants[1]
    }


def test_test_data_are_read_in_a_confirmation_alone(root, monkeypatch):
    """Counted: as many members are to be tested as were confirmed, and each once."""
    tested, train = [], FakeTrainer.train

    def told(trainer, members, report, halts):
        tested.extend(str(member) for member in members if member.tested)
        return train(trainer, members, report, halts)

    monkeypatch.setattr(FakeTrainer, "train", told)
    run(raced_sweep(), root, confirm=0)
    run(raced_sweep(), root, resume=True, trials=TRIALS + 2)
    assert tested == []
    run(raced_sweep(), root, TRIALS + 2, resume=True, confirm=2)
    assert len(tested) == len(set(tested)) == 2 * len(ALL)
    run(raced_sweep(), root, TRIALS + 2, resume=True)
    assert len(tested) == 2 * len(ALL)


@pytest.mark.parametrize(("trials", "seeds"), [(72, 5), (36, 3), (35, None)])
def test_by_default_it_may_take_half_of_the_time_that_the_trials_took(root, capsys, trials, seeds):
    """With 6 contestants that take as long as a trial each; else the command is printed."""
    result = run(raced_sweep(confirm=None), root, trials, quiet=False)
    said = capsys.readouterr().err
    if seeds is None:
        assert result.contest.looks == 0
        assert f"lossweights confirm fake --root {root}" in said
        assert "6 picks and baselines from 5 seeds" in said
    else:
        assert len(result.contest.seeds[1]) == seeds
        assert "Not confirmed" not in said


def test_zero_is_none_and_stays_so(root, capsys):
    """Nobody who said no is asked again, on resume neither."""
    sweep = raced_sweep(confirm=None)
    run(sweep, root, 40, confirm=0, quiet=False)
    result = run(raced_sweep(confirm=None), root, 60, resume=True, quiet=False)
    assert result.contest.looks == 0
    assert "onfirm" not in capsys.readouterr().err


@pytest.mark.parametrize("confirm", [-1, 1.5, "five"])
def test_what_is_no_number_of_seeds_is_refused_before_training(root, confirm):
    """With a sentence."""
    with pytest.raises(RecipeError, match="confirm"):
        run(FakeSweep("fake"), root, confirm=confirm)
    assert not root.exists()


def test_without_a_complete_trial_there_is_no_contest(root):
    """There is nothing to confirm."""

    def explode(member, epoch):
        return EpochReport(epoch, {"a": float("inf"), "b": 1.0}, {"a": 1.0, "b": 1.0}, {})

    with pytest.raises(NoneComplete):
        run(raced_sweep(during=explode), root, trials=2, confirm=3)
    assert journal(root) == []


def test_a_time_limit_ends_the_contest_in_order(root, monkeypatch):
    """What has ended counts, the way on is said, and a resumed sweep trains the rest."""
    train, late = FakeTrainer.train, []

    def told(trainer, members, report, halts):
        late.extend(member for member in members if member.tested)
        return train(trainer, members, report, halts)

    class Clock:
        time = staticmethod(time.time)

        @staticmethod
        def monotonic():
            return time.monotonic() + (1e6 if len(late) > 3 else 0)

    with monkeypatch.context() as patched:
        patched.setattr(FakeTrainer, "train", told)
        patched.setattr(_contest, "time", Clock)
        result = run(raced_sweep(), root, confirm=2, time_limit="1h")
    assert len(trained(result, 1)) == 3  # the fourth was stopped on its way
    note = json.loads((root / "studies" / "fake" / "ending.json").read_text())["note"]
    assert "time limit was reached before baselines and picks were compared" in note
    whole = run(raced_sweep(), root, resume=True)
    assert whole.contest.is_over(1)
    assert whole.contest.looks == 1


def test_a_failed_contestant_costs_itself_alone(root):
    """It is a result that says why, and is not trained again."""

    def fails(member, epoch):
        if member.tested and member.weights["b"] == 1.0 and member.adaptive is None:
            raise ValueError("boom")

    result = run(raced_sweep(during=fails), root, confirm=2)
    failed = [o.contestant for o in result.contest.outings if "boom" in o.result.reason]
    assert set(failed) == {"equal"}
    assert result.contest.is_over(1)
    assert run(raced_sweep(during=fails), root, resume=True).contest == result.contest


def test_a_changed_sweep_is_not_confirmed_half_and_half(root):
    """After an accepted change another look begins: pairs are of one code."""

    def dies(member, epoch):
        if member.tested and member.seed == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(raced_sweep(during=dies), root, confirm=2)
    assert len(trained(SweepResult.read("fake", root), 1)) == len(ALL)
    result = run(raced_sweep(data="other"), root, resume=True, accept_change=["data", "code"])
    assert result.contest.seeds[2] == (3, 4)
    assert result.contest.is_over(2)
    assert not result.contest.is_over(1)


def test_baselines_that_change_are_trained_anew(root):
    """The one that is another now; its old training is none any more."""
    run(raced_sweep(), root, confirm=0)
    lines = len(journal(root))
    result = run(raced_sweep(raced=Raced(without=1e-6)), root, resume=True, confirm=0)
    assert trained(result, 0) == [("without:b", 0), ("dwa", 0)]
    assert result.contest.outings[0].result.weights["b"] == 1e-6
    assert len(journal(root)) == lines + 1 + 2 + 1  # a look that begins, who is entered, one end


def test_seeds_of_replicas_are_fresh_as_well():
    """A sweep from several seeds trains each contestant from as many."""
    assert fresh_seeds(2, 0, {0, 1, 2}, replicas=3) == [3, 6]
    assert fresh_seeds(2, 2**32 - 1, {2**32 - 1}) == [0, 1]
    assert fresh_seeds(0, 0, set()) == []
