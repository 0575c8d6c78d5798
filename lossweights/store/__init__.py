"""The sweep folder in the hands of its one writer: `Store` holds lock, files and Optuna's study;
`Claim` is the lock alone, of one who only removes.

Another door is `manifest`: what a sweep sweeps, spelled out, so that a resumed one is the same.
"""

from lossweights.store._claim import Claim
from lossweights.store._store import Store

__all__ = ["Claim", "Store"]
