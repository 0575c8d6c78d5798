"""The linex term: errors of one sign cost exponentially, those of the other linearly."""

from typing import Unpack

import keras
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms._arguments import is_number
from lossweights.terms._elements import ElementTerm
from lossweights.terms._tensors import Tensor
from lossweights.terms.per_sample import HostArguments


@keras.saving.register_keras_serializable(package="lossweights")
class Linex(ElementTerm):
    """The mean of ``exp(alpha * e) - alpha * e - 1``: exponential on one side, linear on the other.

    With ``alpha`` above 0 underestimation is the dearer error, below 0 overestimation. Near zero it
    is ``(alpha * e)**2 / 2``. Alone, it is smallest at ``log(mean(exp(alpha * y))) / alpha``, which
    for a normal ``y`` is its mean plus ``alpha * variance / 2``.

    Beyond ``alpha * e = 30`` it goes on along its tangent, so that a gross error has a value and a
    gradient that are huge and finite.

    Throughout, ``e = y_true - y_pred``, so ``e > 0`` is underestimation.

    Args:
        alpha: The asymmetry, in one over the units of ``y``; not 0.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: none. Range: 0 and above.

    Raises:
        TermError: ``alpha`` is 0 or not finite, or the shapes of ``y_true`` and ``y_pred`` differ.

    Source: Varian, "A Bayesian approach to real estate assessment" (1975); Zellner, "Bayesian
    estimation and prediction using asymmetric loss functions" (JASA 81, 1986).

    >>> loss = Linex(alpha=1.0)
    >>> round(float(loss([[2.0]], [[0.0]])), 4), round(float(loss([[0.0]], [[2.0]])), 4)
    (4.3891, 1.1353)
    """

    default_name = "linex"

    def __init__(self, alpha: float, **host: Unpack[HostArguments]) -> None:
        super().__init__(**host)
        if not is_number(alpha) or alpha == 0:
            raise TermError(
                f"Expected `alpha` to be a finite number other than 0. Found alpha={alpha!r}. "
                "Take one over the size of an error that is serious, such as 1 / y.std()."
            )
        self.alpha = float(alpha)

    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The linex value of each element."""
        return _linex(self.alpha * (y_true - y_pred))


_LINEX_TANGENT = 30.0  # exp(30) = 1e13: its square, which Adam takes, is still far from overflow
_LINEX_SERIES = 0.5  # below, the three parts of the formula cancel and a series is exact


def _linex(t: Tensor) -> Tensor:
    """``exp(t) - t - 1`` to full precision, continued along its tangent for large ``t``."""
    # Each branch sees only arguments that are safe for it: the gradient of a branch that is not
    # taken is multiplied by zero, and zero times infinity is not a number.
    near = ops.clip(t, -_LINEX_SERIES, _LINEX_SERIES)
    series = 1.0
    for n in range(8, 2, -1):  # t**2 / 2 * (1 + t / 3 * (1 + t / 4 * (...)))
        series = 1.0 + near / n * series
    series = 0.5 * near * near * series
    bounded = ops.minimum(t, _LINEX_TANGENT)
    slope = ops.expm1(bounded)
    exact = slope - bounded + slope * (t - bounded)
    return ops.where(ops.abs(t) < _LINEX_SERIES, series, exact)
