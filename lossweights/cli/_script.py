"""Finding the sweep that a launch script declares."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from lossweights.base.errors import SweepNotFound
from lossweights.base.quiet_start import quiet_start
from lossweights.results.folder import read_manifest
from lossweights.sweep.abstract import AbstractSweep, sweeps_made

_RUN_NAME = "lossweights_script"  # not "__main__": the main part of a script does not run


def load_sweep(path: Path, module: str | None = None, name: str | None = None) -> AbstractSweep:
    """The sweep that a script declares at its top level; the script's main part does not run.

    Args:
        path: The script.
        module: The module that it is, where it was run as ``python -m``.
        name: Which sweep, if the script makes several; in a loop, say.

    Raises:
        SweepNotFound: There is no such file, or it declares no sweep, or more than one and none of
            that name.
    """
    top, made = _run(path, module)
    for found in (top, made):
        named = [sweep for sweep in found if sweep.name == name]
        if len(named) == 1:
            return named[0]
    if len(top) != 1:
        names = f"They are {', '.join(sweep.name for sweep in top)}. " if top else ""
        raise SweepNotFound(
            f"Expected one lw.Sweep(...) at the top level of {path}. Found {len(top)}. "
            f"{names}Write sweep = lw.Sweep(...) outside of functions, one in a script, or call "
            f"run() of each in the script's main part."
        )
    return top[0]


def launched(name: str, root: Path) -> tuple[AbstractSweep, Path]:
    """A sweep that is there, as its script declares it now, and the script.

    Raises:
        SweepNotFound: There is no sweep of this name, or its script is nowhere.
    """
    manifest = read_manifest(root, name)
    script, module = script_of(manifest, root), manifest.get("module")
    return load_sweep(script, module if isinstance(module, str) else None, name), script


def script_of(manifest: Mapping[str, Any], root: Path) -> Path:
    """The script that declared a sweep, also if project or root were moved since.

    Args:
        manifest: The manifest of the sweep.
        root: Folder of the sweeps, where it is now.

    Raises:
        SweepNotFound: The sweep was started from Python, or the script is nowhere.
    """
    name, script, before = manifest.get("name"), manifest.get("script"), manifest.get("root")
    if script is None:
        raise SweepNotFound(
            f"Expected the path of a script in the manifest of {name!r}. Found none: it was "
            f"started from Python. Call sweep.run(name={name!r}, resume=True) there."
        )
    places = [Path(script)]
    if before is not None:  # first where it lies to the root as it did
        places.insert(0, Path(os.path.normpath(root.resolve() / os.path.relpath(script, before))))
    for path in places:
        if path.is_file():
            return path
    looked = " and no file ".join(map(str, dict.fromkeys(places)))
    raise SweepNotFound(
        f"Expected the script of the sweep {name!r}. Found no file {looked}. "
        f"If it was moved, go on from it: `python SCRIPT --resume --name {name} --root {root}`."
    )


def load_location(location: Mapping[str, str]) -> AbstractSweep:
    """The sweep that `lossweights.sweep._location.location_of` described.

    Raises:
        SweepNotFound: It is not there.
    """
    if "script" in location:
        path, name = Path(location["script"]), location.get("sweep")
        sweep = load_sweep(path, location.get("module"), name)
        if name not in (None, sweep.name):
            raise SweepNotFound(
                f"Expected a sweep {name!r} that is made at the top level of {path}. Found "
                f"{sweep.name!r}. Make it outside of functions and of the script's main part."
            )
        return sweep
    with quiet_start():
        module = import_module(location["module"])
    found = getattr(module, location["name"], None)
    if not isinstance(found, AbstractSweep):
        raise SweepNotFound(
            f"Expected a sweep as {location['name']!r} of the module {location['module']!r}. "
            f"Found {type(found).__name__}. Define it at the top level of the module."
        )
    return found


def _run(path: Path, module: str | None) -> tuple[list[AbstractSweep], list[AbstractSweep]]:
    """The sweeps that a script has at its top level, and all that it makes."""
    if not path.is_file():
        raise SweepNotFound(f"Expected a script. Found no file {path}. Check the path.")
    depth = 0 if module is None else module.count(".")
    folder = str(path.resolve().parents[depth])
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as Python does for a script, whose functions may import later
    with quiet_start(), sweeps_made() as made:  # whichever it imports first, Keras or us
        if module is None:
            found = runpy.run_path(str(path), run_name=_RUN_NAME)
        else:
            found = runpy.run_module(module, run_name=_RUN_NAME)
    top = _sweeps(found.values())
    return top, [sweep for sweep in _sweeps(made) if hasattr(sweep, "name")]


def _sweeps(values: Iterable[object]) -> list[AbstractSweep]:
    """The sweeps among values, each once."""
    return list({id(v): v for v in values if isinstance(v, AbstractSweep)}.values())
