"""The weight sets of a sweep's result: those that picks name, and those that are saved."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lossweights.loss.ramps import as_chosen
from lossweights.loss.weight_set import WeightSet
from lossweights.records import Outcome
from lossweights.results._chosen import settled
from lossweights.results._frame import whole_table
from lossweights.results._picks import Picked
from lossweights.results._proven import Proven
from lossweights.results._provenance import provenance_of
from lossweights.results._saved import save_sets
from lossweights.results.folder import Finished
from lossweights.results.proof import Kept
from lossweights.results.weights import WARNING
from lossweights.search.choices import shown
from lossweights.search.wish import Wish


class Sets(Proven):
    """What a `lossweights.results.result.SweepResult` says of weight sets."""

    name: str
    objectives: Mapping[str, str]
    finished: Mapping[int, Finished]
    scales: Mapping[str, float] | None
    terms: Mapping[str, Mapping[str, Any] | None]
    ramps: Mapping[str, Mapping[str, float]]

    @property
    @abstractmethod
    def has_best(self) -> bool:
        """Whether any trial is complete, so that there is one to pick."""

    @property
    @abstractmethod
    def own_pick(self) -> str:
        """The pick that the sweep itself would promote."""

    @property
    @abstractmethod
    def first_pick(self) -> str:
        """What is promoted."""

    @property
    @abstractmethod
    def learned_nothing(self) -> str:
        """A sentence that says so, if the sweep learned nothing."""

    @abstractmethod
    def _picked(self, pick: str | Wish) -> Picked:
        """The trial that a pick names."""

    def best(self, pick: str | Wish = "knee") -> WeightSet:
        """The weight set that a pick names, of those that satisfy the constraints of the sweep.

        Args:
            pick: ``"knee"``, the best compromise; ``"min:rmse"`` or ``"max:dice"``; or with
                conditions, ``"min:rmse where shortfall<=0.1"``; or a wish, ``lw.Wish(rmse=55)`` or
                ``"wish:rmse=55"``, of which the nearest is taken; ``"wish"`` is that of the sweep;
                or ``"one-se:rmse"``, the weights nearest to equal ones within one standard error
                of the best; or the name of a fixed baseline, such as ``"equal"``. The origin of the
                set has a note that says whether a wish was reached.

        Raises:
            PickError: The pick cannot be read or satisfied, or no trial is complete.
        """
        if isinstance(pick, Wish):
            pick = pick.pick
        kept, note = self.kept(pick)
        return WeightSet(
            **settled(kept.result.weights, self.scales, self.terms, kept.result.chosen),
            name=f"{self.name}@{pick}",
            metrics={k: v for k, v in kept.metrics.items() if math.isfinite(v)},
            origin={"sweep": self.name, **kept.origin, "pick": pick, **self._remarks(pick, note)},
            chosen={**shown(kept.result.chosen), **as_chosen(self.ramps)},
            provenance=provenance_of(self, pick, kept),
            recorded=True,
        )

    def kept(self, pick: str) -> tuple[Kept, str]:
        """The training behind a pick, of a trial or of a baseline, and the note on it."""
        baseline = self.proof.baseline(pick)
        if baseline is not None:
            return baseline, ""
        number, note = self._raced_as(pick) or self._picked(pick)
        finished = self.finished[number]
        return Kept.of_trial(number, finished.result, finished.asked.baseline), note

    def kept_of(self, weights: WeightSet) -> Kept:
        """The training behind a set of this sweep, also where its pick is another one by now."""
        number = weights.origin.get("trial")
        if isinstance(number, int) and number in self.finished:
            found = self.finished[number]
            return Kept.of_trial(number, found.result, found.asked.baseline)
        return self.kept(str(weights.origin["pick"]))[0]

    def _raced_as(self, pick: str) -> Picked | None:
        """The complete trial that is the baseline of this name, if one is."""
        for number, each in self.finished.items():
            if each.asked.baseline == pick and each.result.outcome is Outcome.COMPLETE:
                return Picked(number)
        return None

    def _remarks(self, pick: str, note: str) -> dict[str, str]:
        """What whoever uses a pick must know: the note on it, what was confirmed, a warning."""
        confirmed = self.proof.promotion is not None and pick in (self.own_pick, self.first_pick)
        said = self.sentence if confirmed else ""
        remarks = {"note": note, "sentence": said, WARNING: self.learned_nothing}
        return {key: text for key, text in remarks.items() if text}

    @property
    def standard_picks(self) -> list[str]:
        """The picks saved at the end: what is promoted, wish, knee and the best of each objective.

        None if no trial is complete.
        """
        if not self.has_best:
            return []
        goals = {"minimize": "min", "maximize": "max"}
        best_of_each = [f"{goals[d]}:{name}" for name, d in self.objectives.items()]
        return [*dict.fromkeys([self.first_pick, self.own_pick, "knee"]), *best_of_each]

    def save_picks(self, root: str | Path = "mlruns") -> dict[str, Path]:
        """Save the standard picks as weight sets, and promote the first of them; paths by pick.

        A sweep that learned nothing promotes nothing, and no earlier set stays promoted.
        """
        sets = {pick: self.best(pick) for pick in self.standard_picks}
        promoted = None if self.learned_nothing else self.first_pick
        return save_sets(Path(root), self.name, sets, promoted)

    def to_frame(self) -> pd.DataFrame:
        """All that was trained as one table: the trials, and the baselines beside them.

        The columns are those of `trials`, and first ``picks``: the standard picks that a row is,
        with a comma between them. Baselines that are no trials have no number.
        """
        return whole_table(self)
