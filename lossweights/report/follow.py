"""A report that is written anew while its sweep runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lossweights.report.page import write_report
from lossweights.results.folder import sweep_folder
from lossweights.results.result import SweepResult
from lossweights.results.status import read_status

EVERY = 10.0  # seconds between two looks


def follow_report(
    name: str,
    root: Path,
    path: Path,
    *,
    every: float = EVERY,
    tell: Callable[[str], object] = print,
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Write the report whenever a trial has ended, until the sweep does, or until Ctrl-C.

    The page loads itself anew meanwhile; the last one that is written does not.

    Args:
        name: Name of the sweep.
        root: Folder of the sweeps.
        path: The HTML file.
        every: Seconds between two looks.
        tell: Called with a line for each report that is written.
        sleep: Waits between two looks.

    Raises:
        SweepNotFound: There is no such sweep.
        StoreError: A file is damaged, or the report cannot be written.
    """
    seen = -1
    while True:
        running = read_status(root, name).running
        ended = _ended(root, name)
        if ended != seen or not running:
            result = SweepResult.read(name, root)
            write_report(result, path, root=root, every=every if running else None)
            tell(f"{len(result.finished)} trials: report written to {path}")
            seen = ended
        if not running:
            return path
        try:
            sleep(every)
        except KeyboardInterrupt:
            write_report(SweepResult.read(name, root), path, root=root)
            return path


def _ended(root: Path, name: str) -> int:
    """How many trials have ended, told from their files alone."""
    return sum(1 for _ in (sweep_folder(root, name) / "trials").glob("*.json"))
