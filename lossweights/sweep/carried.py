"""A sweep by value: how workers get one that no script or module holds.

Made in a function, below a script's main part, in a notebook or at a prompt, it is pickled with the
functions that it is made of, by cloudpickle. It goes from a driver to its own workers alone, over
their pipes; nothing that is pickled is ever read from a file that has a name. The sources go along:
the fingerprint is made of them, and a worker may be where their files are not.
"""

from __future__ import annotations

import io
import linecache
import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType, ModuleType
from typing import IO, Any

import cloudpickle

from lossweights.base.errors import WorkerError
from lossweights.base.names import shown

Sources = dict[str, list[str]]  # lines by the name of a file, or of a cell of a notebook


def carried(sweep: object, folder: Path | None = None) -> bytes:
    """A sweep and its sources, pickled.

    Args:
        sweep: The sweep.
        folder: What the workers have as the folder that they are in, wherever that is there: code
            and paths in it are of their files. ``None`` if they find files where this process does.

    Raises:
        WorkerError: Something in it cannot be pickled. Says what.
    """
    packed = io.BytesIO()
    pickler = _Pickler(packed, folder)
    try:
        with _by_value(_found_by_nobody()):
            pickler.dump(sweep)
        pickler.dump(pickler.sources())
    except Exception as error:  # whatever classes of others raise
        part = next(_culprits(vars(sweep)), "the sweep")
        raise WorkerError(
            f"Expected a sweep that can be pickled for worker processes. Found that {part} cannot "
            f"be: {shown(str(error))}. Make what is in the way inside load_data or build_model, or "
            f"train in this process with workers=0.",
            f"{part} cannot be pickled: {error}",
        ) from error
    return packed.getvalue()


def unpacked(data: bytes) -> Any:
    """The sweep that `carried` packed, in a worker.

    Args:
        data: What the driver sent.
    """
    unpickler = _Unpickler(io.BytesIO(data))
    sweep, sources = unpickler.load(), unpickler.load()
    for name, lines in sources.items():  # without a time, so that no file takes their place
        linecache.cache[name] = sum(map(len, lines)), None, lines, name
    return sweep


class _Pickler(cloudpickle.Pickler):
    """Notes which files the code is from that it takes along, and has places in a folder follow it.

    Those are texts and paths, also the names of the files.
    """

    def __init__(self, file: IO[bytes], folder: Path | None) -> None:
        super().__init__(file)
        self._folders = set() if folder is None else {str(folder), str(folder.resolve())}
        self._files: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, CodeType):
            self._files.add(obj.co_filename)
        return super().reducer_override(obj)

    def persistent_id(self, obj: Any) -> tuple[bool, str] | None:
        if type(obj) is not str and not isinstance(obj, Path):
            return None
        for folder in self._folders:
            if str(obj) == folder or str(obj).startswith(f"{folder}{os.sep}"):
                return isinstance(obj, Path), str(obj)[len(folder) + 1 :]
        return None

    def sources(self) -> Sources:
        """The lines of all that was taken along, as far as Python knows them."""
        lines = {name: linecache.getlines(name) for name in sorted(self._files)}
        return {name: found for name, found in lines.items() if found}


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: tuple[bool, str]) -> str | Path:
        """A place in the folder that this process is in."""
        is_path, place = pid
        return Path.cwd() / place if is_path else str(Path.cwd() / place)


def _found_by_nobody() -> list[ModuleType]:
    """Packages and modules that another process would not find by their names.

    They were loaded from a file by hand, as test runners and plugins are.
    """
    modules = [(name, each) for name, each in sys.modules.copy().items() if "." not in name]
    loaded = [each for name, each in modules if _is_python(name, each)]
    return [module for module in loaded if not _is_found(module.__name__)]


def _is_python(name: str, module: ModuleType) -> bool:
    """Whether it is from a file of Python's, or a folder of such, and under its own name."""
    file, spec = getattr(module, "__file__", None), getattr(module, "__spec__", None)
    if name != getattr(module, "__name__", None) or getattr(spec, "origin", None) == "frozen":
        return False
    return str(file).endswith(".py") if file else hasattr(module, "__path__")


def _is_found(name: str) -> bool:
    for finder in sys.meta_path:
        with suppress(Exception):  # finders are anybody's
            if finder.find_spec(name, None) is not None:
                return True
    return False


@contextmanager
def _by_value(modules: list[ModuleType]) -> Iterator[None]:
    """Have cloudpickle take along what is defined in these modules, for a while."""
    already = set(cloudpickle.list_registry_pickle_by_value())
    ours = [module for module in modules if module.__name__ not in already]
    for module in ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in ours:
            cloudpickle.unregister_pickle_by_value(module)


def _culprits(parts: Mapping[str, Any], depth: int = 2) -> Iterator[str]:
    """The attributes that cannot be pickled, by name; the smallest parts that have names."""
    for name, value in parts.items():
        try:
            cloudpickle.dumps(value)
        except Exception:
            inner = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
            within = _culprits({str(key): each for key, each in inner.items()}, depth - 1)
            if depth and (found := next(within, None)) is not None:
                yield found if not isinstance(value, Mapping) else f"{name}[{found!r}]"
            else:
                yield name
