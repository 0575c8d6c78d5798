"""Progress: a bar on a terminal, plain lines elsewhere, and numbers that are right."""

import io
import re
import sys
import types
from dataclasses import replace
from itertools import pairwise

import pytest
from rich.console import Console

from lossweights.base.notebook import tell
from lossweights.driver import _progress as progress
from lossweights.driver._notebook import as_html
from lossweights.driver._progress import SweepProgress
from lossweights.driver._small_front import draw_front, unbeaten
from lossweights.driver._standing import Standing
from lossweights.records import Outcome
from lossweights.results import pace as pace_module

from ..samples import OBJECTIVES, finished


class Clock:
    """A clock that tests move."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        """The time, as `time.monotonic` gives it."""
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Time stands still until the test moves it."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(pace_module, "time", clock)
    return clock


def plain(objectives=OBJECTIVES, **options):
    """Progress where there is no terminal."""
    return SweepProgress(objectives, console=Console(file=io.StringIO()), **options)


def test_plain_lines_have_done_left_and_best(clock, capsys):
    """Without a terminal a line says trials done, time left and the best of each objective."""
    with plain(total=4) as bar:
        clock.now += 35
        bar.trial_ended(finished(0, rmse=3.0, shortfall=1.0))
        bar.show()
        clock.now += 20
        bar.trial_ended(finished(1, rmse=2.0, shortfall=5.0))
    first, second = capsys.readouterr().err.splitlines()
    assert first == "trial 1/4  best rmse 3, shortfall 1"
    assert second == "trial 2/4  time left 0:40  best rmse 2, shortfall 1"


def test_row_16_the_time_left_waits_until_it_can_be_told(clock, capsys):
    """A first trial that loaded data for 15 s says nothing of 39 others of half a second each."""
    with plain(total=40) as bar:
        clock.now += 20.1
        bar.trial_ended(finished(0))
        bar.show()
        for number in range(1, 11):
            clock.now += 0.6
            bar.trial_ended(finished(number))
            bar.show()
    lines = capsys.readouterr().err.splitlines()
    assert "time left" not in lines[0]
    assert "trial 10/40  time left 0:18" in "".join(lines)


def test_row_16_workers_and_stacks_are_told_of_after_their_second_round(clock):
    """What several trials at once took is no pace: not of workers that ended one after another."""
    with plain(total=40) as bar:
        bar.begin(at_once=4)
        for number in range(40):
            clock.now += (20 if number == 0 else 10) * (number % 4 == 0) + 0.1
            bar.trial_ended(finished(number))
            left = bar.seconds_left()
            if number < 7:
                assert left is None
            else:
                assert left == pytest.approx((39 - number) * 10.4 / 4, abs=8)
    assert left == 0.0


def test_row_16_time_passes(clock):
    """While a trial trains, the time left gets shorter, and is never below nothing."""
    with plain(total=4) as bar:
        for number in range(2):
            clock.now += 30
            bar.trial_ended(finished(number))
        assert bar.seconds_left() == 60.0
        clock.now += 20
        assert bar.seconds_left() == 40.0
        clock.now += 60
        assert bar.seconds_left() == 0.0


@pytest.mark.parametrize(
    ("pace", "shown"), [(59.7, "1:00"), (0.2, "0:00"), (3599.6, "60:00"), (61.0, "1:01")]
)
def test_time_left_is_a_time(clock, capsys, pace, shown):
    """Seconds are rounded before they are split: never 0:60."""
    with plain(total=3) as bar:
        bar.trial_ended(finished(0))
        clock.now += pace
        bar.trial_ended(finished(1))
        bar.show()
    assert f"time left {shown}  " in capsys.readouterr().err


def test_lines_are_few_and_the_last_is_there(clock, capsys):
    """Fast trials do not flood a log: the first, the last, and one every few seconds."""
    with plain(total=100) as bar:
        for number in range(100):
            clock.now += 0.5
            bar.trial_ended(finished(number))
            bar.show()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("trial 1/100  best")
    assert lines[-1].startswith("trial 100/100  time left 0:00")
    assert 10 <= len(lines) <= 12


def test_trials_that_end_together_are_shown_together(clock, capsys):
    """The time of a stack is not that of its first trial; nothing new is no line."""
    with plain(total=64) as bar:
        bar.begin(at_once=16)
        for number in range(64):
            clock.now += 10 * (number % 16 == 0)
            bar.trial_ended(finished(number))
            if number % 16 == 15:
                bar.show()
                bar.show()
    lines = [line.partition("  best")[0] for line in capsys.readouterr().err.splitlines()]
    left = ["", "  time left 0:20", "  time left 0:10", "  time left 0:00"]
    assert lines == [f"trial {16 * (i + 1)}/64{at}" for i, at in enumerate(left)]


def test_earlier_trials_do_not_count_into_the_pace(clock):
    """A resumed sweep's time left is by the trials of this process."""
    bar = counted(plain(total=11), 8)
    clock.now += 1000  # between the start of the process and that of the training
    with bar:
        clock.now += 9
        bar.trial_ended(finished(8))
        assert bar.seconds_left() is None
        clock.now += 3
        bar.trial_ended(finished(9))
        assert bar.seconds_left() == 3.0


