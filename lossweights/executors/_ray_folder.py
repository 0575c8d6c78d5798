"""The folder of a script that goes to the nodes of a cluster, and what of it stays here."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from lossweights.executors._environment import module_path

# In the words of .gitignore; what the folder's own .gitignore names stays here as well, and so does
# the environment of this process.
STAYS = (".git/", ".venv*/", "venv/", "__pycache__/", "mlruns/", "build/", "dist/", "node_modules/")


def shipped_folder(location: Mapping[str, str] | None) -> Path | None:
    """The folder that a sweep is loaded from, or ``None`` if it is installed on every node.

    Args:
        location: See `lossweights.sweep._location.location_of`. ``None`` if the sweep goes by
            value: then it is the folder where what it imports from beside it is found.

    >>> shipped_folder({"script": "/home/ada/sweeps/bike.py", "sweep": "bike"}).as_posix()
    '/home/ada/sweeps'
    >>> shipped_folder({"script": "/home/ada/sweeps/bike.py", "module": "sweeps.bike"}).as_posix()
    '/home/ada'
    """
    if location is None:
        return _folder_of_program()
    module = location.get("module", "")
    if "script" in location:
        return Path(location["script"]).parents[module.count(".")]
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    if _is_installed(path):
        return None
    return path.parents[module.count(".") + (path.name == "__init__.py")]


def _folder_of_program() -> Path | None:
    """The folder of the script that runs, or the working folder where modules are found there.

    Neither a home nor the whole disk: whose sweep is from there does not mean all that it holds.
    """
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is not None and getattr(main, "__spec__", None) is None and not _is_installed(file):
        folder = Path(file).resolve().parent
        return None if _is_too_much(folder) else folder
    folder = Path.cwd().resolve()
    is_searched = folder in {Path(each).resolve() for each in module_path()}
    stays = _is_too_much(folder) or _is_installed(folder)
    return folder if is_searched and not stays else None


def _is_too_much(folder: Path) -> bool:
    return folder in (Path.home().resolve(), Path(folder.anchor))


def _is_installed(path: str | Path) -> bool:
    places = map(sysconfig.get_path, ("purelib", "platlib", "stdlib", "scripts"))
    return any(Path(path).resolve().is_relative_to(Path(each).resolve()) for each in places)


def excluded(folder: Path, root: Path | None) -> list[str]:
    """Patterns of what stays here, in the words of .gitignore.

    Args:
        folder: The folder.
        root: Folder of the sweeps.

    >>> excluded(Path("/home/ada"), Path("/home/ada/results"))[-1]
    '/results/'
    """
    own = [Path(sys.prefix).resolve(), *([] if root is None else [root.resolve()])]
    inside = [path.relative_to(folder) for path in own if path.is_relative_to(folder)]
    return [*STAYS, *(f"/{path.as_posix()}/" for path in inside if path.parts)]
