"""The command line: ``lossweights run | resume | status | list | best | export | ...``.

`app` has the commands, `worker` is what a worker process runs, and `forkserver` the process that
workers are forked from. They find the sweep that a script declares without running the script's
main part.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossweights.cli._base import app

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lossweights.cli import _app  # a worker starts without it

    return _app.app