def counted(bar, trials, **numbers):
    """Progress that knows of so many trials from before."""
    for number in range(trials):
        bar.count(finished(number, **numbers))
    return bar


def test_the_best_of_before_is_known(clock, capsys):
    """A resumed sweep shows the best and the losses of all of its trials."""
    bar = counted(plain(total=4), 1, rmse=0.5, shortfall=9.0)
    bar.count(finished(1, outcome=Outcome.DIVERGED))
    with bar:
        clock.now += 1
        bar.trial_ended(finished(2, rmse=2.0, shortfall=1.0))
    line = capsys.readouterr().err
    assert line == "trial 3/4  best rmse 0.5, shortfall 1  1 diverged\n"


def test_weights_that_are_tried_again_are_not_done(clock, capsys):
    """A trial that was cut short is counted when its weights have been tried to an end."""
    with plain(total=2) as bar:
        clock.now += 1
        bar.trial_ended(replace(finished(0, outcome=Outcome.FAILED), again=True))
        clock.now += 1
        bar.trial_ended(finished(1))
    assert capsys.readouterr().err.splitlines()[-1].startswith("trial 1/2  best")


def test_maximised_objectives_and_trials_that_did_not_complete(clock, capsys):
    """Best is the greatest where that is better; what diverged is counted, never best."""
    with plain({"rmse": "maximize"}, total=3) as bar:
        clock.now += 10
        bar.trial_ended(finished(0, rmse=2.0))
        clock.now += 10
        bar.trial_ended(finished(1, rmse=9.0, outcome=Outcome.DIVERGED))
        clock.now += 10
        bar.trial_ended(finished(2, rmse=1.0, outcome=Outcome.FAILED))
    *_, last = capsys.readouterr().err.splitlines()
    assert last == "trial 3/3  time left 0:00  best rmse 2  1 diverged  1 failed"


def test_nothing_completed_shows_no_best(clock, capsys):
    """Where nothing completed there is no best to show."""
    with plain(total=1) as bar:
        bar.trial_ended(finished(0, outcome=Outcome.FAILED))
    assert capsys.readouterr().err == "trial 1/1  time left 0:00  1 failed\n"


def test_quiet_shows_nothing(capsys):
    """Quiet is quiet, with a terminal and without."""
    for terminal in (True, False):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal)
        with SweepProgress(OBJECTIVES, total=1, console=console, quiet=True) as bar:
            bar.trial_ended(finished(0))
        assert out.getvalue() == ""
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_bar_on_a_terminal(error):
    """A terminal shows a bar with done and best, which is gone with the block, however it ends."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, _environ={"TERM": "xterm"})
    try:
        with counted(SweepProgress(OBJECTIVES, total=3, console=console), 1, rmse=0.75) as bar:
            bar.trial_ended(finished(1, rmse=0.5, shortfall=0.25))
            if error:
                raise error
    except KeyboardInterrupt:
        pass
    shown = out.getvalue()
    assert "2/3" in shown
    assert "best rmse 0.5, shortfall 0.25" in shown
    assert shown.endswith("\x1b[?25h")  # the cursor is back


def test_progress_goes_to_standard_error(capsys):
    """Standard output stays free for what a command prints."""
    with SweepProgress(OBJECTIVES, total=1) as bar:
        bar.trial_ended(finished(0))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "1/1" in captured.err


def on_terminal(width, *, trials=12, height=30, environment=None, objectives=OBJECTIVES):
    """What a terminal of this size shows of a sweep with a front, as its last drawing and raw."""
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=height,
        _environ={"TERM": "xterm", **(environment or {})},
    )
    with SweepProgress(objectives, total=2000, console=console) as bar:
        for number in range(trials):
            drives = "under" if number % 3 else "mse"
            bar.trial_ended(finished(number, 1.0 + number, 30.0 / (1 + number), driver=drives))
        bar.show()
        while bar._unjudged:  # each time as many as there is time for
            bar.show()
        with console.capture() as drawn:
            console.print(bar._view)
    return drawn.get(), console.file.getvalue()


def bare(text):
    """Text without the terminal's own signs."""
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text)


