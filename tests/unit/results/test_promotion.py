"""Promotion by hand: kept in one whole file, with its history, whoever else writes."""

import multiprocessing
from dataclasses import replace

import pytest

import lossweights as lw
from lossweights.base.errors import PickError
from lossweights.results.promotion import BY_ITSELF, promote, promoted_now
from lossweights.results.result import SweepResult
from lossweights.results.weights import promoted_path

from ..samples import finished, save_sweep

TRIALS = [finished(0, 3.0, 1.0), finished(1, 1.0, 3.0), finished(2, 1.5, 1.5)]


@pytest.fixture
def result(root):
    """A sweep that has promoted its knee."""
    save_sweep(root, TRIALS)
    found = SweepResult.read("demand", root)
    found.save_picks(root)
    return found


def history(root):
    """Picks and reasons of all promotions."""
    return [(p["pick"], p["why"]) for p in lw.load("demand", root).provenance.promotions]


def test_a_promoted_pick_is_what_the_name_loads(result, root):
    """Its weights are those of the pick, and it says what was promoted before, and why."""
    assert history(root) == []
    promoted = promote(result, "min:rmse", "stock is\ncheap")
    assert lw.load("demand", root) == promoted
    assert promoted.weights == result.best("min:rmse").weights
    assert history(root) == [("knee", BY_ITSELF), ("min:rmse", "stock is cheap")]
    assert promoted_now(root, "demand").pick == "min:rmse"


def test_it_stays_when_the_sweep_draws_its_conclusions_again(result, root):
    """Its picks are written anew all the same."""
    promoted = promote(result, "min:rmse", "for May")
    (root / "weights" / "demand" / "knee.json").unlink()
    result.save_picks(root)
    assert lw.load("demand", root) == promoted
    assert lw.load("demand@knee", root) == result.best("knee")


def test_the_choice_can_be_given_back(result, root):
    """Without a pick it is the sweep's own again, then and from then on; the history goes on."""
    promote(result, "min:rmse", "for May")
    promote(result, None, "")
    assert history(root)[-1] == ("knee", BY_ITSELF)
    other = SweepResult.read("demand", root)
    other = replace(other, finished={k: v for k, v in other.finished.items() if k != 2})
    other.save_picks(root)
    assert lw.load("demand", root).weights == other.best("knee").weights
    assert [pick for pick, _ in history(root)] == ["knee", "min:rmse", "knee"]


def test_without_a_reason_nothing_is_promoted(result, root):
    """Nor what is no pick."""
    before = promoted_path(root, "demand").read_bytes()
    with pytest.raises(PickError, match="--why"):
        promote(result, "min:rmse", "  ")
    with pytest.raises(PickError):
        promote(result, "min:nothing", "because")
    assert promoted_path(root, "demand").read_bytes() == before


def test_a_damaged_file_is_replaced(result, root):
    """What was promoted before is not known then."""
    promoted_path(root, "demand").write_text("{")
    promote(result, "knee", "again")
    assert history(root) == [("knee", "again")]


def _promote_often(root, pick):
    result = SweepResult.read("demand", root)
    for number in range(5):
        promote(result, pick, f"{pick} {number}")


def test_two_writers_at_once_leave_one_of_the_two_whole(result, root):
    """Each comes before or after the other: the file is whole, and no promotion is lost."""
    context = multiprocessing.get_context("fork")
    picks = ("min:rmse", "min:shortfall")
    writers = [context.Process(target=_promote_often, args=(root, pick)) for pick in picks]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert lw.load("demand", root).weights  # readable at any moment
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    last = lw.load("demand", root)
    assert last.origin["pick"] == history(root)[-1][0]
    wanted = [(pick, f"{pick} {n}") for pick in picks for n in range(5)]
    assert sorted(history(root)[1:]) == sorted(wanted)
