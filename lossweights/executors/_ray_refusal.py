"""What a person is told where a cluster of Ray cannot be used: the cause, and what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from lossweights.base.errors import WorkerError
from lossweights.base.memory import said
from lossweights.executors._ray_folder import STAYS

REACH_SECONDS = 5.0  # in which somebody has to answer at an address
LARGEST = 3  # parts of a folder that are named where it is too large
# Ray's words around what has happened.
_AROUND = ("Failed to set up runtime environment", "Initialization failure from server")
_TRACEBACK = "Traceback (most recent call last)"
_TOKENS = (
    "Copy the token of its head: `ray get-auth-token` prints it there, RAY_AUTH_TOKEN or "
    "~/.ray/auth_token holds it here. If the cluster was started without tokens, set "
    "RAY_AUTH_MODE=disabled."
)


def reach(address: str) -> None:
    """Refuse an address where nobody answers; Ray itself would try for a minute.

    Args:
        address: ``"auto"``, ``"ray://HOST:PORT"`` or ``"HOST:PORT"``.

    Raises:
        WorkerError: Nobody does.
    """
    if address == "auto":
        return  # it is found among the processes of this machine, or it is not
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        place = parts.hostname or "", parts.port or 0
    except ValueError as error:
        raise WorkerError(
            f"Expected the address of a Ray cluster: 'auto', 'ray://HOST:PORT' or 'HOST:PORT'. "
            f"Found {address!r}: {_sentence(str(error))}",
            f"{address!r} is no address",
        ) from error
    try:
        socket.create_connection(place, REACH_SECONDS).close()
    except OSError as error:
        raise _nobody(address, _sentence(str(error))) from error


def refused(address: str, error: Exception, folder: Path | None = None) -> WorkerError:
    """What to raise where Ray does not connect.

    Args:
        address: What it was to connect to.
        error: What it raised.
        folder: What was to be copied to the nodes.
    """
    all_said = "\n".join(f"{each}" for each in _chain(error))
    cause = first_line(error)
    if "ersion mismatch" in all_said:
        told = " ".join(str(error).split())
        return WorkerError(
            f"Expected the Ray cluster at {address!r} to have the Ray and Python of this process. "
            f"Found: {told} Install the same versions everywhere.",
            "the Ray cluster has other versions",
        )
    if "AuthToken" in all_said or "uthentication" in all_said:
        return WorkerError(
            f"Expected the Ray cluster at {address!r} to take the token of this process. Found "
            f"that it is missing or another one. {_TOKENS}",
            "the Ray cluster wants another token",
        )
    if "client connection timeout" in all_said:  # who is refused there is not told why
        return WorkerError(
            f"Expected the Ray cluster at {address!r} to let this process in. Found that somebody "
            f"answers there and does not: the token is missing or another one, or the port is not "
            f"that of Ray's client server, which is 10001 if nobody says. {_TOKENS}",
            "the Ray cluster does not let this process in",
        )
    if "Could not find any running Ray instance" in all_said:
        return _nobody(address, cause)
    if "Package size (" in all_said and folder is not None:
        return WorkerError(
            f"Expected a folder that can be copied to the nodes of the cluster. Found that "
            f"{folder} is too large: {cause.partition('. ')[0]}. Most of it is "
            f"{_largest(folder)}. Name what the nodes do not need in its .gitignore, or move the "
            f"script and what it imports to a folder of their own.",
            f"the folder {folder} is too large for the cluster",
        )
    if "Failed to merge the Job's runtime env" in all_said:
        return WorkerError(
            "Expected to copy the folder of the sweep to the nodes. Found that `ray job submit` "
            "copies one as well, which Ray does not allow. Submit without --working-dir and "
            "--runtime-env, or with RAY_OVERRIDE_JOB_RUNTIME_ENV=1 in the job's environment.",
            "`ray job submit` has a runtime environment of its own",
        )
    if (
        "No node info found matching" in all_said
        or "Failed to get node info for possible" in all_said
    ):
        return WorkerError(
            f"Expected this machine to be a node of the Ray cluster at {address!r}. Found that "
            f"Ray knows none here: {cause} Let it join with `ray start --address HOST:PORT`, or "
            f"come from outside with --address ray://HOST:10001.",
            "this machine is no node of the Ray cluster",
        )
    if "Found multiple active Ray instances" in all_said:
        return WorkerError(
            f"Expected one Ray cluster on this machine. {cause} Name one with --address.",
            "there are several Ray clusters on this machine",
        )
    return WorkerError(
        f"Expected to connect to the Ray cluster at {address!r}. Somebody answers there, but Ray "
        f"says: {cause} `ray status` there tells how the cluster is.",
        f"Ray does not connect to {address!r}: {cause}",
    )


def _nobody(address: str, cause: str) -> WorkerError:
    where = "on this machine" if address == "auto" else f"at {address!r}"
    return WorkerError(
        f"Expected a Ray cluster {where}. Found: {cause} Start one with `ray start --head`, or "
        f"name another with --address.",
        f"there is no Ray cluster {where}",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def first_line(error: BaseException) -> str:
    """The first line that means something of what is at the bottom of an error, as a sentence.

    Args:
        error: An error of Ray's.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any(line.startswith(_TRACEBACK) for line in lines):
        return _sentence(lines[-1])
    telling = (line for line in lines if not line.startswith(_AROUND))
    return _sentence(next(telling, "") or type(error).__name__)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _largest(folder: Path) -> str:
    """What takes most room in a folder, largest first."""
    stays = {name.strip("/") for name in STAYS}
    parts = [each for each in folder.iterdir() if each.name not in stays]
    sizes = sorted(((_bytes_of(each), each.name) for each in parts), reverse=True)
    return ", ".join(f"{name} ({said(held)})" for held, name in sizes[:LARGEST] if held)


def _bytes_of(path: Path) -> int:
    if not path.is_dir():
        return path.lstat().st_size
    within = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(each.lstat().st_size for each in within)
