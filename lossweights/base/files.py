"""Files to be trusted: plain names, paths that stay inside, atomic writes, strict JSON, locks."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from lossweights.base.errors import InvalidName, StoreError, SweepLocked

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Names that Windows gives to devices, with or without an extension: a repository with such a
# file cannot be checked out there.
_DEVICE_NAMES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")

# Strings as well, since brackets in them are text; one without an end goes on to the end. The
# possessive "*+" never tries a string twice: the time is linear, whatever the text.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

MAX_JSON_BYTES = 1 << 20
MAX_JSON_DEPTH = 16


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
        f"letter or digit, without '..' and no Windows device name. Found: {_shown(name)}. "
        f"Choose a plain name such as 'bike-demand'."
    )


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def inside(root: Path, *parts: str) -> Path:
    """The path of ``parts`` below ``root``, refused if it (or a link on the way) leads out of it.

    Raises:
        StoreError: The resolved path is not below the resolved root.
    """
    base = root.resolve()
    path = base.joinpath(*parts)
    resolved = path.resolve()
    if not resolved.is_relative_to(base):
        raise StoreError(
            f"Expected a path inside {base}. Found {_shown(str(path))}, which leads to {resolved}. "
            f"Remove the link or choose another root."
        )
    return path


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Raises:
        StoreError: The folder cannot be written; nothing is left behind.
    """
    write_all({path: data})


def write_all(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files, each as `write_atomic` does; flushing the disk costs little more once.

    Raises:
        StoreError: A folder cannot be written; some files may have been, each of them whole.
    """
    mark = secrets.token_hex(4)
    temporaries = {path.with_name(f".{path.name}.{mark}"): path for path in contents}
    path = next(iter(contents))
    handles = ExitStack()
    try:
        with handles:
            streams = []
            for temporary, path in temporaries.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                streams.append(handles.enter_context(temporary.open("xb")))
                data = contents[path]
                streams[-1].write(data.encode("utf-8") if isinstance(data, str) else data)
                streams[-1].flush()
            for stream in streams:
                os.fsync(stream.fileno())
        for temporary, path in temporaries.items():
            temporary.replace(path)
        for folder in {path.parent for path in contents}:
            _sync_folder(folder)
    except OSError as error:
        raise StoreError(
            f"Cannot write {path}: {error}. Check the folder, its rights and the disk's free space."
        ) from error
    finally:
        for temporary in temporaries:
            with suppress(OSError):
                temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: on POSIX the entry lives in the folder, which has its own fsync."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def dump_json(value: Any) -> str:
    """Strict JSON text: no NaN or infinity, keys as given, two spaces, final newline.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(value, allow_nan=False, ensure_ascii=True, indent=2) + "\n"


def canonical_json(value: Any) -> bytes:
    """The one spelling of a value that hashes are taken of: sorted keys, no spaces."""
    return json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def parse_json(
    data: bytes, *, max_bytes: int = MAX_JSON_BYTES, max_depth: int = MAX_JSON_DEPTH
) -> Any:
    """Read strict JSON from bytes that may come from anyone.

    Raises:
        ValueError: Not UTF-8, too large, too deep, a duplicate key, a number that is not finite,
            a lone surrogate, or not JSON. The message says which, and where if it is known.
    """
    if len(data) > max_bytes:
        raise ValueError(f"expected at most {max_bytes} bytes, found {len(data)}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected UTF-8, found byte 0x{data[error.start]:02x} at offset {error.start}"
        ) from None
    _check_depth(text, max_depth)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON, found {error.msg} at offset {error.pos}") from None
    _check_text(value)
    return value


def _check_depth(text: str, max_depth: int) -> None:
    """Bound the nesting before parsing, so that the parser's recursion is bounded too."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        sign = token[0]
        if sign in "[{":
            depth += 1
            if depth > max_depth:
                raise ValueError(
                    f"expected nesting of at most {max_depth}, found more at offset {token.start()}"
                )
        elif sign in "]}":
            depth -= 1


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"expected unique keys, found {_shown(key)} twice")
        result[key] = value
    return result


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"expected finite numbers, found {constant}")


def _finite_float(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"expected finite numbers, found {_shown(literal)}")
    return number


def _check_text(value: Any) -> None:
    """Refuse lone surrogates, which JSON escapes can smuggle in and UTF-8 cannot hold."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError(f"expected text, found a lone surrogate in {_shown(value)}") from None
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


def _is_still(handle: int, path: Path) -> bool:
    """Whether an open file is the one at a path: a lock on a removed file locks nothing."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def exclusive_lock(path: Path, what: str) -> Iterator[None]:
    """Hold a lock that the operating system drops with the process, so it is never stale.

    Raises:
        SweepLocked: Another process holds it; the message names it and its machine.
        StoreError: The lock file cannot be created.
    """
    import fcntl  # POSIX only; imported here so that reading weight sets works on Windows too

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"Cannot create {path}: {error}. Check the folder and its rights."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 200).decode("ascii", "replace").strip() or "another process"
            raise SweepLocked(
                f"{what} is being driven by {holder}. Wait for it to end, or stop it first; one "
                f"process at a time may write a sweep."
            ) from None
        if not _is_still(handle, path):
            raise SweepLocked(f"{what} was being made by another process just now. Try again.")
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {platform.node()}".encode())
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)
