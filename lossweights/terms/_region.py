"""Terms on whole regions of a mask: how much of it is found, and how much is made up.

Their values are Keras' own, with two differences: each sample has its own value, where
``keras.losses.Dice()`` gives one number for the whole batch; and a pair of empty masks costs
nothing, where Keras counts 1. Masks hold probabilities between 0 and 1.
"""

from typing import Unpack

import keras
from keras import ops

from lossweights.base.errors import TermError
from lossweights.terms._arguments import fraction, is_number, positive
from lossweights.terms._of_classes import MaskHost, MaskTerm
from lossweights.terms._tensors import Tensor, as_floats, expand_weight, mean_per_sample
from lossweights.terms.reduction import split_element_weight


@keras.saving.register_keras_serializable(package="lossweights")
class Dice(MaskTerm):
    """One minus the overlap of two masks: ``1 - 2 sum(y p) / (sum(y) + sum(p))``.

    The sums run over all axes of a sample, channels included. It does not mind how rare the mask
    is. Two empty masks have the value 0; an empty one against any other 1, with no gradient, so
    pair the term with a pointwise one such as binary cross-entropy.

    Element weights count in the sums, so a common factor of those of a sample cancels: with all of
    them doubled the value is the same. A weight of the sample multiplies it, as in Keras.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: none. Range: 0 to 1.

    Source: Dice, "Measures of the amount of ecologic association between species" (Ecology 26,
    1945); as a loss, Milletari et al., "V-Net" (arXiv:1606.04797), there with squares below.

    Args:
        ignore: A class that counts nothing, or several: 0 for the background.
        classes: The classes that count, instead of ``ignore``. By default all.
        name, reduction, dtype: As for every `Term`.

    Raises:
        TermError: Both ``ignore`` and ``classes`` are given, or a class is not there; or the shapes
            of ``y_true`` and ``y_pred`` differ.

    >>> loss = Dice()
    >>> float(loss([[1.0, 1.0, 0.0]], [[0.0, 1.0, 1.0]]))
    0.5
    >>> float(loss([[0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]))
    0.0
    >>> background_alone = [[1.0, 0.0, 0.0]]  # where class 1 is
    >>> float(Dice(ignore=0)([[0.0, 1.0, 0.0]], background_alone))
    1.0
    """

    default_name = "dice"
    link = "probability"

    def of_masks(self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None) -> Tensor:
        """One minus the Dice overlap of each sample, shape ``(batch,)``."""
        y_true, y_pred = as_floats(y_true, y_pred)
        common = _total(y_true * y_pred, element_weight)
        return _missed(2.0 * common, _total(y_true + y_pred, element_weight))


@keras.saving.register_keras_serializable(package="lossweights")
class Tversky(MaskTerm):
    """Dice with a price for each kind of error: ``1 - T / (T + alpha F + beta M)``.

    ``T = sum(y p)`` is what was found, ``F = sum((1 - y) p)`` the false positives and
    ``M = sum(y (1 - p))`` the misses. With ``alpha = beta = 0.5`` it is `Dice`; a larger ``beta``
    favours recall.

    These are the letters of the paper. ``keras.losses.Tversky`` (3.15) says the same and does the
    opposite: its ``alpha`` multiplies the misses.

    Element weights count in the sums, so a common factor of those of a sample cancels.

    Args:
        alpha: Price of a false positive, above 0.
        beta: Price of a miss, above 0.
        ignore: A class that counts nothing, or several: 0 for the background.
        classes: The classes that count, instead of ``ignore``. By default all.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: none. Range: 0 to 1. Two empty masks have the value 0.

    Raises:
        TermError: ``alpha`` or ``beta`` is not above 0, or the shapes of ``y_true`` and ``y_pred``
            differ.

    Source: Salehi, Erdogmus and Gholipour, "Tversky loss function for image segmentation"
    (arXiv:1706.05721).

    >>> loss = Tversky(alpha=0.25, beta=0.75)
    >>> found_half, twice_too_large = [[1.0, 0.0, 0.0, 0.0]], [[1.0, 1.0, 1.0, 1.0]]
    >>> y = [[1.0, 1.0, 0.0, 0.0]]
    >>> round(float(loss(y, found_half)), 4), round(float(loss(y, twice_too_large)), 4)
    (0.4286, 0.2)
    """

    default_name = "tversky"
    link = "probability"

    def __init__(self, alpha: float = 0.5, beta: float = 0.5, **host: Unpack[MaskHost]) -> None:
        super().__init__(**host)
        advice = "Take 0.5 for both to weigh the two kinds of error alike."
        self.alpha = positive("alpha", alpha, advice)
        self.beta = positive("beta", beta, advice)

    def of_masks(self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None) -> Tensor:
        """One minus the Tversky index of each sample, shape ``(batch,)``."""
        y_true, y_pred = as_floats(y_true, y_pred)
        found = _total(y_true * y_pred, element_weight)
        made_up = _total((1.0 - y_true) * y_pred, element_weight)
        missed = _total(y_true * (1.0 - y_pred), element_weight)
        return _missed(found, found + self.alpha * made_up + self.beta * missed)


