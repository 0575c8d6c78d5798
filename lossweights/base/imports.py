"""Doing something around the import of another package, whoever imports it."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

Context = Callable[[], AbstractContextManager[object]]


def around_import(package: str, context: Context) -> None:
    """From now on, execute a package within a context whenever it is imported.

    Its spec and its loader stay those that its own finder makes. Where the package cannot be
    imported, the context sees the error. Asking again for the same package changes nothing.

    Args:
        package: Name of a top-level package.
        context: Makes the context manager.
    """
    waiting = {finder.package for finder in sys.meta_path if isinstance(finder, _Around)}
    if package not in waiting:
        sys.meta_path.insert(0, _Around(package, context))


class _Around(MetaPathFinder):
    """Stands aside for every package but one, which it lets the other finders find.

    It stays when that package is imported: another thread may be going through the list of finders,
    and would miss one if the list became shorter.
    """

    def __init__(self, package: str, context: Context) -> None:
        self.package = package
        self._context = context

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.package:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)  # Python passes by those without, too
            spec = None if finder is self or find is None else find(fullname, path, target)
            if spec is not None:
                if hasattr(spec.loader, "__dict__"):
                    _execute_within(spec.loader, self.package, self._context)
                return spec
        return None


def _execute_within(loader: Loader, package: str, context: Context) -> None:
    """Have this one loader execute a package within a context, once.

    A loader of our own around it would hide what others ask of it: the source, resources.
    """

    def exec_module(module: ModuleType) -> None:
        if module.__name__ != package:  # the loader of an archive serves others meanwhile
            type(loader).exec_module(loader, module)
            return
        vars(loader).pop("exec_module", None)  # it is as it was made again
        with context():
            loader.exec_module(module)

    vars(loader)["exec_module"] = exec_module
