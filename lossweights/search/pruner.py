"""An Optuna pruner, asked as in a plain Optuna study of one objective."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.trial import Trial, TrialState

from lossweights.base.errors import RecipeError
from lossweights.search.rungs import Pruning, Values


def check_pruner(pruner: Any, objectives: Mapping[str, str], epochs: int) -> BasePruner:
    """The pruner, if it can decide about trials with these objectives and so many epochs.

    Raises:
        RecipeError: It is no pruner, or there are several objectives, or no epoch before the last.
    """
    if not isinstance(pruner, BasePruner):
        raise RecipeError(
            f"Expected True, lw.Rungs(at=(3, 7), keep=0.5) or a pruner of optuna.pruners as prune. "
            f"Found {pruner!r}."
        )
    if len(objectives) != 1:
        raise RecipeError(
            f"Expected one objective, since pruners of Optuna compare single values. Found "
            f"{list(objectives)}. Use prune=True or lw.Rungs, which rank trials by all objectives."
        )
    if epochs < 2:
        raise RecipeError(
            "Expected at least 2 epochs, since a pruner decides before the last one. Found 1. "
            "Train for longer, or leave out prune=."
        )
    return pruner


class OptunaPruning(Pruning):
    """Lets a pruner of Optuna decide after every epoch, in a study in memory.

    All trials of a wave report an epoch before any of them is asked about, and they are asked about
    in the order in which they were asked for: whoever trains faster, the same is decided.

    Args:
        pruner: The pruner. It is copied, since some remember what they have seen.
        direction: ``"minimize"`` or ``"maximize"`` of the only objective.
        epochs: How many epochs a trial has.
        name: Name of the study, by which some pruners tell trials apart.
    """

    def __init__(self, pruner: BasePruner, direction: str, epochs: int, name: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        pruner = copy.deepcopy(pruner)
        self._described = {"pruner": _spelled(pruner)}
        self._epochs = epochs
        self._study = optuna.create_study(study_name=name, direction=direction, pruner=pruner)
        self._trials: dict[int, Trial] = {}

    @property
    def at(self) -> tuple[int, ...]:
        """Every epoch but the last."""
        return tuple(range(1, self._epochs))

    def stopped(self, epoch: int, values: Values) -> frozenset[int]:
        """See `Pruning.stopped`."""
        trials = {place: self._trial(place) for place in sorted(values)}
        for place, trial in trials.items():
            found = values[place]
            if found is not None:
                trial.report(found[0], epoch)
        return frozenset(
            place
            for place, trial in trials.items()
            if values[place] is None or trial.should_prune()
        )

    def ended(self, place: int, values: Sequence[float] | None, *, pruned: bool) -> None:
        """See `Pruning.ended`."""
        trial = self._trials.pop(place, None)
        if trial is None:
            return
        if values is not None and math.isfinite(values[0]):
            self._study.tell(trial, values[0])
        else:
            self._study.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)

    def describe(self) -> dict[str, Any]:
        """Class and arguments of the pruner."""
        return self._described

    def _trial(self, place: int) -> Trial:
        if place not in self._trials:
            self._trials[place] = self._study.ask()
        return self._trials[place]


def _spelled(value: Any) -> Any:
    """A pruner as plain JSON values: its class, and what it was made with."""
    if isinstance(value, BasePruner):
        state = {name.strip("_"): _spelled(each) for name, each in sorted(vars(value).items())}
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **state}
    if isinstance(value, Mapping):
        return {str(key): _spelled(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(each) for each in value]
    known = value is None or isinstance(value, str | bool | int)
    finite = isinstance(value, float) and math.isfinite(value)
    return value if known or finite else repr(value)
