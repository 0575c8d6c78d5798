"""Tracking: a sweep's record in MLflow, kept by a thread that nobody waits for.

`Tracker` records while a sweep runs, `Ending` says how it ended, `STOPPED` that it was stopped, and
`sync_sweep` records afterwards what could not be recorded. `without_password` is an address as it
may be shown. Only here is MLflow used.
"""

from lossweights.tracking._address import without_password
from lossweights.tracking._ending import STOPPED, Ending
from lossweights.tracking._sync import sync_sweep
from lossweights.tracking._tracker import Tracker

__all__ = ["STOPPED", "Ending", "Tracker", "sync_sweep", "without_password"]
