"""Settling what a driver left open: result files and study are brought to agree, nothing dropped.

The result files decide. Trial by trial, with the row that the study has and the file, if any:

    running, file          it ended, and only the study was not told: it is told
    running, no file       it was cut short: failed, and its weights are due again
    ended, no file         its file was damaged or taken away: it is trained again, as itself
    ended, file            done; due again if its file says so and no other trial has tried
    no row, file           the study is not the one of this sweep: it is made anew
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from lossweights.base.errors import StoreError
from lossweights.records import EpochReport, Failure, Outcome, TrialResult
from lossweights.results.folder import Asked, Finished, list_results, quarantine
from lossweights.search.aims import Aims
from lossweights.search.sampler import distributions
from lossweights.search.space import Space
from lossweights.store._spool import Spool
from lossweights.store._study import DamagedStudy, Study
from lossweights.store._told import (
    RETRY_OF,
    STATES,
    attributes,
    constraints_of,
    end_attributes,
    end_notes,
    last_of,
    objective_values,
    rung_values,
)
from lossweights.training import Member

log = logging.getLogger("lossweights")

_STOPPED = "the driver ended before the trial did"


@dataclass
class Settled:
    """Where a sweep stands.

    Attributes:
        trials: How many trials the study has.
        places: Place of each trial, by number.
        history: What has ended for good, in order of places.
        due: Trials whose weights are to be tried again.
        redo: Those of them that keep their number, since the study knows how they ended.
        told: What is to be written now.
        killed: Places at which a worker died before.
    """

    trials: int
    places: dict[int, int] = field(default_factory=dict)
    history: list[Finished] = field(default_factory=list)
    due: list[Asked] = field(default_factory=list)
    redo: set[int] = field(default_factory=set)
    told: list[Finished] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)


def settle(
    study: Study,
    results: Mapping[int, Finished],
    spool: Spool,
    member: Callable[[Asked], Member],
) -> Settled:
    """Find where a sweep stands, from the rows of its study and its result files.

    Args:
        study: The rows.
        results: The result files, by number.
        spool: Reports of trials that were training.
        member: What was trained for a trial.
    """
    rows = study.trials()
    settled = Settled(len(rows))
    ended: dict[int, Finished] = {}  # by place: of several trials the last one counts
    waiting: dict[int, Asked] = {}
    for row in rows:
        if not row.params:
            continue  # stands in for a trial of which nothing is left
        asked = _asked(row)
        place = settled.places[row.number] = _place(settled, asked)
        waiting.pop(place, None)  # this trial is the one that tries it again
        finished = results.get(row.number)
        if finished is None and row.state in (TrialState.RUNNING, TrialState.FAIL):
            finished = _cut_short(asked, member(asked), spool.read(row.number))
            settled.told.append(finished)
        elif finished is None:
            settled.redo.add(row.number)
        elif not row.state.is_finished():
            settled.told.append(finished)
        if finished is None or finished.again:
            waiting[place] = asked
            if finished is not None and finished.result.failure is Failure.WORKER_KILLED:
                settled.killed.add(place)
        else:
            ended[place] = finished
    settled.history = [ended[place] for place in sorted(ended)]
    settled.due = [waiting[place] for place in sorted(waiting)]
    return settled


def _place(settled: Settled, asked: Asked) -> int:
    if asked.retry_of in settled.places:
        return settled.places[asked.retry_of]
    return 1 + max(settled.places.values(), default=-1)


def _asked(row: FrozenTrial) -> Asked:
    kind, retry_of = row.user_attrs.get("kind", "trial"), row.user_attrs.get(RETRY_OF)
    return Asked(row.number, dict(row.params), str(kind), retry_of, row.user_attrs.get("baseline"))


def _cut_short(
    asked: Asked, member: Member, spooled: tuple[tuple[EpochReport, ...], tuple[int, ...]]
) -> Finished:
    reports, times = spooled
    result = TrialResult(
        weights=dict(member.weights),
        chosen=dict(member.chosen),
        seed=member.seed,
        outcome=Outcome.FAILED,
        reports=reports,
        reason=_STOPPED,
        failure=Failure.INTERRUPTED,
    )
    return Finished(asked, result, times, again=True)


def open_study(
    path: Path, folder: Path, manifest: Mapping[str, Any], space: Space, aims: Aims
) -> tuple[Study, dict[int, Finished]]:
    """The study and the result files of a sweep; what is damaged is set aside.

    Args:
        path: File of the study.
        folder: The sweep folder.
        manifest: What is swept.
        space: What is sampled.
        aims: What the sweep aims at besides.

    Raises:
        StoreError: A file cannot be read or written for reasons other than damage.
    """
    results = list_results(folder, damaged=_set_aside)
    try:
        if not path.exists():
            raise DamagedStudy(f"There is no {path}.")
        study = Study.of_manifest(path, manifest)
        if max(results, default=-1) < len(study.trials()):
            return study, results
        study.close()
        raise DamagedStudy(f"Expected a row for each result in {path}. Found fewer.")
    except DamagedStudy as error:
        log.warning("%s It is made anew from the result files.", error)
        for file in (path, path.with_name(f"{path.name}-journal")):
            if file.exists():
                quarantine(file)
    return _rebuilt(path, manifest, space, aims, results), results


def _set_aside(path: Path, error: StoreError) -> None:
    log.warning("%s It is kept as %s.", error, quarantine(path).name)


def _rebuilt(
    path: Path,
    manifest: Mapping[str, Any],
    space: Space,
    aims: Aims,
    results: Mapping[int, Finished],
) -> Study:
    """A study with a row for each result; a number without one has a failure in its place."""
    study = Study.of_manifest(path, manifest, create=True)
    with study.grouped():
        for number in range(1 + max(results, default=-1)):
            if number in results:
                study.add(number, _row(results[number], manifest, space, aims))
            else:
                study.add(number, create_trial(state=TrialState.FAIL))
    return study


def _row(finished: Finished, manifest: Mapping[str, Any], space: Space, aims: Aims) -> FrozenTrial:
    result, objectives = finished.result, list(manifest["objectives"])
    last, rungs = last_of(result, objectives), rung_values(result, manifest)
    begun = attributes(finished.asked, result.weights)
    return create_trial(
        state=STATES[result.outcome],
        values=objective_values(result, objectives),
        params=dict(finished.asked.parameters),
        distributions=distributions(space),
        user_attrs={**begun, **end_notes(result), **end_attributes(result.outcome, rungs)},
        intermediate_values={} if last is None else {0: last},
        constraints=constraints_of(result, aims),
    )
