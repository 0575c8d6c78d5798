"""The result of a sweep: a table of trials, the Pareto front, picks and the verdict."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from lossweights.base.errors import PickError, StoreError
from lossweights.dominance.judge import judge_results
from lossweights.dominance.sweep_verdict import SweepVerdict, judge_sweep_results
from lossweights.dominance.verdict import Verdict
from lossweights.loss.weight_set import WeightSet
from lossweights.records import Outcome, TrialResult
from lossweights.results._incomplete import Incomplete, why_none_complete
from lossweights.results._learned import why_nothing_learned
from lossweights.results._picks import Picked, Picks, directions_of
from lossweights.results._table import trial_row
from lossweights.results.constants import Constants, read_constants
from lossweights.results.folder import (
    Finished,
    list_results,
    read_importance,
    read_manifest,
    sweep_folder,
)
from lossweights.results.plot import Plots
from lossweights.results.weights import WARNING, pick_path, promoted_path
from lossweights.results.winner import read_winner
from lossweights.search.aims import Aims
from lossweights.search.selection import costs, pareto_mask
from lossweights.search.wish import Wish

log = logging.getLogger("lossweights")

RESERVED_COLUMNS = (
    *("number", "kind", "outcome", "driver", "seed", "seconds", "reason", "violation"),
)


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found, read from its folder; no Keras and no MLflow are needed.

    Attributes:
        name: Name of the sweep.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        finished: Every finished trial by its number.
        scales: Reference magnitude of each term that sampled weights were divided by, or ``None``.
        terms: How to build each term, where a description can say it.
        baseline: Magnitude of each term for the mean of the targets, or ``None``.
        test: Metrics of the winner on test data, empty before the end or without test data.
        importance: For each metric the part of its variation that each term's weight explains,
            empty before the end.
        constants: For each objective its ``value`` for the best constant prediction of the
            validation targets, and for a ``perfect`` one, as far as they are known.
        recipe: How the trials were trained, as the manifest says it.
        aims: Wish and constraints of the sweep.
        directions: Which way each metric is better, or ``None`` where neither end is; those of
            objectives are always known.
        remark: What whoever uses the saved winner must know, such as that its numbers are not those
            of its trial, or why its parameters alone could be saved; empty if nothing.
    """

    name: str
    objectives: Mapping[str, str]
    finished: Mapping[int, Finished]
    scales: Mapping[str, float] | None
    terms: Mapping[str, Mapping[str, Any] | None]
    baseline: Mapping[str, float] | None = None
    test: Mapping[str, float] = field(default_factory=dict)
    importance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    constants: Constants = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    aims: Aims = field(default_factory=Aims)
    directions: Mapping[str, str | None] = field(default_factory=dict)
    remark: str = ""

    @classmethod
    def read(cls, name: str, root: str | Path = "mlruns") -> SweepResult:
        """The result of a sweep as it is on disk now; the sweep may still be running.

        Raises:
            SweepNotFound: There is no sweep of this name below the root.
            StoreError: A file of the sweep is damaged.
        """
        manifest, folder = read_manifest(Path(root), name), sweep_folder(Path(root), name)
        try:
            objectives, scales, terms = (manifest[k] for k in ("objectives", "scales", "terms"))
        except KeyError as error:
            raise StoreError(
                f"Expected {error} in the manifest of {folder}. Found none. The file was edited; "
                f"bring it back, or start a new sweep."
            ) from None
        winner = read_winner(folder)
        return cls(
            name,
            objectives,
            list_results(folder),
            scales,
            terms,
            baseline=manifest.get("baseline"),
            test=winner.test,
            remark=winner.remark,
            importance=read_importance(folder),
            constants=read_constants(folder),
            recipe=manifest.get("recipe") or {},
            aims=Aims.of_manifest(manifest),
            directions=directions_of(manifest),
        )

    @cached_property
    def verdicts(self) -> dict[int, Verdict]:
        """Which term drove each trial that trained to some end, by trial number."""
        return judge_results(self._results, self.baseline)

    @property
    def _results(self) -> dict[int, TrialResult]:
        return {number: finished.result for number, finished in self.finished.items()}

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial.

        Columns: number, kind, outcome, driver, seed, seconds, reason; a column for each metric;
        and for each term ``weight/``, ``relative/``, ``share/`` and ``decrease/`` with its name.
        ``weight`` multiplied the term in training; ``relative`` is that times the term's scale.
        Losses that the model adds by itself have ``share/model`` and ``decrease/model``.
        With several seeds also ``stderr/`` and the name of each metric: its standard error.
        With constraints also violation: in sum, in parts of their bounds; 0 for a feasible trial.
        """
        return pd.DataFrame(
            [
                trial_row(
                    finished,
                    self.verdicts.get(number),
                    self.objectives,
                    self.scales or {},
                    self.aims,
                )
                for number, finished in sorted(self.finished.items())
            ]
        )

    @cached_property
    def plot(self) -> Plots:
        """Its pictures, as plotly figures: ``result.plot.front()``."""
        return Plots(self)

    @cached_property
    def pareto(self) -> pd.DataFrame:
        """The completed trials that no other trial beats in all objectives.

        Trials with equal objectives are all here; summary and report show those that are equal to
        four digits as one row.
        """
        if self.trials.empty:
            return self.trials
        front = self.trials[pareto_mask(costs(self.trials, self.objectives))]
        return front.sort_values(next(iter(self.objectives))).reset_index(drop=True)

    @property
    def has_best(self) -> bool:
        """Whether any trial is complete, so that there is one to pick."""
        return any(f.result.outcome is Outcome.COMPLETE for f in self.finished.values())

    def best_number(self, pick: str | Wish = "knee") -> int:
        """The number of the trial that a pick names; see `best`."""
        return self._picked(pick).number

    @cached_property
    def knee(self) -> Picked:
        """The number of the trial at the knee, and a note if it is no proper one.

        Raises:
            PickError: No trial is complete.
        """
        return self._picked("knee")

    @cached_property
    def first_pick(self) -> str:
        """The pick that is promoted and trained once more: the wish, if any, or the knee."""
        return self._picks.first if self.has_best else "knee"

    @property
    def notes(self) -> list[str]:
        """What is to be said of the first pick and of the knee, a paragraph each."""
        if not self.has_best:
            return []
        picked = (self._picked(pick).note for pick in (self.first_pick, "knee"))
        infeasible = self._picks.infeasible  # said once
        parts = [infeasible, *(note.removeprefix(infeasible).strip() for note in picked)]
        return list(dict.fromkeys(filter(None, [*parts, self._picks.unwished])))

    def _picked(self, pick: str | Wish) -> Picked:
        return self._picks.pick(pick.pick if isinstance(pick, Wish) else pick)

    @cached_property
    def _picks(self) -> Picks:
        return Picks(self._complete, self.objectives, self.aims, self.directions)

    @cached_property
    def _complete(self) -> pd.DataFrame:
        """The rows of the completed trials."""
        complete = self.trials
        if not complete.empty:
            complete = complete[complete["outcome"] == Outcome.COMPLETE.name]
        if complete.empty:
            raise PickError(
                f"Expected a completed trial in the sweep {self.name!r}. Found none of "
                f"{len(self.trials)}. Train more trials first."
            )
        return complete

    def best(self, pick: str | Wish = "knee") -> WeightSet:
        """The weight set that a pick names, of those that satisfy the constraints of the sweep.

        Args:
            pick: ``"knee"``, the best compromise; ``"min:rmse"`` or ``"max:dice"``; or with
                conditions, ``"min:rmse where shortfall<=0.1"``; or a wish, ``lw.Wish(rmse=55)`` or
                ``"wish:rmse=55"``, of which the nearest is taken; ``"wish"`` is that of the sweep.
                The origin of the set has a note that says whether it was reached.

        Raises:
            PickError: The pick cannot be read or satisfied, or no trial is complete.
        """
        if isinstance(pick, Wish):
            pick = pick.pick
        number, note = self._picked(pick)
        result = self.finished[number].result
        return WeightSet(
            weights=result.weights,
            name=f"{self.name}@{pick}",
            scales=self.scales,
            terms=self.terms,
            metrics={k: v for k, v in result.metrics.items() if math.isfinite(v)},
            origin={
                "sweep": self.name,
                "trial": number,
                "pick": pick,
                "seed": result.seed,
                **self._remarks(note),
            },
            recorded=True,
        )

    def _remarks(self, note: str) -> dict[str, str]:
        """What whoever uses a pick must know: the note on it, and a warning."""
        remarks = {"note": note, WARNING: self.learned_nothing}
        return {key: text for key, text in remarks.items() if text}

    @cached_property
    def learned_nothing(self) -> str:
        """A sentence that says so if no trial beats the best constant prediction in any objective.

        It says what to change. Empty if some trial does, or where that cannot be said.
        """
        outcomes = {number: result.outcome for number, result in self._results.items()}
        complete = [number for number, o in outcomes.items() if o is Outcome.COMPLETE]
        diverged = sum(outcome is Outcome.DIVERGED for outcome in outcomes.values())
        return why_nothing_learned(
            [self._results[number].metrics for number in complete],
            self.objectives,
            self.constants,
            self.recipe,
            fell=[self.verdicts[number].fell for number in complete],
            risen=sum(verdict.rose for verdict in self.verdicts.values()) + diverged,
            tried=len(self.verdicts) + diverged,
        )

    @cached_property
    def none_complete(self) -> Incomplete | None:
        """How the trials ended and what to change, if none of those that ended is complete."""
        ended = [finished.result for finished in self.finished.values() if not finished.again]
        return why_none_complete(ended, self.recipe)

    @property
    def verdict(self) -> str:
        """One sentence: which term drove training in how many trials, and in the best one.

        Where the sweep learned nothing, or no trial is complete, another one that says so comes
        first.
        """
        return self.sweep_verdict.sentence

    @cached_property
    def sweep_verdict(self) -> SweepVerdict:
        """The whole verdict: who drove what, where that changes, and which weight matters.

        Where drawing it fails it says so, and why: all else that a sweep found can still be read.
        """
        verdict = self._judged()
        if self.none_complete is not None:
            judged = f" {verdict.sentence}" if verdict.judged else ""
            return replace(verdict, sentence=f"{self.none_complete}{judged}")
        if not self.learned_nothing:
            return verdict
        return replace(verdict, sentence=f"{self.learned_nothing} {verdict.sentence}")

    def _judged(self) -> SweepVerdict:
        try:
            return judge_sweep_results(
                self._results,
                scales=self.scales,
                baseline=self.baseline,
                best=self.best_number(self.first_pick) if self.has_best else None,
                importance=self.importance,
            )
        except Exception as error:
            log.warning("the verdict on %s could not be drawn", self.name, exc_info=True)
            return SweepVerdict.unknown(error)

    @property
    def standard_picks(self) -> list[str]:
        """The picks that are saved at the end: wish, if any, knee and the best of each objective.

        None if no trial is complete.
        """
        if not self.has_best:
            return []
        goals = {"minimize": "min", "maximize": "max"}
        best_of_each = [f"{goals[d]}:{name}" for name, d in self.objectives.items()]
        return [*dict.fromkeys([self.first_pick, "knee"]), *best_of_each]

    def save_picks(self, root: str | Path = "mlruns") -> dict[str, Path]:
        """Save the standard picks as weight sets, and promote the first of them; paths by pick.

        A sweep that learned nothing promotes nothing, and no earlier set stays promoted.
        """
        paths = {}
        for pick in self.standard_picks:
            paths[pick] = self.best(pick).save(pick_path(Path(root), self.name, pick))
        promoted = promoted_path(Path(root), self.name)
        if self.learned_nothing:
            promoted.unlink(missing_ok=True)
        elif paths:
            self.best(self.first_pick).save(promoted)
        return paths
