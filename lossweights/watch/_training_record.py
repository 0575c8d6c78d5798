"""The record of one training: what was measured and the weights in force, and what that says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lossweights.dominance.gram import gram_metrics
from lossweights.dominance.judge import judge
from lossweights.dominance.shares import Floats, as_fractions, decreases, shares
from lossweights.dominance.verdict import Verdict
from lossweights.records import EpochReport


class TrainingRecord:
    """Reports of one training in their order, each with the weights in force up to it.

    Args:
        terms: Names of the terms.

    Attributes:
        reports: The reports so far.
        baseline: Unweighted magnitude of each term for the mean of the targets, or ``None``.
        calibration: How far the output's offset is from its optimum at the end, or ``None``.

    >>> record = TrainingRecord(["mse", "under"])
    >>> weights = {"mse": 1.0, "under": 1.0}
    >>> record.add(EpochReport(0, {"mse": 10.0, "under": 2.0}, {}, {}), weights)
    >>> record.add(EpochReport(1, {"mse": 2.0, "under": 1.0}, {}, {}), weights)
    >>> record.verdict().driver
    'mse'
    >>> record.latest()["share/under"]
    0.3333333333333333
    """

    def __init__(self, terms: Sequence[str]) -> None:
        self.terms = list(terms)
        self.reports: list[EpochReport] = []
        self.baseline: Mapping[str, float] | None = None
        self.calibration: float | None = None
        self._weights: list[Floats] = []
        self._fallen: list[Floats] = []  # what each term took off since the start

    def add(self, report: EpochReport, weights: Mapping[str, float]) -> None:
        """Add a report, with the effective weights in force in the training up to it."""
        w = np.array([weights[name] for name in self.terms])
        now = self._magnitudes(report)
        before = self._magnitudes(self.reports[-1]) if self.reports else now
        so_far = self._fallen[-1] if self._fallen else np.zeros(len(w))
        self._fallen.append(so_far + decreases(w, [before, now])[0])
        self._weights.append(w)
        self.reports.append(report)

    def verdict(self) -> Verdict:
        """Which term drove the training so far."""
        table = np.reshape(self._weights, (-1, len(self.terms)))
        return judge(
            {name: table[:, i] for i, name in enumerate(self.terms)},
            [self._magnitudes(report) for report in self.reports],
            baseline=self.baseline,
            grams=[report.gram_matrix(self.terms) for report in self.reports],
            calibration=self.calibration,
        )

    def latest(self) -> dict[str, float]:
        """The latest magnitudes and the latest gradients, by the names they are logged under.

        The same names every time, from the first report on.
        """
        with_gradients = [i for i, report in enumerate(self.reports) if report.gram is not None]
        pulls = self._pulls(with_gradients[-1]) if with_gradients else {}
        return {**self._sizes(len(self.reports) - 1), **pulls}

    def table(self) -> pd.DataFrame:
        """One row a report, by epoch: what `latest` gave, the weights, and ``bad``."""
        rows = []
        for i, report in enumerate(self.reports):
            w, values = self._weights[i], self._magnitudes(report)
            rows.append(
                {
                    **self._named("weight", w),
                    **self._named("weighted", w * values),
                    **self._sizes(i),
                    **self._pulls(i),
                    "bad": report.bad,
                }
            )
        epochs = pd.Index([report.epoch for report in self.reports], name="epoch")
        return pd.DataFrame(rows, index=epochs)

    def _sizes(self, i: int) -> dict[str, float]:
        """What the report at a position says of sizes, and of the decrease up to it."""
        report = self.reports[i]
        values = self._magnitudes(report)
        return {
            **self._named("magnitude", values),
            **self._named("share", shares(self._weights[i], values)),
            **self._named("decrease", self._parts_of_the_fall(i)),
            **{f"val_magnitude/{name}": value for name, value in report.val.items()},
        }

    def _parts_of_the_fall(self, i: int) -> Floats:
        """Decrease shares up to the report at a position; undefined if the loss has not fallen."""
        fallen = self._fallen[i]
        return as_fractions(fallen) if fallen.sum() > 0 else np.full_like(fallen, np.nan)

    def _pulls(self, i: int) -> dict[str, float]:
        """What the report at a position says of gradients, if it has any."""
        matrix = self.reports[i].gram_matrix(self.terms)
        weights = dict(zip(self.terms, self._weights[i].tolist(), strict=True))
        return {} if matrix is None else gram_metrics(weights, matrix)

    def _magnitudes(self, report: EpochReport) -> Floats:
        return np.array([report.train[name] for name in self.terms], dtype=np.float64)

    def _named(self, key: str, values: Floats) -> dict[str, float]:
        pairs = zip(self.terms, values.tolist(), strict=True)
        return {f"{key}/{name}": value for name, value in pairs}
