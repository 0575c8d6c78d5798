"""Sweep the weights of a Keras loss made of several terms, and see which term drives training.

A combined loss, for any Keras code:

>>> import numpy as np
>>> import lossweights as lw
>>> loss = lw.CombinedLoss(
...     terms={"mse": "mse", "under": lw.terms.Underestimation()},
...     weights={"mse": 1.0, "under": 0.5},
... )
>>> y_true, y_pred = np.array([[2.0], [4.0]]), np.array([[1.0], [5.0]])
>>> {name: float(value) for name, value in loss.components(y_true, y_pred).items()}
{'mse': 1.0, 'under': 1.0}
>>> float(loss(y_true, y_pred))
1.5

A `Sweep` searches the weights, `load` gives the best ones back to your own training. Importing the
package is cheap: Keras, Optuna and MLflow are loaded when a name that needs them is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lossweights.base import errors as errors
from lossweights.base.main_script import launches_sweep
from lossweights.base.quiet_start import quiet_start
from lossweights.loss.registration import register_with_keras

if TYPE_CHECKING:
    from lossweights import metrics as metrics
    from lossweights import terms as terms
    from lossweights.base import errors as errors
    from lossweights.base.sampled import Choice as Choice
    from lossweights.data import Data as Data
    from lossweights.data import Folds as Folds
    from lossweights.dominance.sweep_verdict import SweepVerdict as SweepVerdict
    from lossweights.dominance.verdict import Verdict as Verdict
    from lossweights.loss.combined import CombinedLoss as CombinedLoss
    from lossweights.loss.scales import reference_scales as reference_scales
    from lossweights.loss.weight_set import WeightSet as WeightSet
    from lossweights.results.result import SweepResult as SweepResult
    from lossweights.search.rungs import Rungs as Rungs
    from lossweights.search.space import Fixed as Fixed
    from lossweights.search.space import LogUniform as LogUniform
    from lossweights.search.space import Off as Off
    from lossweights.search.space import Ramp as Ramp
    from lossweights.search.space import Simplex as Simplex
    from lossweights.search.space import Uniform as Uniform
    from lossweights.search.wish import Wish as Wish
    from lossweights.sweep.plan import plan as plan
    from lossweights.sweep.references import load as load
    from lossweights.sweep.sweep import Sweep as Sweep
    from lossweights.training.early_stopping import EarlyStopping as EarlyStopping
    from lossweights.watch import adaptive as adaptive
    from lossweights.watch.monitor import TermMonitor as TermMonitor

__version__ = "0.1.0"

# The public modules, and where each of the other public names lives.
_MODULES = {
    "adaptive": "lossweights.watch.adaptive",
    "metrics": "lossweights.metrics",
    "terms": "lossweights.terms",
}
_HOMES = {
    "Choice": "lossweights.base.sampled",
    "CombinedLoss": "lossweights.loss.combined",
    "Data": "lossweights.data",
    "EarlyStopping": "lossweights.training.early_stopping",
    "Fixed": "lossweights.search.space",
    "Folds": "lossweights.data",
    "LogUniform": "lossweights.search.space",
    "Off": "lossweights.search.space",
    "Ramp": "lossweights.search.space",
    "Rungs": "lossweights.search.rungs",
    "Simplex": "lossweights.search.space",
    "Sweep": "lossweights.sweep.sweep",
    "SweepResult": "lossweights.results.result",
    "SweepVerdict": "lossweights.dominance.sweep_verdict",
    "TermMonitor": "lossweights.watch.monitor",
    "Uniform": "lossweights.search.space",
    "Verdict": "lossweights.dominance.verdict",
    "WeightSet": "lossweights.loss.weight_set",
    "Wish": "lossweights.search.wish",
    "load": "lossweights.sweep.references",
    "plan": "lossweights.sweep.plan",
    "reference_scales": "lossweights.loss.scales",
}

__all__ = sorted({"errors", *_MODULES, *_HOMES})  # the tables above are the one list of names


# `from lossweights.errors import SweepExists` is how programs catch an error.
sys.modules[f"{__name__}.errors"] = errors
register_with_keras()  # so that saved models load after nothing but `import lossweights`
if launches_sweep():  # workers come from a process that imports beside the script
    import_module("lossweights.sweep.early").begin_for_script(sys.argv[1:], _HOMES["Sweep"])


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with quiet_start():  # most names bring TensorFlow with them
        module = import_module(_MODULES.get(name) or _HOMES[name])
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
