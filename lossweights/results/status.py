"""How a sweep goes on, in a small file that its driver writes and ``lossweights status`` reads."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lossweights.base.commands import DEFAULT_ROOT, command
from lossweights.base.strict_json import canonical_json, parse_json
from lossweights.results.folder import Finished, list_results, read_manifest, sweep_folder
from lossweights.results.pace import Pace, as_minutes
from lossweights.results.promotion import Promoted, promoted_now

WRITE_SECONDS = 0.5


@dataclass(frozen=True)
class Worker:
    """A worker: its process id, the numbers of the trials that it trains, and its node if any."""

    pid: int
    trials: tuple[int, ...]
    node: str = ""

    def __str__(self) -> str:
        many = f"{len(self.trials)} trials from {min(self.trials, default=0)} on"
        doing = f"trial {self.trials[0]}" if len(self.trials) == 1 else many
        where = f" on {self.node}" if self.node else ""
        return f"{self.pid}{where}: {doing if self.trials else 'waiting'}"


@dataclass(frozen=True)
class Status:
    """How a sweep stands.

    Attributes:
        name: Name of the sweep.
        running: Whether a driver holds it now.
        driver: Process id of the driver, or of the last one.
        wanted: How many weight sets are to be tried.
        done: How many have been.
        outcomes: How trials ended, by outcome; those whose weights were tried again count too.
        trials_an_hour: The driver's pace; 0 while it cannot be told, as before the second trial.
        seconds_left: At that pace; ``None`` if nothing is under way or it cannot be told.
        workers: The workers at this moment.
        tracking: What the tracker says of itself; empty without tracking.
        contest: What is trained beside the trials, how many are done and how many there are, such
            as ``"confirmation 12 of 60"``; empty if nothing is.
        promoted: Which pick is promoted, or ``None`` if none is.
    """

    name: str
    running: bool
    driver: int | None
    wanted: int
    done: int
    outcomes: Mapping[str, int]
    trials_an_hour: float
    seconds_left: float | None
    workers: tuple[Worker, ...]
    tracking: Mapping[str, Any] = field(default_factory=dict)
    contest: str = ""
    promoted: Promoted | None = None

    def describe(self, root: Path = DEFAULT_ROOT) -> str:
        """The status in a few lines for a person.

        Args:
            root: Folder of the sweeps, for the command that it may advise.
        """
        state = f"running, driver {self.driver}" if self.running else "not running"
        ended = ", ".join(f"{count} {name.lower()}" for name, count in self.outcomes.items())
        lines = [
            f"{self.name}: {state}",
            f"  trials    {self.done} of {self.wanted} ({ended or 'none ended yet'})",
        ]
        if self.contest:
            lines.append(f"  contest   {self.contest}")
        elif self.running:
            lines.append(f"  pace      {self._pace()}")
        if self.running:
            lines.extend(f"  worker    {worker}" for worker in self.workers)
        if self.tracking:
            lines.append(f"  tracking  {self._tracking(root)}")
        if self.promoted is not None:
            lines.append(f"  promoted  {self.promoted}")
        return "\n".join(lines)

    def _pace(self) -> str:
        if self.seconds_left is None:
            return "not known yet"
        return f"{self.trials_an_hour:.0f} trials an hour, {as_minutes(self.seconds_left)} left"

    def _tracking(self, root: Path) -> str:
        waiting = self.tracking.get("waiting", 0)
        since, error = self.tracking.get("offline_since"), self.tracking.get("error")
        if since is None:
            return "online" + (f", {waiting} trials waiting" if waiting else "")
        way = "" if self.running else f"; write them with `{command('sync', self.name, root)}`"
        return f"offline since {since}, {waiting} trials waiting{way} ({error})"


class StatusBoard:
    """Keeps the status file of a sweep up to date.

    The file is a convenience: it is not flushed to the disk, and an error in writing it is no error
    of the sweep.

    Args:
        folder: The sweep folder.
        wanted: How many weight sets are to be tried.
    """

    def __init__(self, folder: Path, wanted: int) -> None:
        self._path, self._wanted = folder / "status.json", wanted
        self._done = 0
        self._outcomes = Counter[str]()
        self._pace = Pace()
        self._contest: tuple[str, int, int] | None = None
        self._due = time.monotonic()

    def begin(self, at_once: int) -> None:
        """Training begins: what has been counted was before, and the pace is taken from now.

        Args:
            at_once: How many trials are under way at once.
        """
        self._pace.begin(at_once)

    def trial_ended(self, finished: Finished) -> None:
        """Count a trial."""
        self._outcomes[finished.result.outcome.name] += 1
        if not finished.again:
            self._done += 1
            self._pace.trial_ended()

    def race(self, what: str, done: int, wanted: int) -> None:
        """Trainings beside the trials begin.

        Args:
            what: What each of them is.
            done: How many were before.
            wanted: How many there are.
        """
        self._contest = (what, done, wanted)

    def outing_ended(self) -> None:
        """Count one of them."""
        if self._contest is not None:
            what, done, wanted = self._contest
            self._contest = (what, done + 1, wanted)

    def write(
        self, workers: Iterable[Worker], tracking: Mapping[str, Any], *, last: bool = False
    ) -> None:
        """Write the file, unless that was done just now.

        Args:
            workers: The workers at this moment.
            tracking: What the tracker says of itself.
            last: Write it in any case.
        """
        clock = time.monotonic()
        if clock < self._due and not last:
            return
        self._due = clock + WRITE_SECONDS
        value = {
            "driver": os.getpid(),
            "wanted": self._wanted,
            "done": self._done,
            "outcomes": dict(self._outcomes),
            "trials_an_hour": self._pace.trials_an_hour,
            "seconds_left": self._pace.seconds_left(max(self._wanted - self._done, 0)),
            "workers": [asdict(worker) for worker in workers],
            "tracking": dict(tracking),
            "contest": self._raced(),
        }
        temporary = self._path.with_name(".status.json")
        with suppress(OSError):
            temporary.write_bytes(canonical_json(value))
            temporary.replace(self._path)

    def _raced(self) -> str:
        return "" if self._contest is None else "{} {} of {}".format(*self._contest)


def read_status(root: Path, name: str) -> Status:
    """How a sweep stands now; while it runs, as of a second ago.

    Raises:
        SweepNotFound: There is no sweep of this name.
        StoreError: A file of the sweep is damaged.
    """
    read_manifest(root, name)
    folder = sweep_folder(root, name)
    running = is_running(folder)
    noted = _read(folder / "status.json")
    done, outcomes = noted.done, noted.outcomes
    if not running or noted.driver is None:
        results = list_results(folder).values()
        done = sum(not finished.again for finished in results)
        outcomes = Counter(finished.result.outcome.name for finished in results)
    return Status(
        name=name,
        running=running,
        driver=noted.driver,
        wanted=max(noted.wanted, done),
        done=done,
        outcomes=dict(outcomes),
        trials_an_hour=noted.trials_an_hour,
        seconds_left=noted.seconds_left if running else None,
        workers=noted.workers if running else (),
        tracking=noted.tracking,
        contest=noted.contest if running else "",
        promoted=promoted_now(root, name),
    )


def noted_tracking(folder: Path) -> Mapping[str, Any]:
    """What the tracker of a sweep last said of itself; empty where nothing is known."""
    return _read(folder / "status.json").tracking


@dataclass(frozen=True)
class _Noted:
    """What the status file says."""

    driver: int | None = None
    wanted: int = 0
    done: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    trials_an_hour: float = 0.0
    seconds_left: float | None = None
    workers: tuple[Worker, ...] = ()
    tracking: Mapping[str, Any] = field(default_factory=dict)
    contest: str = ""


def _read(path: Path) -> _Noted:
    """The status file, or nothing if there is none or it is damaged: it is a convenience."""
    try:
        value = parse_json(path.read_bytes())
        tracking = value["tracking"]
        return _Noted(
            driver=int(value["driver"]),
            wanted=int(value["wanted"]),
            done=int(value["done"]),
            outcomes={str(name): int(count) for name, count in value["outcomes"].items()},
            trials_an_hour=float(value["trials_an_hour"]),
            seconds_left=None if value["seconds_left"] is None else float(value["seconds_left"]),
            workers=tuple(
                Worker(int(w["pid"]), tuple(map(int, w["trials"])), str(w.get("node", "")))
                for w in value["workers"]
            ),
            tracking=tracking if isinstance(tracking, dict) else {},
            contest=str(value.get("contest", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return _Noted()


def is_running(folder: Path) -> bool:
    """Whether a driver holds the lock of a sweep folder; the lock dies with it."""
    from lossweights.results.locks import is_held  # a library that weight sets do not need

    return is_held(folder / "lock")
