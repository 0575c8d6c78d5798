"""The command line: ``lossweights run | resume | status | list | best | export | ...``.

`app` has the commands, `worker` is what a worker process runs. Both find the sweep that a script
declares without running the script's main part.
"""

from lossweights.cli._app import app

__all__ = ["app"]
