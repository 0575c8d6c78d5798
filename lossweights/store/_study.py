"""The Optuna study on disk: a row for each trial, written in groups. Others may read it any time.

Nothing here is the only place of a number: the result files are written first, and the study is
made anew from them if its file is damaged. Readers such as optuna-dashboard see a plain study.
"""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from lossweights.base.errors import StoreError
from lossweights.records import Outcome
from lossweights.results.folder import Asked
from lossweights.search.feasibility import constraint_attributes
from lossweights.search.sampler import distributions
from lossweights.search.space import Space
from lossweights.store._drivers import NOTE
from lossweights.store._told import STATES, attributes, end_attributes

LOCK_SECONDS = 60  # a reader may hold the database for that long
MAX_TRIES = 5
_NONE = optuna.samplers.RandomSampler()  # nothing is sampled here; the usual one takes longer


class DamagedStudy(StoreError):
    """A file that is no study, or no longer."""


class _Connection(sqlite3.Connection):
    """A connection that can put its commits off: each costs the disk several flushes."""

    held = False
    lost = False  # a statement failed, and took what was put off with it

    def commit(self) -> None:
        if not self.held:
            super().commit()

    def rollback(self) -> None:
        self.lost = True
        super().rollback()


class Study:
    """The rows of one study, for the process that holds the sweep's lock.

    Args:
        path: The SQLite file.
        name: Name of the study.
        directions: ``"minimize"`` or ``"maximize"`` for each objective.
        names: Names of the objectives, which others show; none leaves them as they are.
        create: Make it, or open what is there.

    Raises:
        StoreError: It cannot be made, or it is damaged; the message names the file.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        directions: Sequence[str],
        *,
        names: Sequence[str] = (),
        create: bool = False,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._path = path
        self._ids: dict[int, int] = {}  # of trials that are not finished, by number
        with self._named():
            self._connection = sqlite3.connect(
                path, timeout=LOCK_SECONDS, check_same_thread=False, factory=_Connection
            )
        try:
            with self._named():
                self._open(name, directions, create=create)
                self._present(name, names)
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def of_manifest(cls, path: Path, manifest: Mapping[str, Any], *, create: bool = False) -> Self:
        """The study of a sweep, as its manifest has it."""
        name, objectives = str(manifest["name"]), manifest["objectives"]
        directions = list(objectives.values())
        return cls(path, name, directions, names=list(objectives), create=create)

    def _open(self, name: str, directions: Sequence[str], *, create: bool) -> None:
        found = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        self._storage = RDBStorage(
            "sqlite:///",  # the dialect alone: a path may hold what an address may not
            engine_kwargs={
                "creator": lambda: self._connection,
                "poolclass": StaticPool,  # one connection: a group of rows is one transaction
                "pool_reset_on_return": None,
            },
        )
        if create:
            optuna.create_study(
                study_name=name,
                storage=self._storage,
                directions=list(directions),
                pruner=optuna.pruners.NopPruner(),
            )
        self._study_id = self._storage.get_study_id_from_name(name)

    def _present(self, name: str, names: Sequence[str]) -> None:
        """Have others, such as optuna-dashboard, show names of objectives and where the report is.

        The link is that of where the study is now: the root may have been moved.
        """
        report = (self._path.parent / "report.html").resolve().as_uri()
        if self._storage.get_study_user_attrs(self._study_id).get("report") != report:
            self._storage.set_study_user_attr(self._study_id, "report", report)
        study = optuna.load_study(study_name=name, storage=self._storage, sampler=_NONE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            if names and study.metric_names != list(names):
                study.set_metric_names(list(names))

    def close(self) -> None:
        """Let go of the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()
        self._connection.close()

    def trials(self) -> list[FrozenTrial]:
        """All trials in order of their numbers."""
        with self._named():
            found = self._storage.get_all_trials(self._study_id, deepcopy=False)
        self._ids = {
            t.number: self._storage.get_trial_id_from_study_id_trial_number(
                self._study_id, t.number
            )
            for t in found
            if not t.state.is_finished()
        }
        return found

    def begin(self, asked: Asked, weights: Mapping[str, float], space: Space) -> None:
        """A trial is running; its number must be the next one."""
        self.add(
            asked.number,
            create_trial(
                state=TrialState.RUNNING,
                params=dict(asked.parameters),
                distributions=distributions(space),
                user_attrs=attributes(asked, weights),
            ),
        )

    def add(self, number: int, trial: FrozenTrial) -> None:
        """Add a trial of that number, running or finished."""
        with self._named():
            trial_id = self._storage.create_new_trial(self._study_id, trial)
            row = self._connection.execute("SELECT number FROM trials WHERE trial_id=?", [trial_id])
            found = row.fetchone()[0]
        if found != number:
            raise StoreError(
                f"Expected trial {number} as the next one in {self._path}. Found {found}: another "
                f"program has added trials. One process at a time may write a sweep."
            )
        if not trial.state.is_finished():
            self._ids[number] = trial_id

    def end(
        self,
        number: int,
        outcome: Outcome,
        values: Sequence[float] | None,
        last: float | None = None,
        rungs: Mapping[int, Sequence[float]] | None = None,
        constraints: Mapping[str, float] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """A running trial has ended; one that had ended before is left as it is."""
        trial_id = self._ids.pop(number, None)
        if trial_id is None:
            return
        with self._named():
            noted = {**(notes or {}), **end_attributes(outcome, rungs or {})}
            rows = [(trial_id, key, json.dumps(value)) for key, value in noted.items()]
            self._connection.executemany(NOTE, rows)
            if last is not None:
                self._storage.set_trial_intermediate_value(trial_id, 0, last)
            for key, number in constraint_attributes(constraints or {}).items():
                self._storage.set_trial_system_attr(trial_id, key, number)
            self._storage.set_trial_state_values(trial_id, STATES[outcome], values)

    @contextmanager
    def grouped(self) -> Iterator[None]:
        """Write what happens inside in one transaction: all of it or nothing.

        Raises:
            StoreError: The disk is full, or somebody held the database for minutes.
        """
        connection = self._connection
        with self._named():
            self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
        connection.held, connection.lost = True, False
        try:
            yield
            if connection.lost:
                raise StoreError(f"Cannot write {self._path}: a statement failed.")
            connection.held = False
            with self._named():
                self._patiently(connection.commit)
        except BaseException:
            connection.held = False
            with suppress(sqlite3.Error):
                connection.rollback()
            raise

    def _patiently(self, write: Callable[[], object]) -> None:
        for attempt in range(1, MAX_TRIES + 1):
            try:
                write()
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or attempt == MAX_TRIES:
                    raise

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors of the database name the file and say what can be done."""
        try:
            yield
        except (OptunaError, SQLAlchemyError, sqlite3.Error, OSError) as error:
            cause = _cause(error)
            if type(cause) is sqlite3.DatabaseError:  # its children are no damage
                raise self._damaged(cause) from error
            raise StoreError(
                f"Cannot use {self._path}: {cause}. Check the disk's free space, the rights of the "
                f"folder, and whether another program holds the file."
            ) from error
        except (KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
            raise self._damaged(error) from error  # rows that hold what Optuna never wrote

    def _damaged(self, error: BaseException) -> DamagedStudy:
        return DamagedStudy(f"Expected the study of a sweep in {self._path}. Found: {error}.")


def _cause(error: BaseException) -> BaseException:
    """The error of the database below those of SQLAlchemy and Optuna."""
    while (below := getattr(error, "orig", None) or error.__cause__) is not None:
        error = below
    return error
