"""What a trainer hands back: reports of epochs and results of trials, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Outcome(Enum):
    """How a trial ended; the value is the sentence for people."""

    COMPLETE = "trained to the end"
    PRUNED = "stopped early because others were better"
    DIVERGED = "a number became infinite or undefined"
    FAILED = "an error stopped the training"


@dataclass(frozen=True)
class EpochReport:
    """What was measured after an epoch; epoch 0 is before any training.

    Attributes:
        epoch: Number of finished epochs.
        train: Unweighted magnitude of each term on the fixed training probe.
        val: Unweighted magnitude of each term on the validation data.
        metrics: Weight-independent metrics on the validation data.
        bad: What was not finite, such as ``"term under"``; ``None`` when all was well.
    """

    epoch: int
    train: Mapping[str, float]
    val: Mapping[str, float]
    metrics: Mapping[str, float]
    bad: str | None = None

    @property
    def finite(self) -> bool:
        """Whether every number of the report is finite and nothing else was found bad."""
        return self.bad is None and self.first_bad() is None

    def first_bad(self) -> str | None:
        """The first number that is not finite, such as ``"term under"``: terms before metrics."""
        groups = (("term", self.train), ("term", self.val), ("metric", self.metrics))
        for what, numbers in groups:
            for name, number in numbers.items():
                if not math.isfinite(number):
                    return f"{what} {name}"
        return None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values; a number that is not finite becomes ``None``."""
        return {
            "epoch": self.epoch,
            "train": _plain(self.train),
            "val": _plain(self.val),
            "metrics": _plain(self.metrics),
            "bad": self.bad,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EpochReport:
        """The report that `to_json` described."""
        return cls(
            epoch=int(value["epoch"]),
            train=_numbers(value["train"]),
            val=_numbers(value["val"]),
            metrics=_numbers(value["metrics"]),
            bad=value["bad"],
        )


@dataclass(frozen=True)
class TrialResult:
    """The end of one trial.

    Attributes:
        weights: Effective weight of each term: what multiplied it in training.
        seed: Seed of initialisation, batch order and dropout.
        outcome: How it ended.
        reports: One report an epoch, epoch 0 first.
        reason: A sentence on why it did not complete, empty if it did.
        seconds: Training time of the trial, its share if several were trained together.
        trainer: Which trainer produced it.
    """

    weights: Mapping[str, float]
    seed: int
    outcome: Outcome
    reports: tuple[EpochReport, ...]
    reason: str = ""
    seconds: float = 0.0
    trainer: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """Validation metrics after the last epoch with finite numbers, empty if there is none."""
        finite = [report for report in self.reports if report.finite]
        return dict(finite[-1].metrics) if finite else {}

    def magnitudes(self, split: str = "train") -> NDArray[np.float64]:
        """Unweighted magnitudes, shape ``(reports, terms)``, of ``"train"`` or ``"val"``."""
        rows = [[getattr(r, split)[name] for name in self.weights] for r in self.reports]
        return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(self.weights))

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {
            "weights": dict(self.weights),
            "seed": self.seed,
            "outcome": self.outcome.name,
            "reason": self.reason,
            "seconds": self.seconds,
            "trainer": self.trainer,
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
        )


def _plain(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {k: float(v) if math.isfinite(v) else None for k, v in numbers.items()}


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {k: math.nan if v is None else float(v) for k, v in values.items()}
