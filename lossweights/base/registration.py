"""Make Keras know our losses and metrics before it reads a saved model, without importing it here.

``keras.models.load_model`` finds a custom loss or metric only if its class is registered. That
needs Keras, which takes seconds to import, and ``import lossweights`` must not pay for it. So the
registration waits for the program's own ``import keras`` and follows it at once.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES = ("lossweights.loss.combined", "lossweights.metrics")  # they import all that registers


def register_with_keras() -> None:
    """Register losses and metrics as soon as Keras is there: now, or right after its import."""
    if "keras" in sys.modules:
        _register()
    elif not any(isinstance(finder, _AfterKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras(MetaPathFinder):
    """Stands aside for every module but Keras, whose loader it wraps."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _ThenRegister(spec.loader)
                return spec
        return None


class _ThenRegister(Loader):
    """Loads Keras as its own loader does, then imports what registers; and is gone."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _AfterKeras)]
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _register()


def _register() -> None:
    for module in MODULES:
        importlib.import_module(module)
