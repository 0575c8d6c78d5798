"""The journal of a contest is read as it was written, whatever a kill or an edit made of it."""

import pytest

from lossweights.base.errors import StoreError
from lossweights.results.contest import Contest, begin_lines, outing_line, read_contest
from lossweights.results.result import SweepResult

from ..contests import EQUAL, KNEE, MOVES, outing
from ..samples import finished, save_sweep

SEEDS = (1, 2)


def written(tmp_path, *lines):
    """A folder with a journal of these lines."""
    (tmp_path / "contest.jsonl").write_bytes(b"".join(lines))
    return tmp_path


def whole():
    """The lines of a look of which one training has ended."""
    return [*begin_lines(1, [KNEE, EQUAL], SEEDS, 0), outing_line(outing(KNEE))]


def test_without_a_file_there_is_no_contest(tmp_path):
    """As in folders of earlier versions."""
    found = read_contest(tmp_path)
    assert found == Contest()
    assert found.looks == 0
    assert found.missing(1) == []
    assert not found.is_over(1)


def test_what_was_written_is_read(tmp_path):
    """Contestants, methods, seeds, results with their test metrics, and times."""
    lines = [*begin_lines(1, [KNEE, MOVES], SEEDS, 2), outing_line(outing(MOVES, 2, cost=7.0))]
    found = read_contest(written(tmp_path, *lines))
    assert found.contestants == {1: (KNEE, MOVES)}
    assert found.seeds == {1: SEEDS}
    assert found.changes == {1: 2}
    assert found.outings == (outing(MOVES, 2, cost=7.0),)
    assert found.outings[0].result.test["cost"] == 7.0
    assert list(found.contestants[1][0].weights) == ["a", "b"]  # in the order of the terms
    assert found.entered(found.outings[0]) == MOVES


def test_what_is_missing_comes_seed_by_seed(tmp_path):
    """So that all contestants of a seed can be trained together."""
    found = read_contest(written(tmp_path, *whole()))
    assert found.missing(1) == [(EQUAL, 1), (KNEE, 2), (EQUAL, 2)]
    assert not found.is_over(1)
    rest = [outing_line(outing(each, seed)) for each, seed in found.missing(1)]
    assert read_contest(written(tmp_path, *whole(), *rest)).is_over(1)


def test_a_line_that_a_kill_cut_off_was_never_written(tmp_path):
    """Wherever it was cut."""
    *before, last = whole()
    for length in (0, 1, 20, len(last) - 1):
        assert read_contest(written(tmp_path, *before, last[:length])).outings == ()
    assert len(read_contest(written(tmp_path, *before, last)).outings) == 1


def test_a_baseline_that_is_another_now_was_not_trained(tmp_path):
    """What was trained of those that are the same still counts."""
    other = type(EQUAL)(EQUAL.name, EQUAL.role, {"a": 1.0, "b": 2.0})
    lines = begin_lines(0, [EQUAL, MOVES], [0], 0)
    lines += [outing_line(outing(each, 0, 0)) for each in (EQUAL, MOVES)]
    found = read_contest(written(tmp_path, *lines, *begin_lines(0, [other, MOVES], [0], 0)))
    assert [each.contestant for each in found.outings] == ["dwa"]
    assert found.missing(0) == [(other, 0)]


@pytest.mark.parametrize(
    "line",
    [b"{}", b"[]", b"\xff", b'{"look": 1, "entered": 3}', b'{"look": 9, "contestant": "x"}'],
)
def test_a_damaged_line_is_named(tmp_path, line):
    """With the file, the number of the line and the way on; or the others are read."""
    folder = tmp_path / "studies" / "demand"
    folder.mkdir(parents=True)
    first, *rest = whole()
    written(folder, first, line + b"\n", *rest)
    with pytest.raises(StoreError, match=r"contest\.jsonl.*line 2.*resume demand"):
        read_contest(folder)
    told = []
    found = read_contest(folder, lambda path, error: told.append(path))
    assert told == [folder / "contest.jsonl"]
    assert len(found.outings) == 1


def test_it_is_part_of_the_result(root):
    """And empty where there was none."""
    folder = save_sweep(root, [finished(0)])
    assert SweepResult.read("demand", root).contest == Contest()
    written(folder, *whole())
    assert SweepResult.read("demand", root).contest.contestants == {1: (KNEE, EQUAL)}
