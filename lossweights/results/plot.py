"""The pictures of a result: ``result.plot.front()`` and so on, plotly figures that one restyles."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pandas as pd

from lossweights.base.errors import PickError
from lossweights.dominance.sweep_verdict import SweepVerdict
from lossweights.results._picks import trials_of_picks
from lossweights.results._table import RESERVED_COLUMNS
from lossweights.results.folder import Finished
from lossweights.results.surrogate import Surrogate, column_of, fit_surrogate

_ROWS = 48  # of a slice through the predictions


class Plotted(Protocol):
    """What pictures need of a result: that of `lossweights.results.result.SweepResult`."""

    @property
    def objectives(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def terms(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def finished(self) -> Mapping[int, Finished]: ...  # noqa: D102
    @property
    def trials(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def pareto(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def baselines(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def sweep_verdict(self) -> SweepVerdict: ...  # noqa: D102
    @property
    def standard_picks(self) -> list[str]: ...  # noqa: D102
    @property
    def first_pick(self) -> str: ...  # noqa: D102
    @property
    def own_pick(self) -> str: ...  # noqa: D102
    def best_number(self, pick: str = "knee") -> int: ...  # noqa: D102


class Plots:
    """The pictures of a sweep's result. Each is a ``plotly.graph_objects.Figure``.

    Args:
        result: The result.
    """

    def __init__(self, result: Plotted) -> None:
        self._result = result

    def __repr__(self) -> str:
        return "result.plot: front(), weights(), curves(trial), drive(), importance(), what_if()"

    @cached_property
    def scene(self) -> Any:
        """What the pictures are drawn from, a `lossweights.figures.scene.Scene`."""
        from lossweights.figures.scene import Scene

        result = self._result
        trials = result.trials
        measured = [str(c) for c in trials.columns if "/" not in c and c not in RESERVED_COLUMNS]
        return Scene(
            trials=trials,
            front=[] if trials.empty else result.pareto["number"].tolist(),
            objectives=result.objectives,
            terms=list(result.terms),
            metrics=list(dict.fromkeys([*result.objectives, *measured])),
            picks=trials_of_picks(result),
            baselines=result.baselines,
            flips=result.sweep_verdict.flips,
            sensitivity=result.sweep_verdict.sensitivity,
        )

    def _first(self) -> int:
        """The trial that is promoted; of a baseline that is none, the sweep's own pick."""
        result = self._result
        promoted = self.scene.picks.get(result.first_pick)
        return result.best_number(result.own_pick) if promoted is None else promoted

    @cached_property
    def surrogate(self) -> Surrogate | None:
        """What predicts metrics from weights; ``None`` where too few trials are complete."""
        scene = self.scene
        if scene.complete.empty:
            return None
        return fit_surrogate(scene.complete, scene.terms, scene.metrics, scene.front)

    def front(self) -> Any:
        """Every trial by its objectives, the front joined, picks and baselines named."""
        from lossweights.figures.front import draw_front

        return draw_front(self.scene)

    def weights(self, *, ternary: bool = False) -> Any:
        """Which term drove at which ratios of weights, with the brackets in which that changes.

        Args:
            ternary: Draw three terms as a triangle.
        """
        from lossweights.figures.weights import draw_ternary, draw_weights

        return draw_ternary(self.scene) if ternary else draw_weights(self.scene)

    def curves(self, trial: int | None = None) -> Any:
        """Weighted magnitudes and shares of one trial, epoch by epoch.

        Args:
            trial: Its number; that of the first pick if left out.

        Raises:
            PickError: There is no such trial.
        """
        from lossweights.figures.curves import draw_curves

        result = self._result
        number = self._first() if trial is None else trial
        if number not in result.finished:
            known = (
                f"{min(result.finished)} to {max(result.finished)}" if result.finished else "none"
            )
            raise PickError(
                f"Expected the number of a finished trial. Found {number!r}; there are {known}. "
                f"result.trials lists them."
            )
        found = result.finished[number].result
        epochs = [report.epoch for report in found.reports]
        return draw_curves(epochs, found.magnitudes("train"), found.in_force(), list(result.terms))

    def drive(self) -> Any:
        """What each term took off the loss in the trials of the front."""
        from lossweights.figures.drive import draw_drive

        return draw_drive(self.scene)

    def importance(self) -> Any:
        """Which weight matters for which metric, and which way."""
        from lossweights.figures.importance import draw_importance

        return draw_importance(self.scene)

    def parallel(self) -> Any:
        """Weights and metrics of all complete trials side by side."""
        from lossweights.figures.parallel import draw_parallel

        return draw_parallel(self.scene)

    def what_if(self, pick: str | None = None) -> Any:
        """What is predicted along each weight, and each number chosen beside, the others as a pick
        has them.

        Args:
            pick: The pick; the first one of the sweep if left out.
        """
        from lossweights.figures.what_if import draw_what_if

        if self.surrogate is None:
            return draw_what_if({}, {}, list(self._result.terms))
        number = self._first() if pick is None else self._result.best_number(pick)
        row = self.scene.rows([number]).iloc[0]
        at = {term: float(row[column_of(term)]) for term in self.surrogate.terms}
        slices = {
            metric: {term: self._slice(self.surrogate, metric, term, at) for term in at}
            for metric in self.surrogate.predictors
        }
        return draw_what_if(slices, at, list(self._result.terms))

    def _slice(self, found: Surrogate, metric: str, term: str, at: Mapping[str, float]) -> Any:
        from lossweights.figures.what_if import Slice

        place = found.terms.index(term)
        weights = np.tile([max(at[name], 1e-300) for name in found.terms], (_ROWS, 1))
        weights[:, place] = np.geomspace(found.low[place], found.high[place], _ROWS)
        middle, low, high = found.predict(metric, weights)
        return Slice(*(column.tolist() for column in (weights[:, place], middle, low, high)))
