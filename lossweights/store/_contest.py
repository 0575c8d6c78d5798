"""The journal of the contest in the hands of its one writer; `lossweights.results.contest` reads.

A training's line is written, and flushed to the disk, before anybody else hears of its end. So
after a kill exactly what has no line is trained again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from lossweights.base.errors import StoreError
from lossweights.base.files import write_atomic
from lossweights.results.contest import (
    FILE,
    Contest,
    Contestant,
    ContestLines,
    Outing,
    begin_lines,
    outing_line,
    read_contest,
)
from lossweights.results.folder import quarantine

log = logging.getLogger("lossweights")


class ContestJournal:
    """The contest of a sweep, open for writing by this process alone.

    A line that a kill cut off is removed; a file with a line that cannot be read is set aside, and
    the lines that can be are kept.

    Args:
        folder: The sweep folder, whose lock this process holds.

    Raises:
        StoreError: The journal cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lines = ContestLines()
        broken: list[StoreError] = []
        kept = read_contest(folder, lambda _, error: broken.append(error))
        whole = _lines_of(kept)
        if broken:
            aside = quarantine(self._path).name
            log.warning("%s It is kept as %s", broken[0], aside)
        if broken or not self._ends_whole():
            write_atomic(self._path, b"".join(whole))
        for line in whole:
            self._lines.add(line)

    @property
    def contest(self) -> Contest:
        """What is known of it."""
        return self._lines.contest

    def begin(
        self, look: int, contestants: Sequence[Contestant], seeds: Sequence[int], changes: int = 0
    ) -> None:
        """A look begins. What was trained in it of contestants that are entered again stays.

        Args:
            look: Its number.
            contestants: Who is entered.
            seeds: What all of them are trained from.
            changes: How many changes of the sweep have been accepted by now.

        Raises:
            StoreError: It cannot be written.
        """
        self._append(begin_lines(look, contestants, seeds, changes))

    def keep(self, outings: Iterable[Outing]) -> None:
        """Trainings have ended.

        Raises:
            StoreError: It cannot be written.
        """
        self._append([outing_line(outing) for outing in outings])

    def _ends_whole(self) -> bool:
        """Whether the file ends with a line, or has none."""
        text = self._path.read_bytes() if self._path.exists() else b""
        return not text or text.endswith(b"\n")

    def _append(self, lines: Sequence[bytes]) -> None:
        try:
            with self._path.open("ab") as stream:
                stream.write(b"".join(lines))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StoreError(
                f"Cannot write {self._path}: {error}. Check the disk's free space, then resume."
            ) from error
        for line in lines:
            self._lines.add(line)


def _lines_of(contest: Contest) -> list[bytes]:
    """The lines that come to a contest."""
    lines = []
    for look, contestants in contest.contestants.items():
        seeds = contest.seeds.get(look, ())
        lines += begin_lines(look, contestants, seeds, contest.changes.get(look, 0))
    return [*lines, *(outing_line(outing) for outing in contest.outings)]
