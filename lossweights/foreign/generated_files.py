"""The files that TensorFlow writes of code that it has translated, removed before their time.

TensorFlow translates Python functions into others, writes each into a temporary file and imports
it. It removes the files when Python exits. A worker whose driver was killed ends without that.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

GENERATED = "__autograph_generated_file"  # how the names of such modules begin


def generated_files() -> list[Path]:
    """The files of this process, there or not."""
    modules = [module for name, module in sys.modules.items() if name.startswith(GENERATED)]
    return [Path(file) for module in modules if (file := getattr(module, "__file__", None))]


def remove_generated_files() -> None:
    """Remove them; what was imported stays imported."""
    for file in generated_files():
        with suppress(OSError):
            file.unlink()
