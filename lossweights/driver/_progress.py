"""Progress of a sweep: on a terminal or in a notebook a view of it, elsewhere plain lines."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Mapping

from rich.console import Console

from lossweights.base.notebook import in_notebook
from lossweights.dominance.judge import judge_results
from lossweights.driver._notebook import NotebookView
from lossweights.driver._standing import Point, Standing
from lossweights.driver._terminal import TerminalView
from lossweights.records import Outcome
from lossweights.results.folder import Finished
from lossweights.results.pace import Pace, as_minutes

SECONDS_BETWEEN_LINES = 5.0
SECONDS_OF_JUDGING = 0.02  # of each second, at most: it takes milliseconds a trial


class SweepProgress:
    """Trials done, time left and the best value of each objective so far; a context manager.

    What is counted before the context is entered was before: it has its part in done and best, and
    none in the pace.

    Args:
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        total: Weight sets to be tried.
        console: Where to show it; by default standard error, so that output can be piped.
        quiet: Show nothing.
        what: What is counted.
        done: How many of them were before.
    """

    def __init__(
        self,
        objectives: Mapping[str, str],
        total: int,
        console: Console | None = None,
        *,
        quiet: bool = False,
        what: str = "trial",
        done: int = 0,
    ) -> None:
        self._what = what
        self._objectives = dict(objectives)
        self._best: dict[str, float] = {}
        self._outcomes: Counter[Outcome] = Counter()
        self._total, self._done, self._before, self._shown = total, done, done, done
        self._last_line = time.monotonic()
        self._pace = Pace()
        self._console = console or Console(stderr=True)
        self._quiet = quiet
        self._points: list[Point] = []
        self._unjudged: deque[Finished] = deque()
        self._drivers: Counter[str] = Counter()
        self._judged = 0
        self._view: TerminalView | NotebookView | None = None
        if quiet:
            return
        if in_notebook():
            self._view = NotebookView()
        elif self._console.is_interactive:  # not one that cannot move its cursor
            self._view = TerminalView(self._console)

    def __enter__(self) -> SweepProgress:
        self._before = self._shown = self._done
        self._pace.begin(1)
        if self._view is not None:
            self._view.open(self._standing())
        return self

    def begin(self, at_once: int) -> None:
        """Training begins, with so many trials at once: the pace is taken from now."""
        self._pace.begin(at_once)

    def __exit__(self, *_: object) -> None:
        self.show()
        if self._view is not None:
            self._view.close()

    def count(self, finished: Finished) -> None:
        """Count a trial; one whose weights are tried again does not count."""
        if finished.again:
            return
        self._done += 1
        self._outcomes[finished.result.outcome] += 1
        if finished.result.outcome is Outcome.COMPLETE:
            self._improve(finished.result.metrics)
        if self._view is not None:
            self._unjudged.append(finished)

    def trial_ended(self, finished: Finished) -> None:
        """Count a trial of this process."""
        self.count(finished)
        if not finished.again:
            self._pace.trial_ended()

    def show(self) -> None:
        """Bring the view up to date, or where there is none show a line if one is due.

        Called about once a second, between trials that end together.
        """
        if self._view is not None:
            self._judge()
            self._view.show(self._standing())
        elif not self._quiet and self._line_is_due():
            self._last_line, self._shown = time.monotonic(), self._done
            line = f"{self._what} {self._done}/{self._total}  {self._words()}"
            print(line.rstrip(), file=sys.stderr, flush=True)

    def seconds_left(self) -> float | None:
        """Time left at the pace so far; ``None`` while it cannot be told."""
        return self._pace.seconds_left(self._total - self._done)

    def _words(self) -> str:
        """Time left, if it can be told, the best of each objective, and what went wrong."""
        left = self._left()
        return "  ".join(filter(None, [left and f"time left {left}", self._summary()]))

    def _left(self) -> str:
        seconds = self.seconds_left()
        return "" if seconds is None else as_minutes(seconds)

    def _standing(self) -> Standing:
        return Standing(
            done=self._done,
            total=self._total,
            left=self._left(),
            best=self._summary(),
            drivers=dict(self._drivers.most_common()),
            judged=self._judged,
            axes=dict(list(self._objectives.items())[:2]),
            points=tuple(self._points),
            what=self._what,
        )

    def _judge(self) -> None:
        """Judge trials that have ended, as many as there is time for."""
        until = time.monotonic() + SECONDS_OF_JUDGING
        while self._unjudged and time.monotonic() < until:
            finished = self._unjudged.popleft()
            for verdict in judge_results({finished.asked.number: finished.result}).values():
                self._judged += not verdict.undetermined
                if verdict.driver is not None:
                    self._drivers[verdict.driver] += 1

    def _improve(self, metrics: Mapping[str, float]) -> None:
        for name, direction in self._objectives.items():
            better = max if direction == "maximize" else min
            self._best[name] = better(self._best.get(name, metrics[name]), metrics[name])
        if len(self._objectives) > 1:
            x, y, *_ = (metrics[name] for name in self._objectives)
            self._points.append((x, y))

    def _summary(self) -> str:
        best = ", ".join(f"{name} {value:.4g}" for name, value in self._best.items())
        unwell = [
            f"{count} {outcome.name.lower()}"
            for outcome, count in self._outcomes.items()
            if outcome is not Outcome.COMPLETE
        ]
        return "  ".join([f"best {best}" if best else "", *unwell]).strip()

    def _line_is_due(self) -> bool:
        if self._done == self._shown:
            return False
        first = self._shown == self._before
        late = time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES
        return first or late or self._done == self._total
