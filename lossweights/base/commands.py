"""Commands as a person can paste them here: found programs, quoted names, the root if need be."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

DEFAULT_ROOT = Path("mlruns")


def program(name: str) -> str:
    """How to call a program of this Python: by name, or by path if the name finds another one."""
    ours = Path(sys.executable).parent / name
    found = shutil.which(name)
    if not ours.exists() or (found is not None and Path(found).resolve() == ours.resolve()):
        return name
    return shlex.quote(str(from_here(ours)))


def command(verb: str, sweep: str, root: Path, **options: object) -> str:
    """The command line that does something to a sweep below a root.

    Args:
        verb: What is done, such as ``"resume"``.
        sweep: Name of the sweep.
        root: Folder of the sweeps; not spelled out if it is the one that is taken anyway.
        options: What else is said, by the names of the options; ``True`` for a mere flag.

    >>> command("resume", "bike", Path("mlruns")).endswith("lossweights resume bike")
    True
    >>> command("sync", "bike", Path("my runs")).endswith("lossweights sync bike --root 'my runs'")
    True
    >>> command("resume", "bike", Path("mlruns"), workers=2, no_tracking=True).split("bike ")[1]
    '--workers 2 --no-tracking'
    """
    words = [verb, sweep]
    if root.resolve() != DEFAULT_ROOT.resolve():
        words += ["--root", str(from_here(root))]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return f"{program('lossweights')} {shlex.join(words)}"


def from_here(path: Path) -> Path:
    """A path relative to the working folder, if it lies in there."""
    here = Path.cwd()
    absolute = here / path
    return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
