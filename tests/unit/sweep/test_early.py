"""What workers are forked from is begun early where a run will have workers, and only there."""

from typing import ClassVar

import pytest

from lossweights.sweep import early
from lossweights.sweep._options import RunOptions
from lossweights.testing import FakeSweep

from ..samples import finished, save_sweep


class Server:
    """In the place of a process."""

    made: ClassVar[list] = []
    is_outdated = False

    def __init__(self, imports):
        self.imports, self.starts, self.closed = imports, 0, False
        Server.made.append(self)

    @staticmethod
    def is_possible():
        """It is."""
        return True

    def start(self):
        """Count it."""
        self.starts += 1

    def close(self):
        """Note it."""
        self.closed = True


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    monkeypatch.setattr(early, "Forkserver", Server)
    monkeypatch.setattr(early, "available_cores", lambda: 2)
    monkeypatch.setattr(Server, "made", [])
    monkeypatch.setattr(early, "_begun", [])


def options(root, **said):
    """The options of a run."""
    return RunOptions(**{"root": root, "trials": 64, **said})


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        ("", True),
        ("--trials 31", False),
        ("--trials=31 --workers=2", True),
        ("--trials 8 --trial-timeout 3.5", True),
        ("--workers 0", False),
        ("--help", False),
        ("--smoke", False),
        ("--name again --resume", False),
        ("--trials many", False),
        ("--trials", False),
        ("--workers inf", False),
    ],
)
def test_a_script_begins_it_by_its_command_line(line, begins):
    """Not for help, a look at whether it runs, or where nothing may be left to train."""
    early.begin_for_script(line.split(), "home")
    assert [server.starts for server in Server.made] == [1] * begins
    assert all(server.imports[0] == "home" for server in Server.made)


def test_the_run_takes_over_what_was_begun(root):
    """And ends it; a second run begins its own."""
    early.begin(options(root), "home")
    early.begin(options(root), "home")
    (begun,) = Server.made
    for server in (begun, None):
        with early.early_forkserver(FakeSweep("fake"), options(root)) as found:
            assert found is (server or Server.made[1])
            assert (found.starts, found.closed) == (1, False)
        assert found.closed


def test_what_nobody_needs_is_ended(root):
    """The run may know better than the command line, such as that the script was launched with
    other options.
    """
    early.begin(options(root), "home")
    with early.early_forkserver(FakeSweep("fake"), options(root, workers=0)) as found:
        assert found is None
    assert [server.closed for server in Server.made] == [True]


def test_what_began_with_other_variables_is_begun_anew(root, monkeypatch):
    """The script has set some that libraries read when they are imported."""
    early.begin(options(root), "home")
    monkeypatch.setattr(Server.made[0], "is_outdated", True, raising=False)
    with early.early_forkserver(FakeSweep("fake"), options(root)) as found:
        assert (found.starts, found.closed) == (1, False)
    begun, _ = Server.made
    assert found is not begun
    assert begun.closed


def test_where_nothing_is_left_none_is_started(root):
    """It is with the first worker, if there is one after all; a confirmation always has some."""
    save_sweep(root, [finished(number) for number in range(32)])
    sweep = FakeSweep("demand")
    for more, starts in (({}, 0), ({"only_confirm": True}, 1), ({"trials": 33}, 1)):
        run = options(root, **{"trials": 32, "resume": True, **more})
        with early.early_forkserver(sweep, run) as found:
            assert found.starts == starts
    early.begin(options(root, trials=32, resume=True, name="demand"), "home")
    assert not early._begun
