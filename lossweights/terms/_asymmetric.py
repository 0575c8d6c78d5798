"""Terms that treat errors of one sign as dearer than those of the other.

Throughout, ``e = y_true - y_pred``, so ``e > 0`` is underestimation, and ``relu(e) = max(e, 0)``.
The gradient at ``e = 0`` is 0 for all of them, the subgradient that a perfect prediction needs in
order to stay where it is.
"""

from collections.abc import Sequence
from typing import ClassVar, Unpack

import keras
import numpy as np
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms._arguments import fraction, positive
from lossweights.terms._elements import ElementTerm
from lossweights.terms._tensors import Tensor, as_float, mean_per_sample, shapes_fit
from lossweights.terms.per_sample import HostArguments
from lossweights.terms.targets import Array, Targets


class OneSidedTerm(ElementTerm):
    """What `Underestimation` and `Overestimation` have in common: all but the sign of the error."""

    sign: ClassVar[float]  # of the errors that cost something

    def __init__(self, factor: float = 2.0, power: int = 1, **host: Unpack[HostArguments]) -> None:
        super().__init__(**host)
        self.factor = positive("factor", factor, _SWITCH_OFF)
        self.power = _power(power)

    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The penalty of each element."""
        excess = ops.relu(self.sign * (y_true - y_pred))
        return self.factor * (excess if self.power == 1 else ops.square(excess))

    def best_constant(self, targets: Targets) -> Array:
        """The mean of the targets: by itself the term has none, far enough out all cost nothing."""
        return targets.mean()


@keras.saving.register_keras_serializable(package="lossweights")
class Underestimation(OneSidedTerm):
    """A penalty on predictions that are too low: the mean of ``factor * relu(e)**power``.

    With ``power=1`` every unit of shortfall costs the same. Added to a squared error it raises the
    prediction by the weights' ratio times the rate at which the model underestimates. With
    ``power=2`` large shortfalls cost more; with a squared error it makes an expectile.

    Alone it has no optimum: any prediction high enough costs nothing. Pair it with a term that
    pulls down.

    Args:
        factor: What a unit costs, above 0. The default 2 makes the linear form ``|e| + e``.
        power: 1 for a linear penalty, 2 for a squared one.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: those of ``y`` to the ``power``. Range: 0 and above.

    Raises:
        TermError: ``factor`` or ``power`` is not one of those, or the shapes of ``y_true`` and
            ``y_pred`` differ.

    Source: the linear form is lin-lin loss, Granger, "Prediction with a generalized cost of error
    function" (Operational Research Quarterly 20, 1969); the squared form with a squared error is
    that of Newey and Powell, "Asymmetric least squares" (Econometrica 55, 1987).

    >>> float(Underestimation()([[10.0, 10.0]], [[7.0, 12.0]]))  # 2 * (3 + 0) / 2
    3.0
    >>> float(Underestimation(power=2)([[10.0, 10.0]], [[7.0, 12.0]]))
    9.0
    """

    default_name = "underestimation"
    sign = 1.0


@keras.saving.register_keras_serializable(package="lossweights")
class Overestimation(OneSidedTerm):
    """A penalty on predictions that are too high: the mean of ``factor * relu(-e)**power``.

    The mirror of `Underestimation`, with all that is said there of arguments and errors too.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: those of ``y`` to the ``power``. Range: 0 and above.

    Source: as `Underestimation`.

    >>> float(Overestimation()([[10.0, 10.0]], [[7.0, 12.0]]))  # 2 * (0 + 2) / 2
    2.0
    """

    default_name = "overestimation"
    sign = -1.0


@keras.saving.register_keras_serializable(package="lossweights")
class Pinball(ElementTerm):
    """The mean of ``max(tau * e, (tau - 1) * e)``; alone, it is smallest at the tau-quantile.

    Args:
        tau: The quantile, between 0 and 1: 0.9 asks for a prediction that nine targets of ten do
            not exceed. Or several quantiles of one target, such as ``(0.1, 0.5, 0.9)``, each
            predicted by a channel of its own; the value is the mean over them.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; of several quantiles ``y_true``
    ``(batch, ..., 1)``, or without that axis, and ``y_pred`` ``(batch, ..., quantiles)``; the value
    is ``(batch,)``.
    Units: those of ``y``. Range: 0 and above.

    Raises:
        TermError: ``tau`` is not between 0 and 1, or the shapes of ``y_true`` and ``y_pred``
            do not fit.

    Source: Koenker and Bassett, "Regression quantiles" (Econometrica 46, 1978).

    >>> loss = Pinball(tau=0.75)
    >>> float(loss([[4.0]], [[0.0]])), float(loss([[0.0]], [[4.0]]))
    (3.0, 1.0)
    >>> float(Pinball((0.25, 0.75))([[4.0]], [[0.0, 0.0]]))  # (1 + 3) / 2
    2.0
    """

    default_name = "pinball"

    def __init__(self, tau: float | Sequence[float], **host: Unpack[HostArguments]) -> None:
        super().__init__(**host)
        self.tau: float | tuple[float, ...]
        if isinstance(tau, list | tuple) and tau:
            self.tau = tuple(fraction("tau", each, _SYMMETRIC) for each in tau)
        else:
            self.tau = fraction("tau", tau, _SYMMETRIC)

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The mean pinball value of each sample's elements and quantiles, shape ``(batch,)``."""
        if not isinstance(self.tau, tuple):
            return super().per_sample(y_true, y_pred, element_weight)
        y_true, y_pred = as_float(y_true), as_float(y_pred)
        if len(y_true.shape) == len(y_pred.shape) - 1:
            y_true = ops.expand_dims(y_true, -1)
        wanted = (*y_pred.shape[:-1], 1)
        if not shapes_fit(y_true.shape, wanted) or y_pred.shape[-1] not in (None, len(self.tau)):
            raise TermError(
                f"Expected one target and {len(self.tau)} predicted quantiles on the last axis. "
                f"Found y_true of shape {tuple(y_true.shape)}, y_pred of shape "
                f"{tuple(y_pred.shape)}. Give the model as many outputs as quantiles."
            )
        error = ops.cast(y_true, y_pred.dtype) - y_pred
        levels = ops.convert_to_tensor(self.tau, dtype=error.dtype)
        values = _two_sided(error, levels, 1.0 - levels)
        return mean_per_sample(ops.mean(values, axis=-1), element_weight)

    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The pinball value of each element, of one quantile."""
        assert not isinstance(self.tau, tuple)
        return _two_sided(y_true - y_pred, self.tau, 1.0 - self.tau)

    def best_constant(self, targets: Targets) -> Array:
        """The quantile of the targets, or each of them."""
        if not isinstance(self.tau, tuple):
            return targets.quantile(self.tau)
        found = [targets.quantile(level) for level in self.tau]
        columns = [each if each.ndim > 1 else each[:, None] for each in found]
        return np.concatenate(columns, axis=-1)


@keras.saving.register_keras_serializable(package="lossweights")
class Expectile(ElementTerm):
    """The mean of ``|tau - [e < 0]| * e**2``; alone, it is smallest at the tau-expectile.

    The expectile is to the mean what the quantile is to the median; 0.5 gives half the squared
    error.

    Args:
        tau: The expectile, between 0 and 1; above 0.5 underestimation is the dearer error.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: those of ``y``, squared. Range: 0 and above.

    Raises:
        TermError: ``tau`` is not between 0 and 1, or the shapes of ``y_true`` and ``y_pred``
            differ.

    Source: Newey and Powell, "Asymmetric least squares estimation and testing" (Econometrica 55,
    1987).

    >>> loss = Expectile(tau=0.75)
    >>> float(loss([[2.0]], [[0.0]])), float(loss([[0.0]], [[2.0]]))
    (3.0, 1.0)
    """

    default_name = "expectile"

    def __init__(self, tau: float, **host: Unpack[HostArguments]) -> None:
        super().__init__(**host)
        self.tau = fraction("tau", tau, _SYMMETRIC)

    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The expectile value of each element."""
        error = y_true - y_pred
        # error * (tau relu(error) - (1 - tau) relu(-error)), each half times the error once more
        return error * (self.tau * ops.relu(error) - (1.0 - self.tau) * ops.relu(-error))


