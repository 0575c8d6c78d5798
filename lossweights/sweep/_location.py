"""How a worker process finds the sweep that this process runs."""

from __future__ import annotations

import sys
from pathlib import Path

from lossweights.base.errors import WorkerError


def location_of(sweep: object, called: str, script: Path | None) -> dict[str, str]:
    """How another process finds a sweep: by its script, or by module and name.

    Nothing of the sweep is pickled, so that closures, lambdas and open files in it do no harm.

    Args:
        sweep: The sweep.
        called: What it is called in the message.
        script: The script that declares it, where that is known.

    Raises:
        WorkerError: The sweep is at the top level of no file that could be imported again.
    """
    if script is not None:
        return {"script": str(script.resolve())}
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is sweep:
                main = getattr(module, "__file__", None)
                if module.__name__ != "__main__":
                    return {"module": module.__name__, "name": name}
                if main is not None:
                    return {"script": str(Path(main).resolve())}
    raise WorkerError(
        f"Expected the sweep {called!r} at the top level of a script or module, where worker "
        f"processes can import it. Found it in a function, a notebook or a prompt. Move "
        f"`sweep = lw.Sweep(...)` to the top level of a file, or train in this process with "
        f"workers=0."
    )
