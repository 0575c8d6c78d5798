"""Adaptive weighting: from the magnitudes and gradients of the terms so far to the next weights.

One method a file, by its paper, in plain NumPy. A method is what it was configured with and never
changes; what it remembers of a training is a `State`, one for each training, so that one method
weighs as many members of a stack as there are.

- `DWA`: what falls slower counts more, by the ratio of the last two magnitudes;
- `SoftAdapt`: the same by their difference;
- `ReLoBRaLo`: the same since the last epoch or, at random, since the start;
- `GradNorm`: gradients of equal length, longer where a term lags behind;
- `Uncertainty`: inverse magnitudes, what learned uncertainties come to; or learned ones;
- `EnCodec`: fixed shares of the gradient at the output.

`Method` is what they have in common, and says what they do where a formula has no answer;
`method_json` and `method_of` write one down and read it.

>>> method = Uncertainty()
>>> state = method.start({"mse": 1.0, "under": 1.0})
>>> method.step(state, {"mse": 3.0, "under": 1.0}).weights
{'mse': 0.5, 'under': 1.5}
"""

from lossweights.loss.adaptive._dwa import DWA
from lossweights.loss.adaptive._encodec import EnCodec
from lossweights.loss.adaptive._gradnorm import GradNorm
from lossweights.loss.adaptive._json import method_json, method_of
from lossweights.loss.adaptive._method import LEAST, Method, State
from lossweights.loss.adaptive._relobralo import ReLoBRaLo
from lossweights.loss.adaptive._softadapt import SoftAdapt
from lossweights.loss.adaptive._uncertainty import Uncertainty

__all__ = [
    "DWA",
    "LEAST",
    "EnCodec",
    "GradNorm",
    "Method",
    "ReLoBRaLo",
    "SoftAdapt",
    "State",
    "Uncertainty",
    "method_json",
    "method_of",
]
