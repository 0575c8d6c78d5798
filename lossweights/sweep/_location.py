"""How another process finds the sweep that this process runs: a worker, or who resumes it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from lossweights.base.errors import WorkerError


def location_of(sweep: object, called: str, script: Path | None) -> dict[str, str]:
    """How another process finds a sweep: by script and name, or by module and variable.

    Nothing of the sweep is pickled, so that closures, lambdas and open files in it do no harm.

    Args:
        sweep: The sweep.
        called: The name that it was declared under, which tells it from others of its script.
        script: The script that declares it, where that is known.

    Raises:
        WorkerError: The sweep is at the top level of no file that could be imported again.
    """
    main = sys.modules.get("__main__")
    if script is None and main is not None and _holds(main, sweep):
        script = _file_of(main)
    if script is not None:
        run_as = module_of(script)
        as_module = {} if run_as is None else {"module": run_as}
        return {"script": str(script.resolve()), **as_module, "sweep": called}
    for module_name, module in list(sys.modules.items()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is sweep and module is not main:
                return {"module": module_name, "name": name}
    raise WorkerError(
        f"Expected the sweep {called!r} at the top level of a script or module, where worker "
        f"processes can import it. Found it in a function, a notebook or a prompt. Move "
        f"`sweep = lw.Sweep(...)` to the top level of a file, or train in this process with "
        f"workers=0.",
        f"{called!r} is at the top level of no script or module: it was made in a function, a "
        f"notebook or a prompt",
    )


def module_of(script: Path) -> str | None:
    """The name under which this process runs a script as a module; ``None`` if it does not.

    What ``python -m package.module`` runs may import its neighbours by relative names, which the
    same file run by its path may not.
    """
    main = sys.modules.get("__main__")
    spec, file = getattr(main, "__spec__", None), _file_of(main)
    if spec is None or not spec.parent or file is None or file.resolve() != script.resolve():
        return None
    return str(spec.name)


def _file_of(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    return None if file is None else Path(file)


def _holds(module: ModuleType, sweep: object) -> bool:
    """Whether a module has a sweep under a name, or in a collection that has one."""
    return any(
        value is sweep or any(each is sweep for each in _each_of(value))
        for value in list(vars(module).values())
    )


def _each_of(value: Any) -> Collection[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list | tuple) else ()
