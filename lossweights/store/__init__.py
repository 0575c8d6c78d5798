"""The store: a sweep on disk, as its one writer holds it. Only here is Optuna used."""

from lossweights.store._store import Store

__all__ = ["Store"]
