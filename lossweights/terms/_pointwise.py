"""Terms on each element's error alone: squared, absolute, and the mixture of both.

Throughout, ``e = y_true - y_pred``, so ``e > 0`` is underestimation.
"""

from typing import Unpack

import keras
from keras import ops

from lossweights.terms._arguments import positive
from lossweights.terms._elements import ElementTerm
from lossweights.terms._tensors import Tensor, absolute
from lossweights.terms.per_sample import HostArguments
from lossweights.terms.targets import Array, Targets


@keras.saving.register_keras_serializable(package="lossweights")
class MeanSquaredError(ElementTerm):
    """The mean of ``e**2``; alone, it is smallest at the mean of ``y`` given ``x``.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: those of ``y``, squared. Range: 0 and above.

    Source: Gauss, "Theoria combinationis observationum" (1823).

    Arguments and errors are those of every `Term`.

    >>> float(MeanSquaredError()([[1.0, 2.0]], [[1.0, 4.0]]))
    2.0
    """

    default_name = "mean_squared_error"

    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The squared error of each element."""
        return ops.square(y_true - y_pred)

    def best_constant(self, targets: Targets) -> Array:
        """The mean of the targets."""
        return targets.mean()


@keras.saving.register_keras_serializable(package="lossweights")
class MeanAbsoluteError(ElementTerm):
    """The mean of ``|e|``; alone, it is smallest at the median of ``y`` given ``x``.

    The gradient at ``e = 0`` is 0.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: those of ``y``. Range: 0 and above.

    Source: Laplace, "Sur quelques points du système du monde" (1789).

    Arguments and errors are those of every `Term`.

    >>> float(MeanAbsoluteError()([[1.0, 2.0]], [[1.0, 4.0]]))
    1.0
    """

    default_name = "mean_absolute_error"

    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The absolute error of each element."""
        return absolute(y_true - y_pred)

    def best_constant(self, targets: Targets) -> Array:
        """The median of the targets."""
        return targets.quantile(0.5)


@keras.saving.register_keras_serializable(package="lossweights")
class Huber(ElementTerm):
    """The mean of ``e**2 / 2`` up to ``|e| = delta`` and ``delta * (|e| - delta / 2)`` beyond.

    Quadratic near zero and linear for large errors, so that a few outliers do not rule.

    Args:
        delta: Where the linear part begins, in units of ``y``; above 0.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: those of ``y``, squared. Range: 0 and above.

    Raises:
        TermError: ``delta`` is not above 0, or the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Huber, "Robust estimation of a location parameter" (Annals of Mathematical Statistics
    35, 1964). The factor 1/2 is his, and Keras'.

    >>> float(Huber(delta=1.0)([[0.0, 0.0]], [[1.0, 3.0]]))  # (0.5 + 2.5) / 2
    1.5
    """

    default_name = "huber"

    def __init__(self, delta: float = 1.0, **host: Unpack[HostArguments]) -> None:
        super().__init__(**host)
        advice = "Give the error, in units of y, where the linear part begins."
        self.delta = positive("delta", delta, advice)

    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The Huber value of each element."""
        size = absolute(y_true - y_pred)
        # The part of the error within delta is squared, the rest is not: no branch whose unused
        # half overflows, and with it the gradient.
        near = ops.minimum(size, self.delta)
        return 0.5 * near * near + self.delta * (size - near)
