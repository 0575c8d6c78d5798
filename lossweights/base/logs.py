"""How much libraries log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def log_level(logger: str, level: int) -> Iterator[None]:
    """Within this context a library logs nothing below a level.

    Args:
        logger: Name of its logger, such as ``"alembic"``.
        level: One of `logging`'s.

    >>> with log_level("a library", logging.ERROR):
    ...     logging.getLogger("a library").isEnabledFor(logging.WARNING)
    False
    """
    logged = logging.getLogger(logger)
    before = logged.level
    logged.setLevel(level)
    try:
        yield
    finally:
        logged.setLevel(before)
