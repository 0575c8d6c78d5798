"""The control groups of this process: what limits a container, or a job, beyond its machine.

Read as the kernel documents them: ``admin-guide/cgroup-v2.rst`` and ``admin-guide/cgroup-v1/``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def group_folders(controller: str) -> Iterator[tuple[Path, int]]:
    """The folder of each group that this process is in, and the version of its files, 1 or 2.

    Args:
        controller: Of version 1, ``"memory"`` or ``"cpu"``; in version 2 one group has all.
    """
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:  # another system
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, version = GROUPS, 2
        elif controller in controllers.split(","):
            root, version = GROUPS / controller, 1
        else:
            continue
        folder = root / path.lstrip("/")
        # Above, a limit holds for all; in a container the path may be one that only the host has.
        for each in [folder, *folder.parents]:
            if each.is_relative_to(root):
                yield each, version
