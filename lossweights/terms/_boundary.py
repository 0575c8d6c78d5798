"""Terms on differences between neighbours: where the prediction changes, and how much.

Both measure along *named* axes, never along "the last one": for images of shape
``(batch, height, width, channels)`` the last axis holds channels, and a difference between channels
says nothing about a boundary.

An element weight counts for a difference as the smaller weight of the elements it reads, so that a
difference across the edge of a mask counts nothing and weights that are all 2 double the value.
"""

import functools
from collections.abc import Iterable
from typing import Unpack

import keras
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms._axes import as_axes, cut, full_weight, resolve_axes
from lossweights.terms._tensors import Tensor, absolute, as_float, as_floats, mean_per_sample
from lossweights.terms.per_sample import HostArguments, Term
from lossweights.terms.targets import Array, Targets

KERNELS = ("difference", "sobel")


@keras.saving.register_keras_serializable(package="lossweights")
class Boundary(Term):
    """The total variation of the error: how badly the prediction changes where the target does.

    This is gradient matching, and not the "boundary loss" of the literature on segmentation
    (Kervadec et al.): that is `lossweights.terms.DistanceBoundary`.

    With the error ``e = y_true - y_pred`` the value of a sample is

        ``sum over axes of mean |D_axis e|``

    where ``D`` is the difference of neighbours (``kernel="difference"``) or the Sobel gradient
    (``kernel="sobel"``). The difference is signed: where the target steps up and the prediction
    steps down, both steps are paid. Comparing absolute values, as is often done, would call an
    inverted mask perfect. A constant added to the prediction changes nothing.

    The Sobel gradient smooths by ``[1, 2, 1] / 4`` along the other named axes and takes half the
    difference of the two neighbours along its own, so that a ramp of one unit a step has gradient
    1, as under ``"difference"`` (in two dimensions that is the usual kernel divided by 8). It looks
    at the whole stencil or not at all: there is no padding, and an axis of ``n`` elements gives
    ``n - 2`` values. Errors that alternate from one element to the next are invisible to it.

    Differences shrink as resolution grows: doubling it halves the value for the same shape.

    Args:
        axes: The axes of space or time: 1 for a series ``(batch, time)`` or
            ``(batch, time, channels)``, ``(1, 2)`` for images, ``(1, 2, 3)`` for volumes.
        kernel: ``"difference"`` or ``"sobel"``.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: those of ``y`` per step of the grid. Range: 0 and above.

    Raises:
        TermError: ``kernel`` is unknown, or ``axes`` name the batch or do not fit the data: at
            least 2 elements are needed along each, 3 for ``"sobel"``.

    Source: the L1 "gradient matching" of Li and Snavely, "MegaDepth" (CVPR 2018), at one scale and
    on values; total variation after Rudin, Osher and Fatemi (Physica D 60, 1992).

    >>> import numpy as np
    >>> step_up = np.array([[0.0, 0.0, 1.0, 1.0]])
    >>> late = np.array([[0.0, 0.0, 0.0, 1.0]])
    >>> round(float(Boundary(axes=1)(step_up, late)), 4)  # two of three differences are wrong by 1
    0.6667
    >>> float(Boundary(axes=1)(step_up, step_up + 5.0))
    0.0
    """

    default_name = "boundary"

    def __init__(
        self, axes: int | Iterable[int], kernel: str = "difference", **host: Unpack[HostArguments]
    ) -> None:
        super().__init__(**host)
        if kernel not in KERNELS:
            raise TermError(
                f"Expected `kernel` to be one of {KERNELS}. Found kernel={kernel!r}. "
                "Name one of them."
            )
        self.axes = as_axes(axes)
        self.kernel = kernel

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The sum over axes of the mean absolute gradient of the error, shape ``(batch,)``."""
        y_true, y_pred = as_floats(y_true, y_pred)
        return _variation(y_true - y_pred, self.axes, self.kernel, element_weight)

    def best_constant(self, targets: Targets) -> Array:
        """The mean of the targets; all cost the same, since differences do not see a constant."""
        return targets.mean()


@keras.saving.register_keras_serializable(package="lossweights")
class TotalVariation(Term):
    """The total variation of the prediction: ``sum over axes of mean |p[i+1] - p[i]|``.

    It never looks at the target. It asks for smoothness, and its weight biases the prediction
    towards a constant; use `Boundary` to ask for edges in the right place.

    Args:
        axes: The axes of space or time: 1 for a series, ``(1, 2)`` for images, ``(1, 2, 3)`` for
            volumes.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_pred`` ``(batch, ...)``, ``y_true`` anything; the value is ``(batch,)``.
    Units: those of ``y`` per step of the grid. Range: 0 and above.

    Raises:
        TermError: ``axes`` name the batch, are not there, or hold fewer than 2 elements.

    Source: Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms"
    (Physica D 60, 1992), in its anisotropic form and as a mean.

    >>> import numpy as np
    >>> zigzag = np.array([[0.0, 2.0, 0.0]])
    >>> float(TotalVariation(axes=1)(np.zeros((1, 3)), zigzag))
    2.0
    """

    default_name = "total_variation"

    def __init__(self, axes: int | Iterable[int], **host: Unpack[HostArguments]) -> None:
        super().__init__(**host)
        self.axes = as_axes(axes)

    def per_sample(
        self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None = None
    ) -> Tensor:
        """The sum over axes of the mean absolute difference, shape ``(batch,)``."""
        return _variation(as_float(y_pred), self.axes, "difference", element_weight)

    def best_constant(self, targets: Targets) -> Array:
        """The mean of the targets; all cost nothing."""
        return targets.mean()


def _variation(
    x: Tensor, axes: tuple[int, ...], kernel: str, element_weight: Tensor | None
) -> Tensor:
    """``sum over axes of mean |gradient of x|`` for each sample.

    The components are added, not squared and rooted: the root has no gradient where ``x`` is flat.
    """
    axes = resolve_axes(axes, x.shape, least=3 if kernel == "sobel" else 2)
    gradient, least = (_sobel, _least_sobel) if kernel == "sobel" else (_step, _least_step)
    weight = None if element_weight is None else full_weight(element_weight, x)
    parts = []
    for axis in axes:
        others = tuple(other for other in axes if other != axis)
        size = absolute(gradient(x, axis, others))
        parts.append(mean_per_sample(size, None if weight is None else least(weight, axis, others)))
    return functools.reduce(ops.add, parts)


def _step(x: Tensor, axis: int, others: tuple[int, ...]) -> Tensor:
    """The difference of neighbours: one value fewer along ``axis``, all along ``others``."""
    return cut(x, axis, 1, None) - cut(x, axis, None, -1)


def _least_step(weight: Tensor, axis: int, others: tuple[int, ...]) -> Tensor:
    """The smaller weight of the two elements that each `_step` reads."""
    return ops.minimum(cut(weight, axis, 1, None), cut(weight, axis, None, -1))


def _sobel(x: Tensor, axis: int, others: tuple[int, ...]) -> Tensor:
    """The Sobel gradient along ``axis``, 1 for a unit ramp; two values fewer along every axis."""
    for other in others:
        x = (
            0.25 * cut(x, other, None, -2)
            + 0.5 * cut(x, other, 1, -1)
            + 0.25 * cut(x, other, 2, None)
        )
    return 0.5 * (cut(x, axis, 2, None) - cut(x, axis, None, -2))


def _least_sobel(weight: Tensor, axis: int, others: tuple[int, ...]) -> Tensor:
    """The smallest weight among the elements that each `_sobel` value reads."""
    for other in others:
        ends = ops.minimum(cut(weight, other, None, -2), cut(weight, other, 2, None))
        weight = ops.minimum(ends, cut(weight, other, 1, -1))
    return ops.minimum(cut(weight, axis, 2, None), cut(weight, axis, None, -2))
