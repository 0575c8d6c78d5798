"""A sweep by value: how workers get one that no script or module holds.

Made in a function, below a script's main part, in a notebook or at a prompt, it is pickled with the
functions that it is made of, by cloudpickle. It goes from a driver to its own workers alone, over
their pipes; nothing that is pickled is ever read from a file that has a name. The sources go along:
the fingerprint is made of them, and a worker may be where their files are not.
"""

from __future__ import annotations

import io
import linecache
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
            that is from it is of their files. ``None`` if they find files where this process does.

    Raises:
        WorkerError: Something in it cannot be pickled. Says what.
    """
    packed = io.BytesIO()
    pickler = _Pickler(packed, None if folder is None else folder.resolve())
    try:
        with _by_value(_found_by_nobody()):
            pickler.dump(sweep)
    except Exception as error:  # whatever classes of others raise
        part = next(_culprits(vars(sweep)), "the sweep")
        raise WorkerError(
            f"Expected a sweep that can be pickled for worker processes. Found that {part} cannot "
            f"be: {shown(str(error))}. Make what is in the way inside load_data or build_model, or "
            f"train in this process with workers=0.",
            f"{part} cannot be pickled: {error}",
        ) from error
    data: bytes = cloudpickle.dumps((*pickler.sources(), packed.getvalue()))
    return data


def unpacked(data: bytes) -> Any:
    """The sweep that `carried` packed, in a worker.

    Args:
        data: What the driver sent.
    """
    sources, in_the_folder, packed = cloudpickle.loads(data)
    for name, lines in {**sources, **{_here(n): ls for n, ls in in_the_folder.items()}}.items():
        # Without a time, so that no file takes their place.
        linecache.cache[name] = sum(map(len, lines)), None, lines, name
    return cloudpickle.loads(packed)


class _Pickler(cloudpickle.Pickler):
    """Remembers which files the code is from that it takes along by value.

    Those of a folder are named by their place in it.
    """

    def __init__(self, file: IO[bytes], folder: Path | None) -> None:
        super().__init__(file)
        self._folder = folder
        self._sources: Sources = {}
        self._in_the_folder: dict[str, str] = {}  # places in it by names here

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, CodeType):
            return super().reducer_override(obj)
        name = obj.co_filename
        if name in self._in_the_folder.values():
            return NotImplemented  # it has been placed
        if name not in self._in_the_folder and name not in self._sources:
            self._note(name)
        if name in self._sources:
            return NotImplemented
        return _placed, (obj.replace(co_filename=self._in_the_folder[name]),)

    def sources(self) -> tuple[Sources, Sources]:
        """The lines of all that was taken along: by their names here, and by places in the folder.

        What Python does not know the lines of, has none.
        """
        found = {place: linecache.getlines(n) for n, place in self._in_the_folder.items()}
        return (
            {name: lines for name, lines in self._sources.items() if lines},
            {place: lines for place, lines in found.items() if lines},
        )

    def _note(self, name: str) -> None:
        path = Path(name).resolve()
        if self._folder is not None and path.is_file() and path.is_relative_to(self._folder):
            self._in_the_folder[name] = path.relative_to(self._folder).as_posix()
        else:
            self._sources[name] = linecache.getlines(name)


def _placed(code: CodeType) -> CodeType:
    """Code that was named by its place in the folder, as it is named here."""
    return code.replace(co_filename=_here(code.co_filename))


def _here(place: str) -> str:
    return str(Path.cwd() / place)


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
