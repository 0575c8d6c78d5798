"""Keras callbacks of the user's own: made anew for each training, and checked once before any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from lossweights.base.errors import RecipeError

MakeCallbacks: TypeAlias = Callable[[], Sequence[keras.callbacks.Callback]]

NEED_FIT = "Keras callbacks are given, which only model.fit calls"
_WRITE = "Write callbacks=lambda: [keras.callbacks.CSVLogger('log.csv')], for example."


def check_function(given: Any) -> None:
    """Refuse callbacks themselves: each training needs its own, since they remember.

    Raises:
        RecipeError: It is nothing that could be called.
    """
    if given is not None and (not callable(given) or isinstance(given, keras.callbacks.Callback)):
        raise RecipeError(
            f"Expected callbacks as a function that makes them anew for each training, since they "
            f"keep what they saw. Found {type(given).__name__}. {_WRITE}"
        )


def made_callbacks(make: MakeCallbacks | None) -> list[keras.callbacks.Callback]:
    """The callbacks of one training.

    Raises:
        RecipeError: The function gives something else.
    """
    made = [] if make is None else make()
    if not isinstance(made, Sequence) or not all(
        isinstance(each, keras.callbacks.Callback) for each in made
    ):
        raise RecipeError(
            f"Expected callbacks() to return a list of Keras callbacks. Found {made!r}. {_WRITE}"
        )
    return list(made)


def check_callbacks(make: MakeCallbacks | None) -> None:
    """Refuse callbacks that a training would hand on to the next, or that would do nothing.

    Raises:
        RecipeError: Two trainings would share one; or it watches what `model.fit` is not told, or
            would restore another training.
    """
    first, second = made_callbacks(make), made_callbacks(make)
    shared = {type(one).__name__ for one in first if any(one is other for other in second)}
    if shared:
        raise RecipeError(
            f"Expected callbacks() to make new callbacks each time. Found that two trainings share "
            f"{', '.join(sorted(shared))}, which would go on from the last trial. Make them in the "
            f"function."
        )
    for each in first:
        name, watched = type(each).__name__, _watched(each)
        if watched not in (None, "loss"):
            raise RecipeError(
                f"Expected callbacks that watch 'loss', all that model.fit reports in a sweep. "
                f"Found {name} on {watched!r}, which would do nothing. Give monitor='loss'; or "
                f"stop on a metric with early_stopping=lw.EarlyStopping(...)."
            )
        if isinstance(each, keras.callbacks.BackupAndRestore):
            raise RecipeError(
                f"Expected trainings that begin afresh. Found {name}, which would restore another "
                f"trial. Leave it out: `lossweights resume` goes on with a sweep."
            )


def _watched(callback: keras.callbacks.Callback) -> str | None:
    """What a callback of Keras decides by, or ``None``."""
    if isinstance(callback, keras.callbacks.ModelCheckpoint) and not callback.save_best_only:
        return None
    deciding = (
        keras.callbacks.EarlyStopping,
        keras.callbacks.ReduceLROnPlateau,
        keras.callbacks.ModelCheckpoint,
    )
    return str(callback.monitor) if isinstance(callback, deciding) else None
