"""Names of sweeps, terms and metrics: plain ones, safe as file names on every system."""

from __future__ import annotations

import re

from lossweights.base.errors import InvalidName

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Names that Windows gives to devices, with or without an extension: a repository with such a
# file cannot be checked out there.
_DEVICE_NAMES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")

# The part of a loss that the model adds by itself; no term may have its name.
MODEL = "model"


def check_name(name: object, what: str) -> str:
    """The name itself, if it is a plain one that is safe as a file name on every system.

    Args:
        name: The name to check.
        what: What it names, for the message: ``"sweep"``, ``"term"``.

    Raises:
        InvalidName: It is not 1 to 64 letters, digits, dots, underscores or hyphens, starting
            with a letter or digit; or it contains ``..`` or is a Windows device name.

    >>> check_name("bike-demand", "sweep")
    'bike-demand'
    """
    if (
        isinstance(name, str)
        and NAME_PATTERN.fullmatch(name)
        and ".." not in name
        and not name.endswith(".")  # Windows drops a final dot: two names for one file
        and not _DEVICE_NAMES.fullmatch(name)
    ):
        return name
    raise InvalidName(
        f"Invalid {what} name. Expected 1 to 64 letters, digits, '.', '_' or '-', starting with a "
        f"letter or digit, without '..' and no Windows device name. Found: {shown(name)}. "
        f"Choose a plain name such as 'bike-demand'."
    )


def part_name(name: str) -> str:
    """A part of the loss as a message names it.

    >>> part_name("under"), part_name("model")
    ('term under', "the model's own losses")
    """
    return "the model's own losses" if name == MODEL else f"term {name}"


def shown(value: object) -> str:
    """A value as an error may show it: in ASCII, and no longer than a line."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
