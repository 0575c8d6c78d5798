"""What the end of a sweep takes long to import, imported while its trials train."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from importlib import import_module

log = logging.getLogger("lossweights")


class Preload:
    """Imports modules in a thread of its own, once.

    While trials train the driver has little to do; at the end a person waits for it.

    Args:
        modules: Their names, in the order in which they are needed.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._begun = False

    def begin(self) -> None:
        """Begin, if it has not; returns at once."""
        if not self._begun and self._modules:
            self._begun = True
            threading.Thread(target=self._run, name="lossweights-preload", daemon=True).start()

    def _run(self) -> None:
        for module in self._modules:
            try:
                import_module(module)
            except Exception:  # whoever needs it says so
                log.debug("%s cannot be imported", module, exc_info=True)
