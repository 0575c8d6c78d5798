"""The process that workers are forked from: it imports what they need, and runs nothing.

Started by `lossweights.executors` as ``python -m lossweights.cli.forkserver``, with the numbers of
the driver's socket and of a file that stands for the driver, and the names of modules. It ends when
the driver does.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module

from lossweights.base.quiet_start import quiet_start
from lossweights.cli import worker
from lossweights.executors import serve_forks


def main() -> None:
    """Serve the driver that started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    number, driver, *modules = sys.argv[1:]
    requests = socket.socket(fileno=int(number))
    with suppress(Exception), quiet_start():  # what cannot be imported a worker reports itself
        for module in modules:
            import_module(module)
    serve_forks(requests, int(driver), worker.work)
    os._exit(0)


if __name__ == "__main__":
    main()
