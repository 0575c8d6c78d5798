"""The sweep folder in the hands of its one writer: `Store` holds lock, files and Optuna's study;
`Claim` is the lock alone, of one who only removes. `ContestJournal` keeps what is trained beside
the trials. In the `RungJournal` is a `WaveRecord` for what
was asked for together, with each `Decision` about it. `note_drivers` has the study say which term
drove each trial.

Another door is `manifest`: what a sweep sweeps, spelled out, so that a resumed one is the same.
"""

from lossweights.store._claim import Claim
from lossweights.store._contest import ContestJournal
from lossweights.store._drivers import note_drivers
from lossweights.store._rungs import Decision, RungJournal, WaveRecord
from lossweights.store._store import Store

__all__ = [
    "Claim",
    "ContestJournal",
    "Decision",
    "RungJournal",
    "Store",
    "WaveRecord",
    "note_drivers",
]
