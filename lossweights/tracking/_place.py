"""Where a sweep is recorded, from what was said here and in the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lossweights.base.commands import from_here
from lossweights.base.errors import RecipeError
from lossweights.results.folder import tracking_uri
from lossweights.tracking._address import is_file_store, without_password

VARIABLE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class Place:
    """Where a sweep is recorded.

    Attributes:
        tracking: An address, ``True`` for the store below the root, or ``False`` for nowhere.
        sentence: Says so, and why not where the environment says.
    """

    tracking: bool | str
    sentence: str


def place_of_new(tracking: bool | str, root: Path) -> Place:
    """Where a new sweep is recorded: as it is told, as the environment says, or below the root.

    Args:
        tracking: An address; ``True`` if none was given; ``False`` to record nowhere.
        root: Folder of the sweeps.

    Raises:
        RecipeError: The address is a file store, which MLflow 3 does not write.
    """
    if tracking is not True:
        return _as_told(tracking, root)
    uri = os.environ.get(VARIABLE)
    if not uri:
        return _at(None, root)
    if is_file_store(uri):
        why = f"{VARIABLE} is not used: {uri} is a file store, which MLflow 3 does not write."
        return _at(None, root, why)
    return _at(uri, root, f"as {VARIABLE} says.")


def place_of_resumed(tracking: bool | str, root: Path, recorded: str | None) -> Place:
    """Where a sweep is recorded that goes on: where it was, unless it is told otherwise.

    Args:
        tracking: As in `place_of_new`.
        root: Folder of the sweeps.
        recorded: The address in its manifest; ``None`` for the store below the root.

    Raises:
        RecipeError: The address is a file store, which MLflow 3 does not write.
    """
    if tracking is not True:
        return _as_told(tracking, root)
    uri = os.environ.get(VARIABLE)
    known = with_password(recorded)
    if not uri or is_file_store(uri) or without_password(uri) == recorded:
        return _at(known, root)
    return _at(known, root, f"as before; {VARIABLE} counts for new sweeps.")


def with_password(uri: str | None) -> str | None:
    """An address that was kept without user and password, with those of the environment's.

    They count if the environment names the same place; `MLFLOW_TRACKING_USERNAME` and
    `MLFLOW_TRACKING_PASSWORD` MLflow reads by itself.
    """
    said = os.environ.get(VARIABLE)
    return said if said and uri is not None and without_password(said) == uri else uri


def _as_told(tracking: bool | str, root: Path) -> Place:
    if isinstance(tracking, bool):
        return Place(tracking, "Not recording in MLflow.")
    if is_file_store(tracking):
        raise RecipeError(
            f"Expected the address of an MLflow server or database. Found {tracking!r}, a file "
            f"store, which MLflow 3 does not write. Leave it out to record below {root}."
        )
    return _at(tracking, root)


def _at(uri: str | None, root: Path, why: str = "") -> Place:
    tracking: bool | str = True
    where = str(from_here(root / "mlflow.db"))
    if uri is not None and uri != tracking_uri(root):
        tracking, where = uri, without_password(uri)
    if why.startswith("as "):
        return Place(tracking, f"Recording in MLflow at {where}, {why}")
    return Place(tracking, f"Recording in MLflow at {where}. {why}".rstrip())
