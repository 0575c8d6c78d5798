"""Who launched a program, and of which commit its script is."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

SECONDS = 5.0  # that git may take, as on a network disk


def user_name() -> str | None:
    """The name of whoever runs this process; ``None`` where the system knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # in a container without users
        return None


def commit_of(path: Path) -> tuple[str | None, bool]:
    """The git commit that is checked out around a file, and whether the file is as it has it.

    Without git or a repository there is no commit.
    """
    git = ["git", "-C", str(path.resolve().parent)]
    commit = _said([*git, "rev-parse", "HEAD"])
    changed = commit and _said([*git, "status", "--porcelain", "--", path.name])
    return commit, changed == ""


def _said(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
