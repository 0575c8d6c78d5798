"""Memory: how much there is, is free, and is held; amounts of it as people write them.

A container may have less than its machine: what its control group allows counts as well.
"""

from __future__ import annotations

import mmap
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from lossweights.base._control_groups import group_folders
from lossweights.base.errors import RecipeError
from lossweights.base.numbers import as_number

DEFAULT_FREE = 2 << 30  # bytes, a cautious guess

_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}  # powers of two
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?")


def free_bytes() -> int:
    """The memory that is free, or a cautious guess where the system does not tell."""
    free = _memory("MemAvailable") or DEFAULT_FREE
    return min([free, *(max(limit - used, 0) for limit, used in _groups())])


def total_bytes() -> int | None:
    """The memory that there is for this process, or ``None`` where the system does not tell."""
    total = _memory("MemTotal")
    return None if total is None else min([total, *(limit for limit, _ in _groups())])


def held_bytes() -> int:
    """The memory that this process holds; where /proc does not tell, the most it ever held.

    Where the system tells neither, 0.
    """
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE
    except OSError:
        pass
    try:
        import resource  # POSIX only
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def own_bytes() -> int:
    """The memory that this process holds and shares with no other.

    What lies in files without a name, as data of several processes do, is theirs together. Where
    the system does not tell, all that it holds.
    """
    held = held_bytes()
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return held
    found = (int(line.split()[1]) << 10 for line in lines if line.startswith("RssShmem:"))
    return max(held - next(found, 0), 0)


def bytes_of(what: str, value: object) -> int:
    """An amount of memory in bytes, from a number of them or from words.

    Args:
        what: What it is called in the message.
        value: Bytes, or a text such as ``"8G"``, ``"1.5GB"`` or ``"800M"``, in powers of 1024.

    Raises:
        RecipeError: It is none, or below one byte.

    >>> bytes_of("memory", "8G") == 8 * 2**30, bytes_of("memory", "1.5 KiB"), bytes_of("memory", 7)
    (True, 1536, 7)
    """
    amount = as_number(value)
    if isinstance(value, str) and (found := _WRITTEN.fullmatch(value.strip().lower())):
        amount = float(found[1]) * 2.0 ** _UNITS[found[2]]
    if not 1 <= amount < 2.0**63:
        raise RecipeError(
            f"Expected {what} as bytes, or as a text such as '8G', '1.5GB' or '800M'. Found "
            f"{value!r}."
        )
    return int(amount)


def said(amount: float) -> str:
    """An amount of memory as a person reads it.

    >>> said(3.84e9), said(2**20)
    ('3.6 GiB', '1.0 MiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:.1f} {unit}"


def _memory(entry: str) -> int | None:
    """An entry of Linux's account of the memory, in bytes."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{entry}:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _groups() -> Iterator[tuple[int, int]]:
    """Limit and use, in bytes, of each control group of this process that limits memory.

    Files that the kernel keeps in memory until somebody needs the room are not counted as used.
    """
    for folder, version in group_folders("memory"):
        if version == 2:
            names, kept = ("memory.max", "memory.current"), "inactive_file"
        else:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            kept = "total_inactive_file"
        if (found := _group(folder, names, kept)) is not None:
            yield found


def _group(folder: Path, names: tuple[str, str], kept: str) -> tuple[int, int] | None:
    """Limit and use of one group, or ``None`` if it limits nothing or does not tell."""
    try:
        limit, used = (int((folder / name).read_text()) for name in names)
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # ValueError: "max", which is no limit
        return None
    spare = sum(int(n) for name, _, n in (line.partition(" ") for line in lines) if name == kept)
    return limit, used - spare
