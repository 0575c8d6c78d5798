"""Finding the sweep that a launch script declares."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lossweights.errors import SweepNotFound

if TYPE_CHECKING:
    from lossweights.sweep import Sweep


def load_sweep(path: Path) -> Sweep:
    """The one `Sweep` that a script declares at its top level; the script's main part does not run.

    Raises:
        SweepNotFound: There is no such file, or it declares no sweep, or more than one.
    """
    if not path.is_file():
        raise SweepNotFound(f"Expected a script. Found no file {path}. Check the path.")
    from lossweights.sweep import Sweep

    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # as Python itself does for a script
    try:
        found = runpy.run_path(str(path), run_name="lossweights_script")
    finally:
        sys.path.remove(folder)
    sweeps = {id(value): value for value in found.values() if isinstance(value, Sweep)}
    if len(sweeps) != 1:
        raise SweepNotFound(
            f"Expected one lw.Sweep(...) at the top level of {path}. Found {len(sweeps)}. "
            f"Write sweep = lw.Sweep(...) outside of functions."
        )
    return next(iter(sweeps.values()))
