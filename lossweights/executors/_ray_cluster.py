"""A connection to a cluster of Ray: made, refused in a sentence, and let go."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lossweights.base.errors import RecipeError, WorkerError
from lossweights.base.versions import versions
from lossweights.executors._environment import OF_LIBRARIES
from lossweights.executors._ray_actor import Slot
from lossweights.executors._ray_folder import excluded
from lossweights.executors._ray_refusal import REACH_SECONDS, first_line, reach, refused
from lossweights.executors._ray_slots import WORKER_BYTES, Node, Slots
from lossweights.foreign.ray_names import hush

# What is set for Ray, unless the user has said something else. It asks for a token, tells nobody
# that it is used, and leaves what it can to our own sentences.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "error",
}
# How often Ray tries an address, a second apart, and 20 times if nobody says: whoever is there
# answers at once, also that a token is wrong.
FEW_TRIES = {"RAY_gcs_server_port_wait_time_s": f"{REACH_SECONDS:.0f}"}
# What must be the same in driver and workers: with others they could come to other numbers.
ALIKE = ("lossweights", "keras", "tensorflow", "numpy")
AT_ONCE = 4  # calls to a slot: one that waits for news, messages, an end


def refuse_without_ray() -> None:
    """Refuse a cluster where Ray is not installed.

    Raises:
        RecipeError: It is not.
    """
    if find_spec("ray") is None:
        raise RecipeError(
            "Expected Ray for executor='ray'. Found that it is not installed. Install it in a "
            "clone of lossweights by pip install '.[ray]', or anywhere by pip install 'ray>=2.59'."
        )


class RayCluster:
    """A connection to a cluster, of which a process has one at most; a context manager.

    Args:
        address: ``"auto"`` for the cluster of this machine or of ``RAY_ADDRESS``,
            ``"ray://HOST:PORT"``, or ``"HOST:PORT"`` on a machine that is a node.
        folder: Is copied to the nodes; see `shipped_folder`. ``None`` copies nothing: files are
            where they are here, on a disk that all share, or nothing is imported from any.
        root: Folder of the sweeps, which stays here.

    Attributes:
        folder: What is copied. Workers are in it, wherever it lies there.

    Raises:
        RecipeError: Ray is not installed.
        WorkerError: Nobody answers there, or answers that it is another version, wants another
            token, or something else; or this process has a connection already.
    """

    def __init__(
        self,
        address: str = "auto",
        folder: Path | None = None,
        root: Path | None = None,
    ) -> None:
        refuse_without_ray()
        self.folder = folder
        with ExitStack() as undo:
            undo.enter_context(_unless_said(ENVIRONMENT))
            import ray

            if ray.is_initialized():
                raise WorkerError(
                    "Expected to connect to a Ray cluster. Found that this process is connected "
                    "already. Call ray.shutdown() before the sweep runs."
                )
            reach(os.environ.get("RAY_ADDRESS") or address if address == "auto" else address)
            undo.callback(hush(ray))
            undo.callback(ray.shutdown)
            along = {}
            if folder is not None:
                stays = excluded(folder, root)
                along = {"runtime_env": {"working_dir": str(folder), "excludes": stays}}
            try:
                with _unless_said(FEW_TRIES), _signals_kept():
                    ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **along)
            except Exception as error:  # of many kinds
                raise refused(address, error, folder) from error
            self._ray, self._undo = ray, undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go; actors end with it."""
        self._undo.close()

    def nodes(self) -> list[Node]:
        """What the nodes have that are there now."""
        found = [each["Resources"] for each in self._ray.nodes() if each["Alive"]]
        return [
            Node(has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", float("inf")))
            for has in found
        ]

    def place(self, location: Mapping[str, str]) -> dict[str, str]:
        """How a node finds a sweep: by a path in the folder that came along, where one did."""
        script = location.get("script")
        if script is None or self.folder is None:
            return dict(location)
        return {**location, "script": str(Path(script).relative_to(self.folder))}

    def put(self, data: bytes) -> Any:
        """Keep data where every node gets them from, once.

        Raises:
            WorkerError: There is no room for them.
        """
        try:
            return self._ray.put(data)
        except (
            self._ray.exceptions.ObjectStoreFullError,
            self._ray.exceptions.OutOfDiskError,
        ) as error:
            raise WorkerError(
                f"Expected room for {len(data)} bytes of the sweep in the cluster's object store. "
                f"Found none: {first_line(error)} Free some, start nodes with a larger "
                f"--object-store-memory, or move the sweep to the top level of a script.",
                "the object store of the cluster is full",
            ) from error

    def start(
        self,
        slots: Slots,
        load: Mapping[str, Any],
        carried: Any,
        avoided: Collection[str] = (),
    ) -> Any:
        """An actor for a slot, which may have to wait for its place.

        At most once: nobody starts a training again but the driver.

        Args:
            slots: What it gets.
            load: First message to its worker.
            carried: What `put` gave for the sweep, if it goes by value.
            avoided: Nodes that it may not be on, as Ray knows them.
        """
        elsewhere = {"ray.io/node-id": f"!in({','.join(sorted(avoided))})"} if avoided else None
        remote = self._ray.remote(
            num_cpus=slots.cores,
            num_gpus=slots.gpus,
            memory=None if slots.memory is None else min(slots.memory, WORKER_BYTES),
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=AT_ONCE,
            scheduling_strategy="SPREAD",
            label_selector=elsewhere,
        )(Slot)
        # Workers elsewhere have those of the driver.
        said = {n: v for n, v in os.environ.items() if n.startswith(OF_LIBRARIES)}
        if 0 < slots.gpus < 1:
            said.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or the first would take it all
        return remote.remote(slots.cores, said, load, carried)

    def kill(self, actor: Any) -> None:
        """End an actor, and with it its worker."""
        if self._ray.is_initialized():
            self._ray.kill(actor)


def check_versions(node: str, found: Mapping[str, str]) -> None:
    """Refuse a node whose versions are not the driver's.

    Args:
        node: Name of the node.
        found: Its versions, by package.

    Raises:
        WorkerError: They are others.
    """
    ours = versions()
    others = [f"{name} {found.get(name)}" for name in ALIKE if found.get(name) != ours[name]]
    if others:
        wanted = [f"{name} {ours[name]}" for name in ALIKE if found.get(name) != ours[name]]
        raise WorkerError(
            f"Expected {', '.join(wanted)} on the nodes of the cluster, as here. Found "
            f"{', '.join(others)} on {node}. Install the same versions everywhere.",
            f"{node} has {', '.join(others)}",
        )


@contextmanager
def _unless_said(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment that the user has not."""
    ours = [name for name in variables if name not in os.environ]
    os.environ.update({name: variables[name] for name in ours})
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """What signals do stays as it was: Ray would have SIGTERM end this process at once."""
    numbers: Sequence[int] = ()
    if threading.current_thread() is threading.main_thread():
        numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