@keras.saving.register_keras_serializable(package="lossweights")
class Focal(MaskTerm):
    """Binary cross-entropy that fades for what is already right: ``-(1 - q)**gamma * log(q)``.

    ``q`` is the probability given to the true answer, ``p`` where ``y`` is 1 and ``1 - p`` where it
    is 0. Every element is a yes-or-no question of its own, also along channels; for classes that
    exclude each other take ``keras.losses.CategoricalFocalCrossentropy()``.

    Args:
        gamma: How fast easy elements fade, 0 or above; 0 is plain cross-entropy.
        alpha: Share of the weight that goes to elements where ``y`` is 1, between 0 and 1; the
            others get ``1 - alpha``. ``None`` weighs both by 1.
        from_logits: Whether ``y_pred`` holds log-odds instead of probabilities.
        ignore: A class that counts nothing, or several: 0 for the background.
        classes: The classes that count, instead of ``ignore``. By default all.
        name, reduction, dtype: As for every `Term`.

    Shapes: ``y_true`` and ``y_pred`` alike, ``(batch, ...)``; the value is ``(batch,)``.
    Units: nats. Range: 0 and above.

    Raises:
        TermError: ``gamma`` is negative, ``alpha`` not between 0 and 1, or the shapes of ``y_true``
            and ``y_pred`` differ.

    Source: Lin et al., "Focal loss for dense object detection" (arXiv:1708.02002).

    >>> loss = Focal(gamma=2.0)
    >>> round(float(loss([[1.0]], [[0.9]])), 4), round(float(loss([[1.0]], [[0.1]])), 4)
    (0.0011, 1.8651)
    """

    default_name = "focal"

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float | None = None,
        *,
        from_logits: bool = False,
        **host: Unpack[MaskHost],
    ) -> None:
        super().__init__(**host)
        if not is_number(gamma) or gamma < 0:
            raise TermError(
                f"Expected `gamma` to be a finite number of at least 0. Found gamma={gamma!r}. "
                "Take 2, the paper's choice."
            )
        self.gamma = float(gamma)
        self.alpha = None if alpha is None else fraction("alpha", alpha, "Take 0.25, or None.")
        self.from_logits = bool(from_logits)
        self.link = "logit" if self.from_logits else "probability"

    def of_masks(self, y_true: Tensor, y_pred: Tensor, element_weight: Tensor | None) -> Tensor:
        """The mean value of each sample's elements, shape ``(batch,)``."""
        return mean_per_sample(self.of_elements(*as_floats(y_true, y_pred)), element_weight)

    def of_elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The focal cross-entropy of each element."""
        # Straight from the logits: through the sigmoid, an answer that is surely wrong would
        # saturate and have no gradient.
        entropy = ops.binary_crossentropy(y_true, y_pred, from_logits=self.from_logits)
        p = ops.sigmoid(y_pred) if self.from_logits else y_pred
        wrong = y_true * (1.0 - p) + (1.0 - y_true) * p
        # A power below 1 has no gradient at 0, which epsilon keeps away.
        values = entropy * ops.power(ops.maximum(wrong, keras.config.epsilon()), self.gamma)
        if self.alpha is not None:
            values = values * (y_true * self.alpha + (1.0 - y_true) * (1.0 - self.alpha))
        return values


def _total(values: Tensor, element_weight: Tensor | None) -> Tensor:
    """The sum of each sample over all its axes, each value times its weight: ``(batch,)``.

    Weights are relative to their mean in the sample, so that a ratio of sums has none of it.
    """
    if element_weight is not None:
        relative, _ = split_element_weight(element_weight)
        values = values * expand_weight(relative, values)
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


def _missed(part: Tensor, whole: Tensor) -> Tensor:
    """``1 - part / whole``, and 0 where there is nothing to find and nothing was claimed."""
    epsilon = keras.config.epsilon()
    return ops.where(whole > epsilon, 1.0 - part / (whole + epsilon), 0.0)
