"""How long a sweep will take: seconds of a training step, times the steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TimeEstimate:
    """Training time of a sweep, from what a step took.

    Start-up, compiling, measuring after each epoch and recording are not in it; worker processes
    and early stopping may shorten it. A step was measured while the machine did what it did then.

    Attributes:
        trials: Weight sets to be tried.
        epochs: Passes over the training data in each.
        steps_per_epoch: Optimizer steps in a pass.
        seconds_a_step: Seconds that a step takes each member, as it was measured.
        seeds: From how many seeds each weight set is trained.
        folds: On how many folds of the data.
        how: How trials are trained, such as ``"stacked, 16 members at once"``.

    >>> steps = {"epochs": 20, "steps_per_epoch": 95, "seconds_a_step": 0.25}
    >>> time = TimeEstimate(trials=64, how="fit", **steps)
    >>> time.seconds
    30400.0
    >>> print(time)
    about 8:27 h of training: 64 trials x 20 epochs x 95 steps x 250 ms (measured; fit)
    """

    trials: int
    epochs: int
    steps_per_epoch: int
    seconds_a_step: float
    seeds: int = 1
    folds: int = 1
    how: str

    @property
    def seconds(self) -> float:
        """Seconds of training in all."""
        trainings = self.trials * self.seeds * self.folds
        return trainings * self.epochs * self.steps_per_epoch * self.seconds_a_step

    def __str__(self) -> str:
        seeds = f" x {self.seeds} seeds" if self.seeds > 1 else ""
        seeds += f" x {self.folds} folds" if self.folds > 1 else ""
        return (
            f"about {_as_time(self.seconds)} of training: {self.trials} trials{seeds} x "
            f"{self.epochs} epochs x {self.steps_per_epoch} steps x "
            f"{_short(self.seconds_a_step)} (measured; {self.how})"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self), "seconds": self.seconds}


def _as_time(seconds: float) -> str:
    """A duration in the two largest units that it has."""
    if seconds < 60:
        return f"{seconds:.2g} s"
    if round(seconds) < 3600:
        return "{}:{:02d} min".format(*divmod(round(seconds), 60))
    return "{}:{:02d} h".format(*divmod(round(seconds / 60), 60))


def _short(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
