"""A report that follows its sweep: written anew when a trial has ended, and a last time."""

import pytest

from lossweights.base.errors import SweepNotFound
from lossweights.report import follow
from lossweights.results.folder import sweep_folder, write_results

from ..samples import finished, save_sweep


class Running:
    """A sweep that runs for some looks, and has a trial more at some of them."""

    def __init__(self, root, looks):
        save_sweep(root, [finished(0)])
        self.root, self.looks = root, looks
        self.pages = []

    @property
    def running(self):
        """Whether it still runs."""
        return self.looks > 0

    def pause(self, seconds):
        """What happens while nobody looks."""
        assert seconds == 10
        self.pages.append(self.path.read_text(encoding="utf-8"))
        self.looks -= 1
        if self.looks == 1:
            write_results(sweep_folder(self.root, "demand"), [finished(1)])

    @property
    def path(self):
        """The page."""
        return self.root / "report.html"


def test_the_page_is_written_until_the_sweep_ends(root, monkeypatch):
    """Once for each change; only while the sweep runs does the page load itself anew."""
    sweep, said = Running(root, 3), []
    monkeypatch.setattr(follow, "read_status", lambda *_: sweep)
    follow.follow_report("demand", root, sweep.path, tell=said.append, sleep=sweep.pause)
    assert [line.split(":")[0] for line in said] == ["1 trials", "2 trials", "2 trials"]
    assert all('data-every="10.0"' in page for page in sweep.pages)
    assert 'id="follow" data-every' not in sweep.path.read_text(encoding="utf-8")


def test_ctrl_c_leaves_a_page_that_stays(root, monkeypatch):
    """It no longer loads itself, since nobody writes it any more."""
    sweep = Running(root, 9)
    monkeypatch.setattr(follow, "read_status", lambda *_: sweep)

    def interrupt(_):
        raise KeyboardInterrupt

    follow.follow_report("demand", root, sweep.path, tell=str, sleep=interrupt)
    assert 'id="follow" data-every' not in sweep.path.read_text(encoding="utf-8")


def test_a_sweep_that_is_not_there_is_named(root):
    """Nothing is written for it."""
    with pytest.raises(SweepNotFound, match="nosuch"):
        follow.follow_report("nosuch", root, root / "report.html")
