"""One Keras loss made of several named terms, each with a weight that can be moved at any time."""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import keras
import numpy as np
from keras import ops

from lossweights.base.errors import TermError
from lossweights.base.shown import call
from lossweights.foreign.tracing import is_compiled_by_jax
from lossweights.loss._between import Gathering
from lossweights.loss.output_loss import OutputLoss, losses_by_output
from lossweights.loss.scales import of_mean_one, reference_scales
from lossweights.loss.weights import check_scales, check_weights, divided_weights
from lossweights.terms.per_sample import HostArguments, PerSampleLoss, Tensor, Term
from lossweights.terms.reduction import reduce_weighted
from lossweights.terms.summands import (
    OutputTerms,
    as_terms,
    switched_values_of,
    terms_by_output,
    values_of,
)


@keras.saving.register_keras_serializable(package="lossweights")
class CombinedLoss(PerSampleLoss):
    """The weighted sum of terms, ``sum of w_i * L_i(y_true, y_pred)``, as one Keras loss.

    The weights are Keras variables: `set_weights` acts from the next training step on, with no
    new trace and no new ``compile``. (Not so on the JAX backend, whose compiled functions keep the
    weights that they were compiled with: compile the model again there.)

    A weight of 0 switches a term off: it adds nothing to the loss and its gradient, even where the
    term itself is infinite or undefined.

    With ``scales`` the weights have no units: a term of weight 1 counts as much as one of its
    reference magnitudes, and what multiplies the term is ``weight / scale``.

    Args:
        terms: Each term by its name: a Keras loss (name, class, instance or function), a function
            or lambda of ``y_true`` and ``y_pred``, or a term of `lossweights.terms`.
        weights: Weight of each term, 0 or above, not all 0. ``None`` weighs all by 1.
        scales: Reference magnitude of each term, by name; or ``"data"``, to be found by `adapt`
            before training; or ``None`` for weights in the units of the terms.
        name, reduction, dtype: As for every Keras loss. The computation is never below float32.

    Attributes:
        multipliers: The `effective_weights` as training reads them: a variable, ``(terms,)``.

    Shapes: ``y_true`` and ``y_pred`` as the terms take them. ``call`` gives ``(batch,)``; calling
    the loss gives what the reduction leaves of it, a scalar.

    Raises:
        TermError: A term is not one, is itself a sum, or gives something else than one value per
            sample; or only some of the terms name the output that they read.
        WeightError: The weights or scales do not match the terms, are negative, not finite, or so
            small that float32 takes them for 0.
        InvalidName: The name of a term is not a plain name.

    >>> import lossweights as lw
    >>> loss = lw.CombinedLoss(
    ...     terms={"mse": "mse", "under": lw.terms.Underestimation()},
    ...     weights={"mse": 1.0, "under": 0.5},
    ... )
    >>> float(loss([[10.0]], [[7.0]]))  # 1.0 * 9 + 0.5 * 6
    12.0
    >>> loss.set_weights({"mse": 1.0, "under": 2.0})
    >>> float(loss([[10.0]], [[7.0]]))
    21.0
    """

    default_name = "combined_loss"

    def __init__(
        self,
        terms: Mapping[str, Any],
        weights: Mapping[str, Any] | None = None,
        *,
        scales: str | Mapping[str, Any] | None = None,
        **host: Unpack[HostArguments],
    ) -> None:
        super().__init__(**host)
        self._terms = as_terms(terms)
        names = list(self._terms)
        precise = keras.backend.result_type(self.dtype, "float32")
        self.multipliers = keras.Variable(
            np.ones(len(names)), dtype=precise, trainable=False, name="weights"
        )
        self.gathering = Gathering()  # of what its parts by output are given
        self._in_compiled_code = False  # on a backend that compiles the weights in as constants
        self._awaits_data = scales == "data"
        self._weigh(
            check_weights(dict.fromkeys(names, 1.0) if weights is None else weights, names),
            None if scales in (None, "data") else check_scales(scales, names),
        )

    def __repr__(self) -> str:
        scales = {} if self._scales is None else {"scales": self._scales}
        return call("CombinedLoss", self._terms, self._weights, **scales)

    @property
    def terms(self) -> dict[str, Term]:
        """The terms by name."""
        return dict(self._terms)

    @property
    def weights(self) -> dict[str, float]:
        """The weights as they were set: without units if there are scales."""
        return dict(self._weights)

    @property
    def scales(self) -> dict[str, float] | None:
        """The reference magnitude of each term, or ``None`` without scales or before `adapt`."""
        return None if self._scales is None else dict(self._scales)

    @property
    def effective_weights(self) -> dict[str, float]:
        """What multiplies each term: its weight, divided by its scale if there is one.

        Raises:
            TermError: The loss still waits for `adapt`.
        """
        self._check_ready()
        return divided_weights(self._weights, self._scales)

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Weigh the terms anew, from the next training step on.

        Args:
            weights: A weight for every term, 0 or above, not all 0; without units if there are
                scales.

        Raises:
            WeightError: A weight is missing, unknown, negative, not finite or so small that float32
                takes it for 0, or all are 0. The weights stay as they were.
        """
        self._weigh(check_weights(weights, list(self._terms)), self._scales)
        if self._in_compiled_code:
            warnings.warn(
                "Models compiled before now keep the weights that this loss had, because the "
                f"{keras.backend.backend()} backend compiles them in. Call model.compile(...) "
                "again for the new weights to count.",
                stacklevel=2,
            )

    def adapt(
        self,
        y: Any,
        sample_weight: Any = None,
        output_shape: Any = None,
        *,
        keep_size: bool = False,
    ) -> None:
        """Find the scales of the terms from the training targets, for ``scales="data"``.

        Args:
            y: Targets of the training data, shape ``(n, ...)``; a dict for several outputs.
            sample_weight: Weights as given to ``fit``, or ``None``.
            output_shape: ``model.output_shape``, where predictions are not of the shape of the
                targets, such as classes; a dict for several outputs.
            keep_size: Whether the sum of all terms is put back to the size that it has without
                scales. Say so if the model adds losses by itself, such as regularisers: they are
                not divided by scales, and their balance with the terms would change with the units
                of ``y``.

        Raises:
            TermError: The loss was made without scales.
            WeightError: A term is 0, negative or not finite for its best constant prediction.

        >>> loss = CombinedLoss({"mse": "mse"}, scales="data")
        >>> loss.adapt([[1.0], [3.0], [5.0]])
        >>> round(loss.scales["mse"], 4), round(loss.effective_weights["mse"], 4)
        (2.6667, 0.375)
        """
        if self._scales is None and not self._awaits_data:
            raise TermError(
                "Expected a loss with scales. Found scales=None, under which weights are used as "
                "they are. Make it with CombinedLoss(..., scales='data')."
            )
        scales = reference_scales(
            self._terms, y, sample_weight=sample_weight, output_shape=output_shape
        )
        self._weigh(self._weights, of_mean_one(scales) if keep_size else scales)
        self._awaits_data = False

    def per_sample(self, y_true: Any, y_pred: Any, element_weight: Tensor | None = None) -> Tensor:
        """The weighted sum of the terms for each sample, shape ``(batch,)``."""
        return self.weighted_sum(self._terms, y_true, y_pred, element_weight)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss after Keras' reduction; dicts of arrays for terms that name their outputs."""
        given = y_true, y_pred, sample_weight
        if isinstance(y_pred, Mapping):
            return self._sum_of(terms_by_output(self._terms), *given)
        return super().__call__(*given)

    def terms_between(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Tensor:
        """The weighted sum of the terms between outputs, after Keras' reduction."""
        parts = [part for part in terms_by_output(self._terms) if part.output is None]
        return self._sum_of(parts, y_true, y_pred, sample_weight)

    def _sum_of(
        self, parts: Sequence[OutputTerms], y_true: Any, y_pred: Any, sample_weight: Any
    ) -> Tensor:
        """The weighted sum of the terms that read these dicts, each part reduced by itself."""
        reduced = []
        for part in parts:
            true, pred = part.read(y_true, "y_true"), part.read(y_pred, "y_pred")
            given = functools.partial(self.weighted_sum, part.terms), true, pred
            weight = part.weight_of(sample_weight)
            reduced.append(reduce_weighted(*given, weight, self.reduction, self.dtype))
        return functools.reduce(ops.add, reduced)

    def per_sample_terms(
        self, y_true: Any, y_pred: Any, element_weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The unweighted value of each term for each sample, each of shape ``(batch,)``.

        Pure: it reads no weight and keeps nothing, so that it can be compiled and vectorised.

        Raises:
            TermError: A term cannot read these shapes or gives no value per sample; with its name.
        """
        return {
            name: values_of(name, term, y_true, y_pred, element_weight)
            for name, term in self._terms.items()
        }

    def weighted_sum(
        self,
        terms: Mapping[str, Term],
        y_true: Any,
        y_pred: Any,
        element_weight: Tensor | None = None,
    ) -> Tensor:
        """The sum of some of the terms or all, each times its effective weight: ``(batch,)``.

        Args:
            terms: The terms by name, as they read these arrays.
            y_true: Targets, as the terms take them.
            y_pred: Predictions, alike.
            element_weight: Weight of each element, or ``None``.

        Raises:
            TermError: The loss still waits for `adapt`, or as in `per_sample_terms`.
        """
        self._check_ready()
        self._in_compiled_code |= is_compiled_by_jax(*keras.tree.flatten(y_pred))
        weights = ops.convert_to_tensor(self.multipliers)
        columns = zip(self._terms, *_each(weights), strict=True)
        parts = []
        for name, weight, off in columns:
            if name in terms:
                values = switched_values_of(off, name, terms[name], y_true, y_pred, element_weight)
                parts.append(ops.cast(weight, values.dtype) * values)
        return functools.reduce(ops.add, parts)

    def components(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Tensor]:
        """The unweighted mean of each term over the samples given, as scalars.

        Args:
            y_true: Targets, arrays or tensors; a dict of them for several outputs.
            y_pred: Predictions, alike.
            sample_weight: Weights as given to ``fit``; as there, the mean divides by the number of
                samples and not by the sum of the weights.

        >>> loss = CombinedLoss({"mse": "mse", "mae": "mae"}, {"mse": 1.0, "mae": 7.0})
        >>> means = loss.components([[1.0], [2.0]], [[1.0], [4.0]])
        >>> {name: float(mean) for name, mean in means.items()}
        {'mse': 2.0, 'mae': 1.0}
        """
        return self._means(y_true, y_pred, sample_weight, values_of)

    def weighted_mean(
        self, y_true: Any, y_pred: Any, sample_weight: Any, weights: Tensor
    ) -> Tensor:
        """The weighted sum of the means of the terms, under other weights than those of this loss.

        Args:
            y_true: Targets, arrays or tensors; a dict of them for several outputs.
            y_pred: Predictions, alike.
            sample_weight: Weights as given to ``fit``, or ``None``.
            weights: Effective weight of each term, in their order, shape ``(terms,)``.
        """
        each, off = _each(weights)
        is_off = dict(zip(self._terms, off, strict=True))

        def values(name: str, term: Term, *read: Any) -> Tensor:
            return switched_values_of(is_off[name], name, term, *read)

        means = self._means(y_true, y_pred, sample_weight, values).values()
        parts = [ops.cast(w, mean.dtype) * mean for w, mean in zip(each, means, strict=True)]
        return functools.reduce(ops.add, parts)

    def _means(
        self, y_true: Any, y_pred: Any, sample_weight: Any, values_of: Callable[..., Tensor]
    ) -> dict[str, Tensor]:
        means = {}
        for part in terms_by_output(self._terms):
            true, pred = part.read(y_true, "y_true"), part.read(y_pred, "y_pred")
            weight = part.weight_of(sample_weight)
            for name, term in part.terms.items():
                values = functools.partial(values_of, name, term)
                means[name] = reduce_weighted(
                    values, true, pred, weight, "sum_over_batch_size", self.dtype
                )
        return {name: means[name] for name in self._terms}

    def by_output(self, outputs: Sequence[str] | None = None) -> dict[str, OutputLoss | None]:
        """The loss of each output, for ``model.compile(loss=loss.by_output())``.

        All share the weights of this loss, and their sum is this loss.

        Args:
            outputs: All outputs of the model, ``model.output_names``, if some are read by no term,
                which then have the loss ``None``, or by functions that do not name what they read.

        Raises:
            TermError: The terms do not name outputs, or name one that is not among ``outputs``.
        """
        return losses_by_output(self, outputs)

    def _arguments(self) -> dict[str, Any]:
        scales = "data" if self._awaits_data else self.scales
        return {**super()._arguments(), "scales": scales}

    def _check_ready(self) -> None:
        if self._awaits_data:
            raise TermError(
                "Expected the scales of the terms to be known, as scales='data' asks for them. "
                "Found a loss that has seen no data. Call loss.adapt(y_train) before training."
            )

    def _weigh(self, weights: dict[str, float], scales: dict[str, float] | None) -> None:
        """Let these weights and scales count from now on; nothing changes if they cannot."""
        effective = divided_weights(weights, scales)
        self.multipliers.assign(np.array(list(effective.values())))
        self._weights, self._scales = weights, scales


def _each(weights: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Each of the weights, and whether it is 0, as scalars."""
    return ops.unstack(weights), ops.unstack(ops.equal(weights, 0))
