"""What the pictures of a sweep are drawn from: tables and names, nothing that is read or judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from lossweights.dominance.sweep_verdict import Flip, Sensitivity
from lossweights.search.choices import in_force, is_chosen


@dataclass(frozen=True)
class Scene:
    """A sweep as its pictures see it.

    Attributes:
        trials: One row a trial, as `lossweights.results.result.SweepResult.trials` has them.
        front: Numbers of the trials that no other beats, in the order of the first objective.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        terms: The terms, in the order of their colours.
        metrics: The objectives, then the other metrics of the table.
        picks: The trial that each pick names.
        baselines: What was trained beside the space: a ``name`` and a column for each metric.
        flips: Where the lead between two terms changes.
        sensitivity: For each metric and term, how the metric follows the weight.
    """

    trials: pd.DataFrame
    front: Sequence[int]
    objectives: Mapping[str, str]
    terms: Sequence[str]
    metrics: Sequence[str]
    picks: Mapping[str, int] = field(default_factory=dict)
    baselines: pd.DataFrame = field(default_factory=pd.DataFrame)
    flips: Sequence[Flip] = ()
    sensitivity: Mapping[str, Mapping[str, Sensitivity]] = field(default_factory=dict)

    @property
    def complete(self) -> pd.DataFrame:
        """The rows of the trials that have all objectives."""
        if self.trials.empty:
            return self.trials
        return self.trials.dropna(subset=list(self.objectives))

    def rows(self, numbers: Iterable[int]) -> pd.DataFrame:
        """The rows of some trials by their numbers, in that order."""
        table = self.trials.set_index("number", drop=False).rename_axis(None)
        return table.loc[list(numbers)]

    @property
    def varied(self) -> list[str]:
        """The terms whose relative weight is not the same in all complete trials."""
        if self.complete.empty:
            return []
        columns = {term: self.complete[f"relative/{term}"] for term in self.terms}
        return [term for term, column in columns.items() if column.nunique() > 1]

    @property
    def chosen(self) -> list[str]:
        """The columns of what was chosen beside weights."""
        return [str(column) for column in self.trials.columns if is_chosen(str(column))]

    def in_force(self) -> pd.DataFrame:
        """Those columns of all trials, without the numbers of options that were not taken."""
        rows = self.trials[self.chosen].to_dict("records")
        kept = [in_force({str(name): value for name, value in row.items()}) for row in rows]
        return pd.DataFrame(kept, index=self.trials.index, columns=self.chosen)

    def named(self) -> dict[int, str]:
        """The picks of each trial that has any, as one text."""
        found: dict[int, list[str]] = {}
        for pick, number in self.picks.items():
            found.setdefault(number, []).append(pick)
        return {number: ", ".join(names) for number, names in found.items()}
