"""The sweep folder in the hands of its one writer: `Store` holds lock, files and Optuna's study.

Another door is `manifest`: what a sweep sweeps, spelled out, so that a resumed one is the same.
"""

from lossweights.store._store import Store

__all__ = ["Store"]
