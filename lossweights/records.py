"""What a trainer hands back: reports of epochs and results of trials, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossweights.base.names import MODEL, part_name
from lossweights.base.sampled import Value, value_of
from lossweights.base.shown import as_text

STATISTICS: dict[str, Any] = {"mean": np.mean, "median": np.median, "min": np.min, "max": np.max}
MAX_REASON = 5000  # characters; TensorFlow's messages may hold a whole graph


class Outcome(Enum):
    """How a trial ended; the value is the sentence for people."""

    COMPLETE = "trained to the end"
    PRUNED = "stopped early because others were better"
    DIVERGED = "a number became infinite or undefined"
    FAILED = "an error stopped the training"


class Failure(Enum):
    """Why a trial failed; the value is the sentence for people."""

    EXCEPTION = "the sweep's code raised an exception"
    OUT_OF_MEMORY = "memory ran out"
    WORKER_KILLED = "the worker process died"
    TIMEOUT = "the time limit was reached"
    INTERRUPTED = "the sweep was stopped before the trial ended"

    @property
    def transient(self) -> bool:
        """Whether the same weights may well train next time; the other two would fail again."""
        return self not in (Failure.EXCEPTION, Failure.OUT_OF_MEMORY)


@dataclass(frozen=True)
class EpochReport:
    """What was measured after an epoch; epoch 0 is before any training.

    Attributes:
        epoch: Number of finished epochs.
        train: Unweighted magnitude of each term on the fixed training probe; and of the model's own
            losses, under the name ``model``, if it has any.
        val: The same on the validation data.
        metrics: Weight-independent metrics on the validation data.
        bad: What was not finite, such as ``"term under"``; ``None`` when all was well.
        gram: Inner products of the terms' unweighted gradients, by two term names, where measured.
        calibration: How far the output's offset is from its optimum, 0 to 1, where measured; see
            `lossweights.watch.gradients.calibration_residual`.
        weights: With adaptive weighting, what multiplied each term in the epoch that ended, the
            mean over its steps, and before training what the method begins with. The same where
            callbacks of the user's own have set others than the trial's; else ``None``.
    """

    epoch: int
    train: Mapping[str, float]
    val: Mapping[str, float]
    metrics: Mapping[str, float]
    bad: str | None = None
    gram: Mapping[str, Mapping[str, float]] | None = None
    calibration: float | None = None
    weights: Mapping[str, float] | None = None

    @property
    def finite(self) -> bool:
        """Whether every magnitude is finite and nothing else was found bad."""
        return self.bad is None and self.first_bad() is None

    def first_bad(self, weights: Mapping[str, float] | None = None) -> str | None:
        """What is the first magnitude that is not finite, such as ``"term under"``.

        Args:
            weights: The weights in force, if known: a term of weight 0 is switched off, and may be
                undefined.

        A metric may well be undefined for a while, as a boundary distance is while a model still
        predicts empty masks. An objective must be finite at the end; the driver sees to that.
        """
        for name, number in (*self.train.items(), *self.val.items()):
            if not math.isfinite(number) and (weights is None or weights.get(name) != 0):
                return part_name(name)
        return None

    def parts(self, weights: Mapping[str, float]) -> dict[str, float]:
        """What multiplies each part of the loss: the terms, and the model's own losses if any.

        Those are called ``model``, and their weight is 1.

        Args:
            weights: Effective weight of each term, if the report says nothing of it.
        """
        own = {MODEL: 1.0} if MODEL in self.train else {}
        return {**(weights if self.weights is None else self.weights), **own}

    def gram_matrix(self, names: Sequence[str]) -> NDArray[np.float64] | None:
        """The Gram matrix in the order of the names, or ``None`` where it was not measured."""
        if self.gram is None:
            return None
        return np.array([[self.gram[a][b] for b in names] for a in names])

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values; a number that is not finite becomes ``None``."""
        return {
            "epoch": self.epoch,
            "train": _plain(self.train),
            "val": _plain(self.val),
            "metrics": _plain(self.metrics),
            "bad": self.bad,
            "gram": self.gram and {name: _plain(row) for name, row in self.gram.items()},
            "calibration": _finite(self.calibration),
            **({} if self.weights is None else {"weights": _plain(self.weights)}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EpochReport:
        """The report that `to_json` described."""
        gram = value.get("gram")
        calibration = value.get("calibration")
        return cls(
            epoch=int(value["epoch"]),
            train=_numbers(value["train"]),
            val=_numbers(value["val"]),
            metrics=_numbers(value["metrics"]),
            bad=value["bad"],
            gram=gram and {name: _numbers(row) for name, row in gram.items()},
            calibration=None if calibration is None else float(calibration),
            weights=None if value.get("weights") is None else _numbers(value["weights"]),
        )


@dataclass(frozen=True)
class Replica:
    """One of several trainings of a trial, each from its own seed.

    Attributes:
        seed: Seed of initialisation, batch order and dropout.
        metrics: Validation metrics of the parameters that it keeps.
        best_epoch: With early stopping, the epoch of those parameters; else ``None``.
        fall: What each term's unweighted magnitude on the training probe fell by, from before
            training to the last report; empty in the folders of older versions.
        fold: On which fold of the data it was trained, or ``None`` if there is one division alone.
    """

    seed: int
    metrics: Mapping[str, float]
    best_epoch: int | None = None
    fall: Mapping[str, float] = field(default_factory=dict)
    fold: int | None = None


@dataclass(frozen=True)
class TrialResult:
    """The end of one trial.

    Attributes:
        weights: Effective weight of each term: what multiplied it in training. With adaptive
            weighting those that the method was given; what was in force is in the reports.
        seed: Seed of initialisation, batch order and dropout; the first one of several.
        outcome: How it ended.
        reports: One report an epoch, epoch 0 first; with several trainings, from seeds or on folds,
            the means over them.
        reason: A sentence on why it did not complete, empty if it did.
        seconds: Training time of the trial, its share if several were trained together.
        trainer: Which trainer produced it.
        failure: Why it failed, for a failed trial.
        details: The traceback, or the last lines of a dead worker's log.
        best_epoch: With early stopping, the epoch whose parameters are kept; else ``None``.
        replicas: With several trainings, what came of each; else empty.
        test: Metrics of the kept parameters on the test data, in a confirmation; else empty.
        stats: Which of `STATISTICS` counts of several trainings, where it is not the mean.
        chosen: What was chosen beside the weights, such as ``hyper/learning_rate``; mostly nothing.
    """

    weights: Mapping[str, float]
    seed: int
    outcome: Outcome
    reports: tuple[EpochReport, ...]
    reason: str = ""
    seconds: float = 0.0
    trainer: str = ""
    failure: Failure | None = None
    details: str = ""
    best_epoch: int | None = None
    replicas: tuple[Replica, ...] = ()
    test: Mapping[str, float] = field(default_factory=dict)
    stats: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # An error's message may hold anything, and must fit into files and databases as text.
        object.__setattr__(self, "reason", as_text(self.reason)[:MAX_REASON])
        object.__setattr__(self, "details", as_text(self.details)[-MAX_REASON:])

    @property
    def metrics(self) -> dict[str, float]:
        """Validation metrics of the parameters that are kept, empty if there are none.

        They are those after the best epoch with early stopping, else after the last epoch with
        finite numbers; with several trainings the means over them, or what `stats` says.
        """
        if self.replicas:
            return combined([replica.metrics for replica in self.replicas], self.stats)
        finite = [
            report
            for report in self.reports
            if self.bad_in(report) is None and self.best_epoch in (None, report.epoch)
        ]
        return dict(finite[-1].metrics) if finite else {}

    def bad_in(self, report: EpochReport) -> str | None:
        """What was not finite in one of the reports, and counts under the weights of the trial."""
        return report.bad or report.first_bad(report.parts(self.weights))

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard error of each metric that is a mean over trainings, ``sd / sqrt(trainings)``.

        Empty where there is one training alone.
        """
        if len(self.replicas) < 2:
            return {}
        found = _by_name([replica.metrics for replica in self.replicas]).items()
        means = {name: values for name, values in found if name not in self.stats}
        return {n: float(np.std(v, ddof=1)) / len(v) ** 0.5 for n, v in means.items()}

    @property
    def weights_moved(self) -> bool:
        """Whether an epoch was trained with others than `weights`: see `in_force`."""
        return any(report.weights is not None for report in self.reports)

    @property
    def parts(self) -> dict[str, float]:
        """What multiplied each part of the loss at the end; see `EpochReport.parts`."""
        return self.reports[-1].parts(self.weights) if self.reports else dict(self.weights)

    def in_force(self) -> dict[str, NDArray[np.float64]]:
        """What multiplied each of the `parts` up to each report, shape ``(reports,)`` each."""
        rows = [report.parts(self.weights) for report in self.reports]
        return {name: np.array([row[name] for row in rows]) for name in self.parts}

    def magnitudes(self, split: str = "train") -> NDArray[np.float64]:
        """Unweighted magnitudes of the `parts`, shape ``(reports, parts)``.

        Args:
            split: ``"train"`` or ``"val"``.
        """
        names = list(self.parts)
        rows = [[getattr(report, split)[name] for name in names] for report in self.reports]
        return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(names))

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "weights": dict(self.weights),
            "seed": self.seed,
            "outcome": self.outcome.name,
            "reason": self.reason,
            "seconds": self.seconds,
            "trainer": self.trainer,
            "failure": self.failure and self.failure.name,
            "details": self.details,
            "best_epoch": self.best_epoch,
            "replicas": [
                {
                    "seed": r.seed,
                    "metrics": _plain(r.metrics),
                    "best_epoch": r.best_epoch,
                    "fall": _plain(r.fall),
                    **({} if r.fold is None else {"fold": r.fold}),
                }
                for r in self.replicas
            ],
            **({"stats": dict(self.stats)} if self.stats else {}),
            "test": _plain(self.test),
            **({"chosen": dict(self.chosen)} if self.chosen else {}),
            "reports": [report.to_json() for report in self.reports],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrialResult:
        """The result that `to_json` described."""
        return cls(
            weights={k: float(v) for k, v in value["weights"].items()},
            seed=int(value["seed"]),
            outcome=Outcome[value["outcome"]],
            reports=tuple(EpochReport.from_json(r) for r in value["reports"]),
            reason=str(value["reason"]),
            seconds=float(value["seconds"]),
            trainer=str(value["trainer"]),
            failure=Failure[value["failure"]] if value.get("failure") else None,
            details=str(value.get("details", "")),
            best_epoch=_whole(value.get("best_epoch")),
            replicas=tuple(
                Replica(
                    int(r["seed"]),
                    _numbers(r["metrics"]),
                    _whole(r["best_epoch"]),
                    _numbers(r.get("fall", {})),
                    _whole(r.get("fold")),
                )
                for r in value.get("replicas", ())
            ),
            stats=dict(value.get("stats") or {}),
            test=_numbers(value.get("test") or {}),
            chosen={str(k): value_of(v) for k, v in value.get("chosen", {}).items()},
        )


def combined(
    tables: Sequence[Mapping[str, float]], stats: Mapping[str, str] | None = None
) -> dict[str, float]:
    """The mean of each number that all tables have, or what of `STATISTICS` is said for it."""
    how = {name: STATISTICS[(stats or {}).get(name, "mean")] for name in tables[0]}
    return {name: float(how[name](values)) for name, values in _by_name(tables).items()}


def _by_name(tables: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    names = [name for name in tables[0] if all(name in table for table in tables)]
    return {name: [table[name] for table in tables] for name in names}


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)


def _plain(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {k: _finite(v) for k, v in numbers.items()}


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {k: math.nan if v is None else float(v) for k, v in values.items()}
