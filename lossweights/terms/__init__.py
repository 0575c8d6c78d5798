"""The terms a loss is made of: one family a file, all of them here.

Each is a complete Keras loss with one value per sample, and can be a summand of a `CombinedLoss`.
With ``e = y_true - y_pred``, so that ``e > 0`` is underestimation:

- errors: `MeanSquaredError`, `MeanAbsoluteError`, `Huber`;
- errors of one sign: `Underestimation`, `Overestimation`, `Pinball`, `Expectile`, `Newsvendor`,
  `Linex`;
- boundaries, along named axes of space or time: `Boundary`, `TotalVariation`, `SoftBoundaryDice`,
  `BoundaryF1`; and, on targets from `with_distance_map`, `DistanceBoundary`, `HausdorffDistance`,
  with `reading` for the other terms of the same loss;
- regions of masks: `Dice`, `Tversky`, `Focal`;
- whatever Keras takes as a loss, by `as_term`: its own by name, class, instance or function, as a
  `KerasLoss`, and functions and lambdas of your own, as a `CustomLoss`;
- any of them on one output of a model that has several, or functions between some of them: `on`,
  which makes an `OnOutput` or `OnOutputs`;
- any of them on some channels of targets that carry more: `reading`, which makes an `OnChannels`;
- any of them on elements whose target is known, and not NaN: `known`, which makes an `OnKnown`;
- losses that the model adds itself, about no target: `added`, which makes an `Added` of what the
  layer `AddedLoss` of that name is given.

All are a `Term`. What weight files say of one is made by `describe` and read by `from_description`.

What rooms above need beyond that lies in modules of its own: `per_sample`, what a term and a sum of
terms are; `summands`, the terms of one loss; `chosen`, terms that are others in each trial of a
sweep; `model_losses`, what models add themselves; `reduction`, from values per sample to a loss;
`targets`, what a constant prediction is made from; `channels`, how channels are named; `classes`,
which classes count; `config`, arguments as Keras writes them; `layout`, what may be a volume.

>>> float(Underestimation()([[10.0]], [[7.0]]))
6.0
"""

from lossweights.terms._added import Added, added
from lossweights.terms._added_loss import AddedLoss
from lossweights.terms._as_term import as_term
from lossweights.terms._asymmetric import (
    Expectile,
    Newsvendor,
    Overestimation,
    Pinball,
    Underestimation,
)
from lossweights.terms._boundary import Boundary, TotalVariation
from lossweights.terms._channels import OnChannels, reading
from lossweights.terms._contour import BoundaryF1, SoftBoundaryDice
from lossweights.terms._distance_map import DistanceBoundary, HausdorffDistance, with_distance_map
from lossweights.terms._foreign import CustomLoss, KerasLoss
from lossweights.terms._known import OnKnown, known
from lossweights.terms._linex import Linex
from lossweights.terms._output import OnOutput
from lossweights.terms._outputs import OnOutputs, on
from lossweights.terms._pointwise import Huber, MeanAbsoluteError, MeanSquaredError
from lossweights.terms._region import Dice, Focal, Tversky
from lossweights.terms._registry import describe, from_description
from lossweights.terms.per_sample import Term

__all__ = [
    "Added",
    "AddedLoss",
    "Boundary",
    "BoundaryF1",
    "CustomLoss",
    "Dice",
    "DistanceBoundary",
    "Expectile",
    "Focal",
    "HausdorffDistance",
    "Huber",
    "KerasLoss",
    "Linex",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Newsvendor",
    "OnChannels",
    "OnKnown",
    "OnOutput",
    "OnOutputs",
    "Overestimation",
    "Pinball",
    "SoftBoundaryDice",
    "Term",
    "TotalVariation",
    "Tversky",
    "Underestimation",
    "added",
    "as_term",
    "describe",
    "from_description",
    "known",
    "on",
    "reading",
    "with_distance_map",
]
