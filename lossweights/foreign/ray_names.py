"""What Ray prints beside our own sentences: to standard output, and by a private name alone.

Whenever an actor or a node dies, Ray tells whoever reads the output of the driver, in paragraphs of
its own, also where ``log_to_driver`` is off. We tell it in the reason of the trial. Where the name
is gone, Ray prints again, and nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PRINTS = "print_to_stdstream"


def hush(ray: Any) -> Callable[[], None]:
    """Have Ray print nothing to the driver's output; what puts that back.

    Args:
        ray: The package.
    """
    worker = getattr(getattr(ray, "_private", None), "worker", None)
    before = getattr(worker, PRINTS, None)
    if before is None:
        return lambda: None
    setattr(worker, PRINTS, lambda *_, **__: None)
    return lambda: setattr(worker, PRINTS, before)
