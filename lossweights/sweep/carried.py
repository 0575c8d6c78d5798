"""A sweep by value: how workers get one that no script or module holds.

Made in a function, below a script's main part, in a notebook or at a prompt, it is pickled with the
functions that it is made of, by cloudpickle. It goes from a driver to its own workers alone, over
their pipes; nothing that is pickled is ever read from a file that has a name.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from lossweights.base.errors import WorkerError
from lossweights.base.names import shown

Sources = dict[str, list[str]]  # lines by the name of what is no file, such as a notebook's cell


def carried(sweep: object) -> bytes:
    """A sweep and the sources that are in no file, pickled.

    Args:
        sweep: The sweep.

    Raises:
        WorkerError: Something in it cannot be pickled. Says what.
    """
    try:
        with _by_value(_found_by_nobody()):
            data: bytes = cloudpickle.dumps((_sources(), sweep))
    except Exception as error:  # whatever classes of others raise
        part = next(_culprits(vars(sweep)), "the sweep")
        raise WorkerError(
            f"Expected a sweep that can be pickled for worker processes. Found that {part} cannot "
            f"be: {shown(str(error))}. Make what is in the way inside load_data or build_model, or "
            f"train in this process with workers=0.",
            f"{part} cannot be pickled: {error}",
        ) from error
    return data


def unpacked(data: bytes) -> Any:
    """The sweep that `carried` packed, in a worker.

    Args:
        data: What the driver sent.
    """
    sources, sweep = cloudpickle.loads(data)
    for name, lines in sources.items():  # its fingerprint is made of sources
        linecache.cache[name] = sum(map(len, lines)), None, lines, name
    return sweep


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


def _sources() -> Sources:
    """The lines of cells and prompts, as far as Python knows them."""
    known = [(name, entry) for name, entry in list(linecache.cache.items()) if len(entry) > 1]
    return {name: list(entry[2]) for name, entry in known if not Path(name).is_file()}


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
