"""The versions of what computes."""

from __future__ import annotations

import platform
from importlib import metadata

_PACKAGES = ("lossweights", "keras", "tensorflow", "numpy", "optuna")


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide what a sweep computes."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "unknown"  # run from a checkout that is not installed
    return found
