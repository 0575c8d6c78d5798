"""The executor of a cluster: worker processes on its nodes, held by actors of Ray."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from lossweights.base.errors import WorkerError
from lossweights.executors._contract import Event
from lossweights.executors._pool import WorkerPool, load_message
from lossweights.executors._ray_cluster import RayCluster, check_versions
from lossweights.executors._ray_slots import Slots
from lossweights.executors._ray_worker import Pump, RayWorker, beat_of
from lossweights.executors._supervisor import Ready, Supervisor
from lossweights.executors._worker import Worker

log = logging.getLogger("lossweights")

PLACE_SECONDS = 300.0  # that the first worker waits for a place: a node may be starting


class RayExecutor(WorkerPool):
    """Trains in worker processes on the nodes of a Ray cluster.

    Each slot has an actor, which Ray never starts again: what a lost worker trained, the driver
    decides. Nodes may join and leave: a slot whose node is gone waits for room on another one.

    Args:
        cluster: The connection; to be closed after this executor.
        slots: How many workers there are, and what each gets.
        location: How a worker finds the sweep, as the driver would; or the sweep itself.
        trainer: Name of the trainer that each worker builds.
        fingerprint: What the workers must find when they load the sweep: the driver's own.
        logs: Folder for what the workers print; ``None`` if `log_to` will name it.
        members: How many members a worker trains at once; ``None`` leaves that to the trainer.
        memory: Bytes at which a worker is replaced between batches; ``None`` never does.
        settings: What the workers set before they load the data.
        data: Bytes of the data, where the workers of a node are to hold them once; else 0.

    Raises:
        WorkerError: The cluster has no room for a sweep that goes by value.
    """

    def __init__(
        self,
        cluster: RayCluster,
        slots: Slots,
        location: Mapping[str, str] | bytes,
        trainer: str,
        fingerprint: str,
        logs: Path | None = None,
        members: int | None = None,
        memory: int | None = None,
        settings: Mapping[str, Any] | None = None,
        data: int = 0,
    ) -> None:
        super().__init__(fingerprint)
        carried = cluster.put(location) if isinstance(location, bytes) else None
        place = location if isinstance(location, bytes) else cluster.place(location)
        once = {"key": uuid4().hex, "nbytes": data} if data else None
        load = load_message(place, trainer, slots.number, members, settings, once=once)
        self._pump, beat = Pump(), beat_of(slots.number)
        self._avoided: set[str] = set()  # nodes where workers cannot work, as Ray knows them
        self._able: set[str] = set()  # nodes where one got ready, by name
        self._avoiding = threading.Lock()

        def start(log: Path | None, _warm_up: bool) -> RayWorker:
            with self._avoiding:
                avoided = sorted(self._avoided)
            actor = cluster.start(slots, load, carried, avoided)
            patience = PLACE_SECONDS if self._ready is None else None
            return RayWorker(actor, self._pump, cluster.kill, check_versions, beat, log, patience)

        numbers = range(1, slots.number + 1)
        self._supervisors = [Supervisor(self, each, start, logs, memory) for each in numbers]

    def start(self) -> None:
        """Start a worker and wait until it has loaded the sweep; then the others follow.

        Those wait for as long as it takes: there may be nodes for them later.
        """
        first, *others = self._supervisors
        first.start()
        self._wait_for_first()
        for supervisor in others:
            supervisor.start()

    def does_without(self, worker: Worker | None, error: WorkerError) -> bool:
        """Whether others train: a node that came later then goes without workers of this sweep.

        Where a worker has been able to work another one ought to be, too, and what is wrong there
        is wrong with the sweep.
        """
        if self._closed or self._ready is None or not self.workers():
            return False
        if worker is None:
            log.warning("A slot is without a worker for now. %s", error)
            return True
        node = worker.node_id if isinstance(worker, RayWorker) else ""
        with self._avoiding:
            if not node or worker.node in self._able:
                return False
            is_news = node not in self._avoided
            self._avoided.add(node)
        if is_news:
            log.warning("A node is done without. %s", error)
        return True

    def put(self, event: Event | Ready | WorkerError) -> None:
        """For supervisors: what happened; where a worker gets ready others can."""
        if isinstance(event, Ready):
            with self._avoiding:
                self._able.add(event.node)
        super().put(event)

    def close(self) -> None:
        """End every worker and wait for that."""
        super().close()
        self._pump.close()
