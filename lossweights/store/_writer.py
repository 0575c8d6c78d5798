"""What a sweep writes, in groups: the result files first, then the rows of the study.

A crash, or an error, between the two leaves what `lossweights.store._settle` settles.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lossweights.base.errors import StoreError
from lossweights.results.folder import Asked, Finished, write_results
from lossweights.search.aims import Aims
from lossweights.search.space import Space
from lossweights.store._spool import Spool
from lossweights.store._study import Study
from lossweights.store._told import (
    constraints_of,
    end_notes,
    last_of,
    objective_values,
    rung_values,
)
from lossweights.training import Member

MAX_GROUP = 128  # writes in one transaction; more of them cost each no less


class Writer:
    """Trials that began and trials that ended, on their way to the disk.

    One thread may add and another one flush.

    Args:
        folder: The sweep folder.
        study: The rows.
        spool: Reports of running trials, which are forgotten once the result is kept.
        space: What is sampled.
        manifest: What is swept.
        aims: What the sweep aims at besides.
        member: What is trained for a trial.
    """

    def __init__(
        self,
        folder: Path,
        study: Study,
        spool: Spool,
        space: Space,
        manifest: Mapping[str, Any],
        aims: Aims,
        member: Callable[[Asked], Member],
    ) -> None:
        self._folder, self._study, self._spool = folder, study, spool
        self._space, self._manifest, self._member = space, manifest, member
        self.aims = aims  # those of a sweep that goes on after a change are others
        self._waiting: deque[Asked | Finished] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Asked | Finished) -> None:
        """A trial that began, or one that ended."""
        self._waiting.append(item)

    def flush(self) -> list[Finished]:
        """Write what has waited longest, a group at most; the trials whose results are now safe.

        After an error everything that is not written is still waiting.

        Raises:
            StoreError: It cannot be written.
        """
        group = [self._waiting[i] for i in range(min(len(self._waiting), MAX_GROUP))]
        begun = [item for item in group if isinstance(item, Asked)]
        ended = [item for item in group if isinstance(item, Finished)]
        if {asked.number for asked in begun} & {finished.asked.number for finished in ended}:
            # Of a trial this short, a crash could leave a result that no row of the study knows.
            self._begin(begun, ended)
            self._drop(len(group))
            self._waiting.extendleft(reversed(ended))
            group = list(ended)
        if group:
            write_results(self._folder, ended)
            self._write_rows(group)
            self._drop(len(group))
        for finished in ended:
            self._spool.remove(finished.asked.number)
        return ended

    def _begin(self, begun: Sequence[Asked], ended: Sequence[Finished]) -> None:
        """Write the rows of trials that have ended already; without them the results are kept."""
        try:
            self._write_rows(begun)
        except StoreError:
            write_results(self._folder, ended)
            raise

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()

    def _write_rows(self, group: Sequence[Asked | Finished]) -> None:
        with self._study.grouped():
            for item in group:
                if isinstance(item, Asked):
                    self._study.begin(item, self._member(item).weights, self._space)
                else:
                    self._write_end(item)

    def _write_end(self, finished: Finished) -> None:
        result, names = finished.result, list(self._manifest["objectives"])
        values, last = objective_values(result, names), last_of(result, names)
        rungs = rung_values(result, self._manifest)
        constraints = constraints_of(result, self.aims)
        notes = end_notes(result)
        self._study.end(
            finished.asked.number, result.outcome, values, last, rungs, constraints, notes
        )
