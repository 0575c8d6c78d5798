"""The data of a problem: `Data` with its parts, each a `Split` in memory or a `Stream`.

`Data` checks what a user's ``load_data`` gives, so that nothing behind it has to. `Folds` are
several of them, and `pooled` divides one anew. `Arrays` is the type of inputs and targets: one
array, or a dict, list or tuple of them. Whether labels may be unknown is said in `missing`; what
several processes hold once, in `shared`, and on a node of a cluster, in `once`.
"""

from lossweights.data._data import Data, pooled
from lossweights.data._folds import Folds
from lossweights.data._split import Arrays, Split
from lossweights.data._stream import Stream

__all__ = ["Arrays", "Data", "Folds", "Split", "Stream", "pooled"]
