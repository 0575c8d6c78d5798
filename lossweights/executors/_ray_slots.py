"""How many workers the nodes of a cluster have room for, and what each gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite

WORKER_BYTES = 1 << 30  # TensorFlow with a small model, and small data
MOST_PARTS = 64  # of a GPU


@dataclass(frozen=True)
class Node:
    """What a node has: cores, GPUs, and memory in bytes."""

    cores: float
    gpus: float = 0.0
    memory: float = inf

    def room(self, cores: int, parts: int = 0) -> int:
        """For how many workers it has room, each with so many cores.

        Args:
            cores: Cores of each.
            parts: How many share a GPU; 0 if they need none.
        """
        room = int(self.cores) // cores
        return min(room, int(self.gpus) * parts) if parts else room


@dataclass(frozen=True)
class Slots:
    """The workers of a sweep on a cluster.

    Attributes:
        number: How many there are, with those that wait for a node.
        cores: Cores of each.
        gpus: GPUs of each, or the part of one.
        on_a_node: How many a node has at most: they share its memory and its cache.
        memory: Bytes that each may hold, or ``None`` where no node tells.
    """

    number: int
    cores: int = 1
    gpus: float = 0.0
    on_a_node: int = 1
    memory: int | None = None


def slots_of(nodes: Sequence[Node], workers: int | None = None, data: int = 0) -> Slots:
    """The slots of nodes: as many as they have room for, or so many.

    Left to us, each has a core, and where there are GPUs each has one. So many share all cores;
    they share GPUs where there are fewer of these. What there is no room for waits for nodes.

    Args:
        nodes: The nodes.
        workers: How many; ``None`` for as many as there is room for.
        data: Bytes that the workers of a node hold once; a second time while one of them loads.

    >>> slots_of([Node(4), Node(8, memory=2 << 30)])
    Slots(number=6, cores=1, gpus=0.0, on_a_node=4, memory=1073741824)
    >>> slots_of([Node(4), Node(8)], workers=3)
    Slots(number=3, cores=4, gpus=0.0, on_a_node=2, memory=None)
    >>> slots_of([Node(8, gpus=1)], workers=2)
    Slots(number=2, cores=4, gpus=0.5, on_a_node=2, memory=None)
    """
    usable = [node for node in nodes if node.cores >= 1]
    all_gpus = sum(int(node.gpus) for node in usable)
    if workers is None:
        parts = 1 if all_gpus else 0
        rooms = [min(node.room(1, parts), _in_memory(node, data)) for node in usable]
        number, cores = sum(rooms), 1
    else:
        number, parts = workers, 0
        if all_gpus:
            parts = min(-(-workers // all_gpus), MOST_PARTS)
        most = max((int(node.cores) for node in usable), default=1)
        fits = (c for c in range(most, 0, -1) if _room(usable, c, parts) >= workers)
        cores = next(fits, 1)
        rooms = [node.room(cores, parts) for node in usable]
    on_a_node = min(max([1, *rooms]), max(number, 1))
    told = [
        int(node.memory // max(min(room, number), 1))
        for node, room in zip(usable, rooms, strict=True)
        if room and isfinite(node.memory)
    ]
    return Slots(number, cores, 1 / parts if parts else 0.0, on_a_node, min(told, default=None))


def _in_memory(node: Node, data: int) -> int:
    """For how many workers a node has memory."""
    if not isfinite(node.memory):
        return int(node.cores)
    return int(max(node.memory - 2 * data, 0) / WORKER_BYTES)


def _room(nodes: Sequence[Node], cores: int, parts: int) -> int:
    return sum(node.room(cores, parts) for node in nodes)
