"""The result of a sweep: a table of trials, the Pareto front, picks and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from lossweights.base.commands import DEFAULT_ROOT
from lossweights.base.errors import StoreError
from lossweights.dominance.judge import judge_results
from lossweights.dominance.sweep_verdict import SweepVerdict
from lossweights.dominance.verdict import Verdict
from lossweights.loss.ramps import of_space
from lossweights.records import Outcome, TrialResult
from lossweights.results._incomplete import Incomplete, why_none_complete
from lossweights.results._judged import judged_sweep
from lossweights.results._learned import learned_nothing
from lossweights.results._picks import Picked, Picks, directions_of
from lossweights.results._sets import Sets
from lossweights.results._shown import as_html, as_line
from lossweights.results._table import RESERVED_COLUMNS as RESERVED_COLUMNS
from lossweights.results._table import complete_rows, trial_row
from lossweights.results.baselines import baselines_table
from lossweights.results.constants import Constants, read_constants
from lossweights.results.contest import Contest, read_contest
from lossweights.results.folder import (
    Finished,
    list_results,
    read_importance,
    read_manifest,
    sweep_folder,
)
from lossweights.results.plot import Plots
from lossweights.results.proof import MIN_EFFECT, Proof
from lossweights.results.winner import WinnerRecord, read_winner
from lossweights.search.aims import Aims
from lossweights.search.selection import costs, pareto_mask
from lossweights.search.wish import Wish


@dataclass(frozen=True, repr=False)
class SweepResult(Sets):
    """What a sweep found, read from its folder; no Keras and no MLflow are needed.

    Attributes:
        name: Name of the sweep.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        finished: Every finished trial by its number.
        scales: Reference magnitude of each term that sampled weights were divided by, or ``None``.
        terms: How to build each term, where a description can say it.
        baseline: Magnitude of each term for the mean of the targets, or ``None``.
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
        contest: The trainings beside the trials: of baselines outside the space, and to confirm.
        winner: All that is known of the saved winner.
        made: Digest of the ``data`` and ``versions`` of what trained, as far as they are known.
        root: Folder of the sweeps.
        min_effect: The least gain that `sentence` calls one, in parts of a metric.
        ramps: How weights change over the epochs, by term, the same in all trials.
    """

    name: str
    objectives: Mapping[str, str]
    finished: Mapping[int, Finished]
    scales: Mapping[str, float] | None
    terms: Mapping[str, Mapping[str, Any] | None]
    baseline: Mapping[str, float] | None = None
    importance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    constants: Constants = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    aims: Aims = field(default_factory=Aims)
    directions: Mapping[str, str | None] = field(default_factory=dict)
    remark: str = ""
    contest: Contest = field(default_factory=Contest)
    winner: WinnerRecord = field(default_factory=WinnerRecord)
    made: Mapping[str, Any] = field(default_factory=dict)
    root: Path = DEFAULT_ROOT
    min_effect: float = MIN_EFFECT
    ramps: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    __repr__, _repr_html_ = as_line, as_html

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
            contest=read_contest(folder),
            remark=winner.remark,
            winner=winner,
            made={key: manifest[key] for key in ("data", "versions") if key in manifest},
            importance=read_importance(folder),
            constants=read_constants(folder),
            recipe=manifest.get("recipe") or {},
            aims=Aims.of_manifest(manifest),
            directions=directions_of(manifest),
            root=Path(root),
            min_effect=float(manifest.get("min_effect", MIN_EFFECT)),
            ramps=of_space(manifest.get("space")),
        )

    def with_winner(self, winner: WinnerRecord) -> SweepResult:
        """The same with another winner; what was made of its trials so far is not made again."""
        found = replace(self, winner=winner, remark=winner.remark)
        made = {key: value for key, value in vars(self).items() if key not in vars(found)}
        vars(found).update({key: value for key, value in made.items() if key != "plot"})
        return found

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

        Columns: number, kind, baseline (its name, if it is one), outcome, driver, seed, seconds,
        reason; a column for each metric; and for each term ``weight/``, ``relative/``, ``share/``
        and ``decrease/`` with its name. ``weight`` multiplied the term in training; ``relative`` is
        that times the term's scale. Losses that the model adds by itself have ``share/model`` and
        ``decrease/model``.
        With several seeds also ``stderr/`` and the name of each metric: its standard error.
        With constraints also violation: in sum, in parts of their bounds; 0 for a feasible trial.
        """
        ended, shown = sorted(self.finished.items()), (self.objectives, self.scales, self.aims)
        return pd.DataFrame([trial_row(f, self.verdicts.get(n), *shown) for n, f in ended])

    @cached_property
    def baselines(self) -> pd.DataFrame:
        """One row for each baseline that is no trial, since its weights are outside the space.

        Columns: name, method (that moved its weights, if one did), then those of `trials` from
        outcome on. Of weights that moved those are shown that were in force last.
        """
        shown = (self.objectives, self.scales, self.aims, self.baseline)
        return baselines_table(self.contest, *shown)

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
        """The number of the trial that a pick names; see `best`. A `PickError` if it is none."""
        return self.kept(pick.pick if isinstance(pick, Wish) else pick)[0].number(pick)

    @cached_property
    def knee(self) -> Picked:
        """The number of the trial at the knee, and a note if it is no proper one.

        Raises:
            PickError: No trial is complete.
        """
        return self._picked("knee")

    @property
    def own_pick(self) -> str:
        """The pick that the sweep itself would promote, and has confirmed: the wish, or the knee.

        It is a trial, whatever confirmation says of it.
        """
        return self._picks.first if self.has_best else "knee"

    @property
    def first_pick(self) -> str:
        """What is promoted and saved as a model: the own pick, or a baseline that is as good."""
        return self.proof.promoted

    @cached_property
    def proof(self) -> Proof:
        """All that the last confirmation says."""
        return Proof(
            name=self.name,
            root=self.root,
            contest=self.contest,
            objectives=self.objectives,
            directions={**self.directions, **self.objectives},
            trials=self._results,
            pick=self.own_pick,
            number=self._picked(self.own_pick).number if self.has_best else None,
            aims=self.aims,
            min_effect=self.min_effect,
            learned_nothing=self.learned_nothing,
        )

    @property
    def notes(self) -> list[str]:
        """What is to be said of the own pick and of the knee, a paragraph each."""
        return self._picks.notes if self.has_best else []

    def _picked(self, pick: str | Wish) -> Picked:
        return self._picks.pick(pick.pick if isinstance(pick, Wish) else pick)

    @cached_property
    def _picks(self) -> Picks:
        complete = complete_rows(self.trials, self.name)
        return Picks(
            complete,
            self.objectives,
            self.aims,
            self.directions,
            lambda metric: self.proof.standard_error(metric),
        )

    @cached_property
    def learned_nothing(self) -> str:
        """A sentence that says so if no trial beats the best constant prediction in any objective.

        It says what to change. Empty if some trial does, or where that cannot be said.
        """
        return learned_nothing(
            self._results, self.verdicts, self.objectives, self.constants, self.recipe
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
        return judged_sweep(
            self.name,
            self._results,
            scales=self.scales,
            baseline=self.baseline,
            best=self._picked(self.own_pick).number if self.has_best else None,
            importance=self.importance,
            none_complete=self.none_complete,
            learned_nothing=self.learned_nothing,
        )
