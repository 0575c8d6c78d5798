"""How trials are trained: chosen when a sweep begins, kept in its manifest, and gone on with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from lossweights.base.errors import SweepChanged, WorkerError
from lossweights.base.machine import available_cores
from lossweights.base.memory import held_bytes, said, total_bytes
from lossweights.base.notebook import tell
from lossweights.executors import (
    CannotLoad,
    Executor,
    Forkserver,
    InlineExecutor,
    ProcessExecutor,
    RayCluster,
    RayExecutor,
    Slots,
    slots_of,
)
from lossweights.sweep._declaration import Declaration
from lossweights.sweep._location import location_of
from lossweights.sweep._options import RunOptions
from lossweights.sweep.carried import carried
from lossweights.sweep.prepared import Prepared
from lossweights.training import SetupRequest, TrainingSetup

log = logging.getLogger("lossweights")

MEMORY_SHARE = 0.8  # of the machine's memory that all workers together may hold


class Crew:
    """What trains the trials of a sweep, from the choice to the end; a context manager.

    It writes nothing: a sweep that cannot be trained as it was asked for leaves no folder.

    Args:
        sweep: The sweep.
        prepared: The sweep, ready to run.
        options: The options of the run.
        forkserver: What workers can be forked from, if there is such a process.
        cluster: Where workers are to be, if not on this machine.

    Attributes:
        choice: How the trials are trained and what was asked, as a manifest keeps it.
    """

    def __init__(
        self,
        sweep: Declaration,
        prepared: Prepared,
        options: RunOptions,
        forkserver: Forkserver | None = None,
        cluster: RayCluster | None = None,
    ) -> None:
        self._sweep, self._prepared, self._options = sweep, prepared, options
        self._forkserver, self._cluster = forkserver, cluster
        self._slots = Slots(0)
        self._executor: Executor | None = None
        self.choice: dict[str, Any] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.close()

    @property
    def has_started(self) -> bool:
        """Whether it is ready to train."""
        return self._executor is not None

    @property
    def executor(self) -> Executor:
        """What trains."""
        if self._executor is None:
            raise RuntimeError("Expected a crew that has started. Call start() first.")
        return self._executor

    def start(self, kept: object = None) -> None:
        """Choose how the trials are trained, say it, and get ready for that.

        If the number of workers was left to us, and no worker can load the sweep, it is trained in
        this process, and a line says why.

        Args:
            kept: The choice that the manifest of a sweep that is gone on with has.

        Raises:
            WorkerError, SweepChanged: Workers were asked for, and cannot load the sweep.
        """
        options = self._options
        # Only a process can be ended in time.
        least = int(options.trial_timeout is not None or options.executor == "processes")
        workers = options.workers
        if self._cluster is not None:
            self._slots = _slots(self._cluster, workers, self._prepared.bytes_to_share)
            workers = self._slots.on_a_node  # those of a node share its cache
        request = SetupRequest(
            options.trainer, options.trials, workers, least, options.memory_bytes
        )
        question = {**asdict(request), "cores": available_cores()}
        if request.memory is None:
            del question["memory"]  # as manifests had it before there was a limit
        if self._cluster is not None:
            question["slots"] = {**asdict(self._slots), "memory": None}  # which is free at a time
        setup = _kept_setup(kept, question) or self._prepared.choose(request)
        if self._cluster is not None:
            setup = replace(setup, workers=self._slots.number)
        if setup.workers:
            try:
                self._start_workers(setup)
            except (WorkerError, SweepChanged) as error:
                if options.workers is not None or options.executor is not None:
                    raise
                log.warning(
                    "training in this process%s, since no worker process can load the sweep: %s",
                    ", where a time limit acts between epochs" if least else "",
                    getattr(error, "reason", str(error)),
                )
                setup = self._prepared.choose(replace(request, workers=0, least=0))
        if not setup.workers:
            made = setup
            if self._forkserver is not None:
                self._forkserver.close()
            self._start(InlineExecutor(lambda: self._trainer(made)))
        if setup.why and not options.quiet:
            tell(str(setup))
        self.choice = {"asked": question, "made": asdict(setup)}

    def _trainer(self, setup: TrainingSetup) -> Any:
        return self._prepared.make_trainer(setup.trainer, setup.members)

    def _start_workers(self, setup: TrainingSetup) -> None:
        """Start workers that load the sweep's script, or else get the sweep itself.

        Raises:
            WorkerError, SweepChanged: There are no workers here; or they can load neither.
        """
        try:
            location = location_of(self._sweep, self._sweep.name, self._options.script)
        except WorkerError as error:
            no_script: WorkerError | SweepChanged = error
        else:
            executor = self._workers(setup, location)
            try:
                self._start(executor)
                return
            except (WorkerError, SweepChanged) as error:
                if self._cluster is not None and not isinstance(error, CannotLoad | SweepChanged):
                    raise  # it has no room, or another version
                no_script = error
        try:
            data = carried(self._sweep, None if self._cluster is None else self._cluster.folder)
        except WorkerError as error:
            raise WorkerError(
                f"{no_script} It could not be sent to them by value either: {error}",
                f"{getattr(no_script, 'reason', no_script)}, and {error.reason}",
            ) from no_script
        self._start(self._workers(setup, data))

    def _workers(self, setup: TrainingSetup, location: Mapping[str, str] | bytes) -> Executor:
        if self._cluster is not None:
            return RayExecutor(
                self._cluster,
                self._slots,
                location,
                setup.trainer,
                fingerprint=self._prepared.fingerprint,
                members=setup.members,
                memory=_share(setup.workers, self._slots.memory, self._options.memory_bytes),
                settings=self._prepared.settings,
                data=self._prepared.bytes_to_share,
            )
        return ProcessExecutor(
            setup.workers,
            location,
            setup.trainer,
            fingerprint=self._prepared.fingerprint,
            members=setup.members,
            memory=_memory_limit(setup.workers, self._options.memory_bytes),
            settings=self._prepared.settings,
            forkserver=self._forkserver,
            shared=self._prepared.shared,
        )

    def _start(self, executor: Executor) -> None:
        try:
            executor.start()
        except (WorkerError, SweepChanged):
            executor.close()
            raise
        except BaseException:
            executor.kill()
            executor.close()
            raise
        self._executor = executor


def _kept_setup(kept: object, question: Mapping[str, Any]) -> TrainingSetup | None:
    """What was chosen before, as long as the same is asked for on as many cores.

    Timed again, or with other memory free, it might be chosen otherwise.
    """
    if isinstance(kept, Mapping) and kept.get("asked") == question:
        return TrainingSetup.from_json(kept.get("made"))
    return None


def _slots(cluster: RayCluster, workers: int | None, data: int) -> Slots:
    """The workers that a cluster has room for, or so many.

    Args:
        cluster: The cluster.
        workers: How many, if that was said.
        data: Bytes of the data that the workers of a node hold once.

    Raises:
        WorkerError: It has room for none.
    """
    slots = slots_of(cluster.nodes(), workers, data)
    if not slots.number:
        twice = f" beside {said(2 * data)}, which is twice the data" if data else ""
        raise WorkerError(
            f"Expected a cluster with room for a worker: a core, and 1 GiB of memory{twice}. Found "
            f"none. Let a node join, or say how many workers are to wait for nodes: workers=2.",
            "the cluster has room for no worker",
        )
    return slots


def _share(workers: int, there: int | None, limit: int | None) -> int | None:
    """What a worker on a cluster may hold: its share of a node, and of what was said.

    Args:
        workers: How many there are.
        there: What its node has for it, if that is known.
        limit: What all may hold together, if that was said.
    """
    shares = [] if there is None else [MEMORY_SHARE * there]
    shares += [] if limit is None else [limit / workers]
    return int(min(shares)) if shares else None


def _memory_limit(workers: int, limit: int | None) -> int | None:
    """What a worker may hold: beyond, memory that earlier trials have left behind is given back.

    Args:
        workers: How many there are.
        limit: What all processes may hold together, if that was said.
    """
    total = total_bytes()
    shares = [] if total is None else [MEMORY_SHARE * total]
    shares += [] if limit is None else [max(limit - held_bytes(), 0)]
    return int(min(shares) / workers) if shares else None
