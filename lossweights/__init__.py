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

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lossweights._registration import register_with_keras

if TYPE_CHECKING:
    from lossweights import errors as errors
    from lossweights import metrics as metrics
    from lossweights import terms as terms
    from lossweights.data import Data as Data
    from lossweights.dominance import Verdict as Verdict
    from lossweights.early_stopping import EarlyStopping as EarlyStopping
    from lossweights.loss import CombinedLoss as CombinedLoss
    from lossweights.monitor import TermMonitor as TermMonitor
    from lossweights.result import SweepResult as SweepResult
    from lossweights.result import load as load
    from lossweights.scales import reference_scales as reference_scales
    from lossweights.space import Fixed as Fixed
    from lossweights.space import LogUniform as LogUniform
    from lossweights.space import Simplex as Simplex
    from lossweights.space import Uniform as Uniform
    from lossweights.sweep import Sweep as Sweep
    from lossweights.sweep_verdict import SweepVerdict as SweepVerdict
    from lossweights.weights import WeightSet as WeightSet

__version__ = "0.1.0"

# Where each public name lives; None is a module of the package itself.
_HOMES = {
    "CombinedLoss": "lossweights.loss",
    "Data": "lossweights.data",
    "EarlyStopping": "lossweights.early_stopping",
    "Fixed": "lossweights.space",
    "LogUniform": "lossweights.space",
    "Simplex": "lossweights.space",
    "Sweep": "lossweights.sweep",
    "SweepResult": "lossweights.result",
    "SweepVerdict": "lossweights.sweep_verdict",
    "TermMonitor": "lossweights.monitor",
    "Uniform": "lossweights.space",
    "Verdict": "lossweights.dominance",
    "WeightSet": "lossweights.weights",
    "errors": None,
    "load": "lossweights.result",
    "metrics": None,
    "reference_scales": "lossweights.scales",
    "terms": None,
}

__all__ = sorted(_HOMES)  # the table above is the one list of names


register_with_keras()  # so that saved models load after nothing but `import lossweights`


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    value = import_module(f"{__name__}.{name}") if home is None else getattr(
        import_module(home), name
    )  # fmt: skip
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
