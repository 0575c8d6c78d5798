"""Progress of a sweep on the terminal: a bar where there is one, plain lines where there is not."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as RichProgress

from lossweights.records import Outcome
from lossweights.results.folder import Finished
from lossweights.results.pace import Pace, as_minutes

SECONDS_BETWEEN_LINES = 5.0


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
        self._bar: RichProgress | None = None
        if self._console.is_terminal and not quiet:
            self._bar = RichProgress(
                TextColumn(f"{what}s"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[words]}"),
                console=self._console,
            )
            self._task = self._bar.add_task(what, total=total, words="")

    def __enter__(self) -> SweepProgress:
        self._before = self._shown = self._done
        self._pace.begin(1)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, words=self._words())
            self._bar.start()
        return self

    def begin(self, at_once: int) -> None:
        """Training begins, with so many trials at once: the pace is taken from now."""
        self._pace.begin(at_once)

    def __exit__(self, *_: object) -> None:
        self.show()
        if self._bar is not None:
            self._bar.stop()

    def count(self, finished: Finished) -> None:
        """Count a trial; one whose weights are tried again does not count."""
        if finished.again:
            return
        self._done += 1
        self._outcomes[finished.result.outcome] += 1
        if finished.result.outcome is Outcome.COMPLETE:
            self._improve(finished.result.metrics)

    def trial_ended(self, finished: Finished) -> None:
        """Count a trial of this process."""
        self.count(finished)
        if not finished.again:
            self._pace.trial_ended()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)

    def show(self) -> None:
        """Bring the bar up to date, or where there is none show a line if one is due.

        Called about once a second, between trials that end together.
        """
        if self._bar is not None:
            self._bar.update(self._task, words=self._words())
        elif not self._quiet and self._line_is_due():
            self._last_line, self._shown = time.monotonic(), self._done
            line = f"{self._what} {self._done}/{self._total}  {self._words()}"
            print(line.rstrip(), file=sys.stderr, flush=True)

    def seconds_left(self) -> float | None:
        """Time left at the pace so far; ``None`` while it cannot be told."""
        return self._pace.seconds_left(self._total - self._done)

    def _words(self) -> str:
        """Time left, if it can be told, the best of each objective, and what went wrong."""
        left = self.seconds_left()
        shown = [] if left is None else [f"time left {as_minutes(left)}"]
        return "  ".join([*shown, *filter(None, [self._summary()])])

    def _improve(self, metrics: Mapping[str, float]) -> None:
        for name, direction in self._objectives.items():
            better = max if direction == "maximize" else min
            self._best[name] = better(self._best.get(name, metrics[name]), metrics[name])

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
