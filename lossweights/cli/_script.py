"""Finding the sweep that a launch script declares."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from lossweights.base.errors import SweepNotFound
from lossweights.base.quiet_start import quiet_start
from lossweights.sweep.abstract import AbstractSweep


def load_sweep(path: Path) -> AbstractSweep:
    """The one sweep that a script declares at its top level; the script's main part does not run.

    Raises:
        SweepNotFound: There is no such file, or it declares no sweep, or more than one.
    """
    if not path.is_file():
        raise SweepNotFound(f"Expected a script. Found no file {path}. Check the path.")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as Python does for a script, whose functions may import later
    with quiet_start():  # whichever it imports first, Keras or us
        found = runpy.run_path(str(path), run_name="lossweights_script")
    sweeps = {id(value): value for value in found.values() if isinstance(value, AbstractSweep)}
    if len(sweeps) != 1:
        raise SweepNotFound(
            f"Expected one lw.Sweep(...) at the top level of {path}. Found {len(sweeps)}. "
            f"Write sweep = lw.Sweep(...) outside of functions."
        )
    return next(iter(sweeps.values()))


def load_location(location: Mapping[str, str]) -> AbstractSweep:
    """The sweep that `lossweights.sweep._location.location_of` described.

    Raises:
        SweepNotFound: It is not there.
    """
    if "script" in location:
        return load_sweep(Path(location["script"]))
    with quiet_start():
        module = import_module(location["module"])
    sweep = getattr(module, location["name"], None)
    if not isinstance(sweep, AbstractSweep):
        raise SweepNotFound(
            f"Expected a sweep as {location['name']!r} of the module {location['module']!r}. "
            f"Found {type(sweep).__name__}. Define it at the top level of the module."
        )
    return sweep
