"""A fingerprint of code: of a function and of all it calls that lies beside it."""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
import io
import linecache
import os
import sys
import sysconfig
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

_LAYOUT = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
)
_LOOK_UP = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
# What a module is called and where it lies: a script that is run is another one when imported.
_OF_A_MODULE = {"__name__", "__file__", "__package__", "__path__", "__spec__", "__loader__"}
MAX_CONSTANT = 10_000  # characters of a value that is spelled out


def code_hash(function: Any) -> str:
    """A hash of the source of a function, class or callable, and of what it names.

    What it names counts if it lies in the same folder or below, as the functions and constants of
    a script do; libraries count by their versions instead, also those of an environment that lies
    there. Comments and layout do not count, nor where the folder is.

    >>> more = lambda x: x + 1
    >>> less = lambda x: x - 1
    >>> code_hash(more) == code_hash(less)
    False
    """
    digest = hashlib.sha256()
    for text in _texts(function, _home(function), seen=set()):
        digest.update(text.encode("utf-8", "backslashreplace") + b"\0")
    return digest.hexdigest()


def _texts(value: Any, home: Path | None, seen: set[int]) -> Iterator[str]:
    """Everything that makes up a value, as texts in a fixed order."""
    if id(value) in seen:
        return
    if isinstance(value, functools.partial):
        seen.add(id(value))
        for part in (value.func, *value.args, *value.keywords.items()):
            yield from _texts(part, home, seen)
    elif inspect.ismethod(value):
        yield from _texts(value.__func__, home, seen)
        yield from _texts(type(value.__self__), home, seen)
    elif isinstance(value, FunctionType):
        seen.add(id(value))
        yield value.__qualname__
        if _counts(value, home):
            yield _source(value)
            for name, used in _used(value).items():
                yield name
                yield from _texts(used, home, seen)
    elif isinstance(value, type):
        seen.add(id(value))
        yield value.__qualname__
        if _counts(value, home):
            for name, member in sorted(vars(value).items()):
                if not name.startswith("__") or isinstance(member, FunctionType):
                    yield name
                    yield from _texts(getattr(member, "__func__", member), home, seen)
            for base in value.__bases__:
                yield from _texts(base, home, seen)
    elif _is_plain(value):
        yield repr(_wherever(value, home))[:MAX_CONSTANT]
    else:
        yield from _texts(type(value), home, seen)


def _home(value: Any) -> Path | None:
    """The folder of the file that defines a function or class, ``None`` if there is none."""
    if isinstance(value, functools.partial):
        return _home(value.func)
    if inspect.ismethod(value):
        return _home(value.__func__)
    if isinstance(value, FunctionType):
        return _folder_of(value.__code__.co_filename)
    if isinstance(value, type):
        members = (getattr(member, "__func__", member) for member in vars(value).values())
        homes = (_home(member) for member in members if isinstance(member, FunctionType))
        return next((home for home in homes if home is not None), None)
    return None if value is type else _home(type(value))


def _counts(value: FunctionType | type, base: Path | None) -> bool:
    """Whether a function or class lies beside the code that is hashed, or in no file at all."""
    home = _home(value)
    if home is None and isinstance(value, type):
        module = sys.modules.get(value.__module__)  # None: of a script that was run, not imported
        if module is not None and module.__name__ != "__main__":
            file = getattr(module, "__file__", None)
            return file is not None and _beside(Path(file).resolve().parent, base)
    return home is None or _beside(home, base)


def _folder_of(file: str) -> Path | None:
    """The folder of a file; it may be elsewhere, where its lines have come from there."""
    path = Path(file)
    is_known = path.is_absolute() and file in linecache.cache
    return path.resolve().parent if is_known or path.is_file() else None


def _beside(home: Path, base: Path | None) -> bool:
    if base is None or not home.is_relative_to(base):
        return False
    environment = Path(sys.prefix).resolve()
    if home.is_relative_to(environment) and not base.is_relative_to(environment):
        return False
    # What is hashed may itself be installed: then its own package counts.
    return all(base.is_relative_to(place) and base != place for place in _libraries_around(home))


@functools.cache
def _libraries_around(home: Path) -> tuple[Path, ...]:
    """The folders of libraries that a folder lies in."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    ours = {Path(sysconfig.get_path(name)).resolve() for name in names}
    around = (home, *home.parents)
    return tuple(p for p in around if p in ours or p.name in ("site-packages", "dist-packages"))


def _source(function: FunctionType) -> str:
    """The tokens of a function's source, without comments and layout."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return _compiled(function.__code__)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return "".join(text.split())  # a lambda in the middle of an expression
    return "".join(token.string for token in tokens if token.type not in _LAYOUT)


def _compiled(code: CodeType) -> str:
    """What a function was compiled to, where its source is nowhere."""
    constants = []
    for value in code.co_consts:
        if isinstance(value, CodeType):
            constants.append(_compiled(value))
        elif isinstance(value, frozenset):
            constants.append(repr(sorted(map(repr, value))))  # each process orders it anew
        else:
            constants.append(repr(value))
    return repr((code.co_code, code.co_names, constants))


def _used(function: FunctionType) -> dict[str, Any]:
    """The globals and closed-over values that a function names."""
    found = {
        name: function.__globals__[name]
        for name in sorted(_names(function.__code__) - _OF_A_MODULE)
        if name in function.__globals__ and not inspect.ismodule(function.__globals__[name])
    }
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    found.update({f"default {i}": value for i, value in enumerate(defaults)})
    return found


def _names(code: CodeType) -> set[str]:
    """The names that it looks up; those of attributes are none, whatever else has them."""
    found = {each.argval for each in dis.get_instructions(code) if each.opname in _LOOK_UP}
    nested = (_names(c) for c in code.co_consts if isinstance(c, CodeType))
    return found.union(*nested)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(_is_plain(item) for item in value)
    if isinstance(value, Mapping):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    return isinstance(value, str | bytes | int | float | bool | None)


def _wherever(value: Any, home: Path | None) -> Any:
    """A plain value with paths in a folder as they are from there."""
    if isinstance(value, str) and home is not None:
        is_inside = value == str(home) or value.startswith(f"{home}{os.sep}")
        return f".{value[len(str(home)) :]}" if is_inside else value
    if type(value) in (tuple, list):
        return type(value)(_wherever(item, home) for item in value)
    if type(value) is dict:
        return {_wherever(key, home): _wherever(item, home) for key, item in value.items()}
    return value
