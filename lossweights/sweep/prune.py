"""Which trials of a sweep stop early: what was declared, asked for, or kept from before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossweights.base.errors import RecipeError
from lossweights.search.rungs import Prune, Pruning, Rungs
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._options import RunOptions


def checked_prune(prune: Prune, objectives: Mapping[str, str], epochs: int) -> Any:
    """Rungs, a pruner of Optuna, `False`, or ``None``; other things are refused.

    `False` is for never, ``None`` for nothing said: the command line may, or a sweep that is gone
    on with.

    Args:
        prune: What was declared.
        objectives: ``"minimize"`` or ``"maximize"`` for each objective.
        epochs: Passes over the training data in each trial.

    Raises:
        RecipeError: It is none of these, or does not fit the sweep.
    """
    if prune is None or prune is False:
        return prune
    if prune is True:
        return Rungs.of(epochs)
    if isinstance(prune, Rungs):
        prune.check(epochs)
        return prune
    from lossweights.search.pruner import check_pruner

    return check_pruner(prune, objectives, epochs)


def pruning_of(
    sweep: Declaration, options: RunOptions, manifest: Mapping[str, Any] | None
) -> Pruning | None:
    """What decides which trials of a run stop early; ``None`` if none does.

    Args:
        sweep: The sweep.
        options: The options of the run.
        manifest: That of a sweep that is gone on with: what was asked for on its command line still
            holds.

    Raises:
        RecipeError: The sweep cannot stop trials early, or its manifest says what cannot be.
    """
    prune = sweep.prune
    kept = None if manifest is None else manifest.get("prune")
    if prune is False and options.prune:
        raise RecipeError(
            "Expected no --prune for a sweep that is declared with prune=False. Found it. Leave "
            "out one of the two."
        )
    if prune is None and options.prune:
        prune = Rungs.of(sweep.epochs)
    elif prune is None and isinstance(kept, Mapping) and "at" in kept:
        if not isinstance(kept["at"], list):
            raise RecipeError(f"Expected rungs in the manifest. Found {kept!r}. Bring it back.")
        prune = Rungs(tuple(kept["at"]), kept.get("keep", 0.5))
    if not prune:
        return None
    sweep.check_prune()
    if isinstance(prune, Rungs):
        return prune.ranked_by(list(sweep.objectives.values()))
    from lossweights.search.pruner import OptunaPruning

    direction = next(iter(sweep.objectives.values()))
    return OptunaPruning(prune, direction, sweep.epochs, sweep.name)
