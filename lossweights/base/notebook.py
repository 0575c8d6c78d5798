"""Whether a person sits at a notebook, where lines on standard error bury what a cell shows."""

from __future__ import annotations

import sys


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, of Jupyter or another of its protocol."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None  # IPython on a terminal has none


def tell(line: str) -> None:
    """Say on standard error what is being done; not in a notebook, which shows one bar."""
    if not in_notebook():
        print(line, file=sys.stderr, flush=True)
