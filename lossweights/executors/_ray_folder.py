"""The folder of a script that goes to the nodes of a cluster, and what of it stays here."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

# In the words of .gitignore; what the folder's own .gitignore names stays here as well.
STAYS = (".git/", ".venv*/", "venv/", "__pycache__/", "mlruns/", "build/", "dist/", "node_modules/")


def shipped_folder(location: Mapping[str, str]) -> Path | None:
    """The folder that a sweep is loaded from, or ``None`` if it is installed on every node.

    Args:
        location: See `lossweights.sweep._location.location_of`.

    >>> shipped_folder({"script": "/home/ada/sweeps/bike.py", "sweep": "bike"}).as_posix()
    '/home/ada/sweeps'
    >>> shipped_folder({"script": "/home/ada/sweeps/bike.py", "module": "sweeps.bike"}).as_posix()
    '/home/ada'
    """
    module = location.get("module", "")
    if "script" in location:
        return Path(location["script"]).parents[module.count(".")]
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    if any(path.is_relative_to(sysconfig.get_path(name)) for name in ("purelib", "platlib")):
        return None
    return path.parents[module.count(".") + (path.name == "__init__.py")]


def excluded(folder: Path, root: Path | None) -> list[str]:
    """Patterns of what stays here, in the words of .gitignore.

    Args:
        folder: The folder.
        root: Folder of the sweeps.

    >>> excluded(Path("/home/ada"), Path("/home/ada/results"))[-1]
    '/results/'
    """
    own = [] if root is None else [root.resolve()]
    inside = [path.relative_to(folder) for path in own if path.is_relative_to(folder)]
    return [*STAYS, *(f"/{path.as_posix()}/" for path in inside if path.parts)]