def test_a_terminal_shows_what_drives_and_a_small_front():
    """Names, ends of the axes, and the trials that nothing beats."""
    drawn = bare(on_terminal(100)[0])
    assert "12/2000" in drawn
    assert "driven by under 8, mse 4 of 12" in drawn
    assert "shortfall" in drawn
    assert drawn.count("●") >= 5
    assert re.search(r"^ +1 +rmse +12\s*$", drawn, re.MULTILINE)


@pytest.mark.parametrize("width", [20, 40, 60])
def test_a_narrow_terminal_loses_no_word(width):
    """Lines wrap between words, none is wider than the terminal."""
    drawn = bare(on_terminal(width)[0])
    assert max(len(line.rstrip()) for line in drawn.splitlines()) <= width
    assert "best rmse 1, shortfall 2.5" in " ".join(drawn.split())
    assert "12/2000" in drawn
    assert "●" in drawn


def test_a_low_terminal_has_no_front():
    """It would push away what the terminal shows besides."""
    assert "●" not in on_terminal(100, height=10)[0]


def test_no_color_is_heard():
    """Neither foreground nor background is set."""
    colours = r"\x1b\[(\d+;)*[349]\d"
    assert re.search(colours, on_terminal(80)[1])
    assert not re.search(colours, on_terminal(80, environment={"NO_COLOR": "1"})[1])


def test_a_terminal_that_changes_its_size_is_followed():
    """Each drawing is laid out for the width of its moment."""
    console = Console(
        file=io.StringIO(), force_terminal=True, width=100, height=30, _environ={"TERM": "xterm"}
    )
    with SweepProgress(OBJECTIVES, total=9, console=console) as bar:
        for number in range(5):
            bar.trial_ended(finished(number, 1.0 + number, 9.0 - number))
        bar.show()
        for width in (100, 30, 60):
            console.width = width
            with console.capture() as drawn:
                console.print(bar._view)
            widths = [len(line.rstrip()) for line in bare(drawn.get()).splitlines()]
            assert width // 2 < max(widths) <= width


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(clock, capsys):
    """As a pipe does."""
    console = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    with SweepProgress(OBJECTIVES, total=1, console=console) as bar:
        bar.trial_ended(finished(0))
    assert console.file.getvalue() == ""
    assert "trial 1/1" in capsys.readouterr().err


def test_a_notebook_shows_one_bar_and_no_line(monkeypatch, capsys):
    """It changes in its place; what a sweep says of its way is not printed there."""
    shown, handles = [], []

    class Handle:
        """What IPython gives for something that is displayed."""

        update = staticmethod(shown.append)

    def display(what, display_id):
        shown.append(what)
        handles.append(Handle())
        return handles[-1]

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    module = types.ModuleType("IPython.display")
    module.HTML, module.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    with SweepProgress({"<rmse>": "minimize"}, total=2) as bar:
        tell("trainer: fit")
        bar.show()
    assert len(handles) == 1
    assert shown[-1].startswith('<progress value="0" max="2"></progress> 0/2 trials')
    assert "".join(capsys.readouterr()) == ""


def test_names_in_a_notebook_are_no_markup():
    """A metric with a tag in its name is text."""
    assert "<b>" not in as_html(Standing(best="best <b> 1"))


def test_a_spread_front_is_drawn_on_logarithmic_axes():
    """Three decades are a third of the axis each; a smaller spread is linear."""
    axes = {"a": "minimize", "b": "minimize"}
    places = [(1.0, 4.0), (10.0, 3.0), (100.0, 2.0), (1000.0, 1.0)]
    columns = sorted(line.index("o") for line in draw_front(places, axes, 40, ascii_only=True)
                     if "o" in line)  # fmt: skip
    assert {b - a for a, b in pairwise(columns)} <= {11, 12, 13}
    assert draw_front(places[:2], axes, 40) == []
    assert draw_front(places, {"a": "minimize"}, 40) == []


def test_what_cannot_be_beaten_is_known_in_both_directions():
    """Also where one objective is maximised, and of points that are equal."""
    points = [(1.0, 1.0), (2.0, 3.0), (2.0, 3.0), (3.0, 2.0)]
    assert unbeaten(points, ("minimize", "maximize")) == [True, True, True, False]
    assert unbeaten(points, ("maximize", "maximize")) == [False, True, True, True]
