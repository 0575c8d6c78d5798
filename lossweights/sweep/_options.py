"""The options of a run, checked before anything else is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lossweights.base.durations import seconds_of
from lossweights.base.errors import RecipeError
from lossweights.base.machine import available_cores
from lossweights.base.memory import bytes_of
from lossweights.base.numbers import as_number, whole_number
from lossweights.sweep._where import check_executor


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a sweep is run; see `lossweights.sweep.abstract.AbstractSweep.run` for each.

    With ``only_confirm`` no trial is trained, and a confirmation is repeated that there is.
    """

    trials: int = 64
    name: str | None = None
    root: Path = Path("mlruns")
    trainer: str = "auto"
    workers: int | None = None
    executor: str | None = None
    address: str | None = None
    resume: bool = False
    accept_change: Sequence[str] = ()
    tracking: bool | str = True
    trial_timeout: float | None = None
    time_limit: float | str | None = None
    memory: int | str | None = None
    patience: int | None = None
    min_growth: float = 0.01
    prune: bool = False
    baselines: str | None = None
    confirm: int | None = None
    only_confirm: bool = False
    warm_start: str | None = None
    max_retries: int = 1
    register: bool = False
    quiet: bool = False
    script: Path | None = None

    @property
    def memory_bytes(self) -> int | None:
        """The limit in bytes."""
        return None if self.memory is None else bytes_of("memory", self.memory)

    def check(self, trainers: Sequence[str]) -> RunOptions:
        """Refuse what cannot be; otherwise the options with plain numbers, as a manifest has them.

        Args:
            trainers: Names of the trainers that the sweep can build.

        Raises:
            RecipeError: A number or a name is out of range.
        """
        if self.trainer not in trainers:
            raise RecipeError(
                f"Expected a trainer among {tuple(trainers)}. Found {self.trainer!r}."
            )
        if self.trial_timeout is not None and not self.trial_timeout > 0:
            raise RecipeError(
                f"Expected a trial_timeout above 0 seconds. Found {self.trial_timeout!r}."
            )
        check_executor(self.executor, self.address, self.workers)
        limit, memory = self.time_limit, self.memory
        return replace(
            self,
            trials=whole_number("trials", self.trials, 1),
            max_retries=whole_number("max_retries", self.max_retries, 0),
            workers=self._checked_workers(),
            trial_timeout=None if self.trial_timeout is None else float(self.trial_timeout),
            time_limit=None if limit is None else seconds_of("time_limit", limit),
            memory=None if memory is None else bytes_of("memory", memory),
            confirm=None if self.confirm is None else whole_number("confirm", self.confirm, 0),
            patience=None if self.patience is None else whole_number("patience", self.patience, 1),
            min_growth=_checked_growth(self.min_growth),
        )

    def _checked_workers(self) -> int | None:
        if self.executor == "inline":
            return 0
        if self.workers is None:
            return None
        number, cores = whole_number("workers", self.workers, 0), available_cores()
        if self.executor != "ray" and number > 4 * cores:
            raise RecipeError(
                f"Expected at most {4 * cores} workers on this machine's {cores} cores. Found "
                f"{number}."
            )
        return number


def _checked_growth(growth: Any) -> float:
    number = as_number(growth)
    if not 0 < number < 1:
        raise RecipeError(f"Expected min_growth as a part from 0 to 1. Found {growth!r}.")
    return number
