"""Tracking: a sweep's record in MLflow, kept by a thread that nobody waits for.

`Tracker` records while a sweep runs, `About` says what the sweep is, `Ending` how it ended, and
`STOPPED` that it was stopped; `sync_sweep` records afterwards what could not be recorded.
`save_model` saves the winner as MLflow saves models. `place_of_new` and `place_of_resumed`
say in which `Place` a sweep is recorded, `find_record` gives the `Record` that is there, to be
removed. `find_page` gives the `Page` that MLflow's UI has of a sweep. `settle_moved` has MLflow
find the artifacts of a root that was moved. `tracked_set` is the weight set of a run or of a
registered model, `register_model` registers one, `record_promotion` has a sweep's run and the alias
of its registered model show what is promoted. `without_password` is an address as it may be shown,
`with_password` one as it opens.
Only here is MLflow used; what is relied on of it without its promise stands in
`lossweights.foreign`.
"""

from lossweights.tracking._about import About
from lossweights.tracking._address import without_password
from lossweights.tracking._ending import STOPPED, Ending
from lossweights.tracking._models import save_model
from lossweights.tracking._moved import settle_moved
from lossweights.tracking._pages import Page, find_page
from lossweights.tracking._place import Place, place_of_new, place_of_resumed, with_password
from lossweights.tracking._registered import record_promotion, register_model
from lossweights.tracking._removal import Record, find_record
from lossweights.tracking._sync import sync_sweep
from lossweights.tracking._tracked_set import tracked_set
from lossweights.tracking._tracker import Tracker

__all__ = [
    "STOPPED",
    "About",
    "Ending",
    "Page",
    "Place",
    "Record",
    "Tracker",
    "find_page",
    "find_record",
    "place_of_new",
    "place_of_resumed",
    "record_promotion",
    "register_model",
    "save_model",
    "settle_moved",
    "sync_sweep",
    "tracked_set",
    "with_password",
    "without_password",
]
