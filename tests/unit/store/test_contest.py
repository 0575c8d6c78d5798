"""The journal of a contest is on the disk before anybody hears of it, and mends itself."""

import os

import pytest

from lossweights.base.errors import StoreError
from lossweights.results.contest import read_contest
from lossweights.store import ContestJournal

from ..contests import EQUAL, KNEE, outing


def begun(folder):
    """A journal of a look of two contestants, of which one has ended."""
    journal = ContestJournal(folder)
    journal.begin(1, [KNEE, EQUAL], [1])
    journal.keep([outing(KNEE)])
    return journal


def test_what_it_knows_is_what_is_on_the_disk(tmp_path):
    """After each step."""
    journal = ContestJournal(tmp_path)
    assert journal.contest == read_contest(tmp_path)
    journal = begun(tmp_path)
    assert journal.contest == read_contest(tmp_path) == ContestJournal(tmp_path).contest
    assert journal.contest.missing(1) == [(EQUAL, 1)]


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path):
    """It is removed before anything is added."""
    begun(tmp_path)
    path = tmp_path / "contest.jsonl"
    with path.open("ab") as stream:
        stream.write(b'{"look":1,"contestant":"equ')
    journal = ContestJournal(tmp_path)
    journal.keep([outing(EQUAL)])
    assert read_contest(tmp_path).is_over(1)
    assert len(read_contest(tmp_path).outings) == 2
    assert not list(tmp_path.glob("*.corrupt"))


def test_a_damaged_file_is_set_aside_and_its_good_lines_are_kept(tmp_path, caplog):
    """It is said, and nothing is removed."""
    begun(tmp_path)
    path = tmp_path / "contest.jsonl"
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, b"#\n", *rest]))
    kept = ContestJournal(tmp_path).contest
    assert len(kept.outings) == 1
    assert read_contest(tmp_path) == kept
    assert "contest.jsonl.corrupt" in caplog.text
    assert b"#\n" in (tmp_path / "contest.jsonl.corrupt").read_bytes()


def test_a_disk_that_takes_no_more_is_named(tmp_path, monkeypatch):
    """And what could not be written is not known."""
    journal = begun(tmp_path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"contest\.jsonl.*free space"):
        journal.keep([outing(EQUAL)])
    assert len(journal.contest.outings) == 1