@keras.saving.register_keras_serializable(package="lossweights")
class Newsvendor(ElementTerm):
    """The mean cost ``under_cost * relu(e) + over_cost * relu(-e)`` of a stock of ``y_pred``.

    A unit of demand that is not met costs ``under_cost``, one that is left over ``over_cost``.
    Alone, it is smallest at the quantile ``under_cost / (under_cost + over_cost)`` of demand.

    Args:
        under_cost: Cost of a unit missing, above 0.
        over_cost: Cost of a unit left over, above 0.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: money, if the costs are money per unit of ``y``. Range: 0 and above.

    Raises:
        TermError: A cost is not above 0, or the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Arrow, Harris and Marschak, "Optimal inventory policy" (Econometrica 19, 1951).

    >>> loss = Newsvendor(under_cost=5.0, over_cost=1.0)
    >>> float(loss([[10.0]], [[8.0]])), float(loss([[10.0]], [[12.0]]))
    (10.0, 2.0)
    """

    default_name = "newsvendor"

    def __init__(self, under_cost: float, over_cost: float, **host: Unpack[HostArguments]) -> None:
        super().__init__(**host)
        self.under_cost = positive("under_cost", under_cost, _ONE_SIDED)
        self.over_cost = positive("over_cost", over_cost, _ONE_SIDED)

    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The cost of each element."""
        return _two_sided(y_true - y_pred, self.under_cost, self.over_cost)

    def best_constant(self, targets: Targets) -> Array:
        """The quantile of the targets at which both costs balance."""
        return targets.quantile(self.under_cost / (self.under_cost + self.over_cost))


def _two_sided(error: Tensor, under: float, over: float) -> Tensor:
    return under * ops.relu(error) + over * ops.relu(-error)


def _power(power: object) -> int:
    if power in (1, 2) and not isinstance(power, bool):
        return int(power)
    raise TermError(
        f"Expected `power` to be 1 or 2. Found power={power!r}. "
        "Take 1 if every unit costs the same, 2 if large errors cost more."
    )


_SWITCH_OFF = "To switch a term off, give it the weight 0 in the combined loss."
_ONE_SIDED = "For a cost on one side only, take Underestimation or Overestimation."
_SYMMETRIC = "Take 0.5 for no asymmetry, more to make underestimation the dearer error."
