"""Whether NaN among targets means that a label is unknown: as the data say, or who loads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias

from lossweights.base.errors import DataError

Missing: TypeAlias = Literal["nan"] | None

_said: ContextVar[Missing] = ContextVar("missing", default=None)


def checked_missing(missing: object) -> Missing:
    """What ``missing=`` says.

    Raises:
        DataError: It is neither ``"nan"`` nor ``None``.
    """
    if missing is None or missing == "nan":
        return "nan" if missing else None
    raise DataError(
        f"Expected missing='nan', for unknown labels that are NaN, or None. Found {missing!r}. "
        f"Write NaN where a label is unknown."
    )


@contextmanager
def meaning(missing: Missing) -> Iterator[None]:
    """Let data that are made meanwhile have unknown labels, if that is what is said."""
    token = _said.set(missing)
    try:
        yield
    finally:
        _said.reset(token)


def said() -> Missing:
    """What is said at the moment."""
    return _said.get()
