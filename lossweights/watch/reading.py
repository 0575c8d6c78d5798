"""What a compiled model is trained on: where a combined loss reads, and what is added to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import keras
from keras import ops, tree

from lossweights.base.errors import ModelError
from lossweights.foreign.keras_names import compiled_loss_weights
from lossweights.loss.combined import CombinedLoss
from lossweights.loss.output_loss import OutputLoss
from lossweights.terms.model_losses import gathered, losses_read
from lossweights.terms.summands import outputs_read, terms_by_output
from lossweights.watch.inference import symbolic_outputs

Key: TypeAlias = "str | int | None"  # of an output: its name, its place, or that it is the only one
Leaf: TypeAlias = "tuple[Any, Any]"  # a loss, and what ``compile`` multiplies it by


class Reading:
    """Where the terms of a combined loss read, and what else ``compile`` adds to the sum.

    Args:
        model: The model, built; compiled or not.
        loss: The combined loss. In a compiled model it may be the loss of one output of several.

    Attributes:
        others: The losses of other outputs by the names that Keras logs them under.
    """

    def __init__(self, model: keras.Model, loss: CombinedLoss) -> None:
        self._model, self._loss = model, loss
        self._names = list(getattr(model, "output_names", None) or [])
        self._key: Key = None
        self._leaves = compiled_losses(model)
        self.others: dict[str, Callable[..., Any]] = {}
        self._other_leaves: dict[str, tuple[Key, Any]] = {}
        self._found = False
        for key, (leaf, weight) in self._leaves.items():
            if leaf is loss and not self._found:
                self._key, self._found = key, True
            elif isinstance(leaf, OutputLoss) and leaf.loss is loss:
                self._found = True
            elif leaf is not None:
                self._other_leaves[self._free_name(key)] = (key, weight)
        if not self._found:
            self._other_leaves.clear()
        for name, (key, _) in self._other_leaves.items():
            self.others[name] = as_loss(self._leaves[key][0])

    def refuse_other_weights(self) -> None:
        """Refuse a model that is compiled with another combined loss alone.

        Raises:
            ModelError: It is; that loss may have other weights. Or ``loss_weights`` weigh what
                terms between outputs are a part of.
        """
        if self._found:
            self._refuse_weights_between()
            return
        leaves = [leaf for leaf, _ in self._leaves.values()]
        parts = [leaf.loss if isinstance(leaf, OutputLoss) else leaf for leaf in leaves]
        if any(isinstance(part, CombinedLoss) for part in parts):
            raise ModelError(
                "Expected a model compiled with the loss that is watched. Found one compiled with "
                "another CombinedLoss, whose weights may differ. Pass model.loss to TermMonitor."
            )

    def _refuse_weights_between(self) -> None:
        """Refuse factors of outputs where a term between them has no factor of its own."""
        between = [p for p in terms_by_output(self._loss.terms) if p.output is None]
        parts = [(leaf, weight) for leaf, weight in self._leaves.values()]
        if any(isinstance(leaf, OutputLoss) and weight is not None for leaf, weight in parts):
            names = [name for part in between for name in part.terms]
            if names:
                raise ModelError(
                    f"Expected no loss_weights beside terms between outputs, which belong to none "
                    f"of them. Found both: {names}. Weigh the terms of the loss instead."
                )

    def refuse_sums(self, *, beside: bool) -> None:
        """Refuse reductions that are no means, where more than one loss is added up.

        The size of a sum depends on how many samples a batch has, and that of a mean by sample
        weights on what those are: they could not be weighed against what is measured elsewhere.

        Args:
            beside: Whether the model adds losses by itself.

        Raises:
            ModelError: The combined loss or another one is no mean over the samples.
        """
        if not (self.others or beside):
            return
        losses = {"the combined loss": self._loss, **self.others}
        for name, loss in losses.items():
            reduction = getattr(loss, "reduction", "sum_over_batch_size")
            if reduction not in ("sum_over_batch_size", "mean"):
                raise ModelError(
                    f"Expected losses that are means over the samples, as there are several to "
                    f"weigh against each other: those of other outputs, or of the model itself. "
                    f"Found reduction={reduction!r} in {name}. Leave reduction out."
                )

    def _free_name(self, key: Key) -> str:
        """The name of another output's loss, as Keras logs it."""
        name = f"{self._named(key)}_loss"
        while name in self._loss.terms:
            name += "_"
        return name

    def _named(self, key: Key) -> str:
        return self._names[key] if isinstance(key, int) and key < len(self._names) else str(key)

    def reads_like(self, other: Reading) -> bool:
        """Whether another one reads the same outputs, with the same losses beside."""
        return list(self._leaves) == list(other._leaves) and all(
            a is b
            for mine, theirs in zip(self._leaves.values(), other._leaves.values(), strict=True)
            for a, b in zip(mine, theirs, strict=True)
        )

    def of_terms(self, values: Any) -> Any:
        """Of targets, outputs, weights or shapes by output, what the terms read."""
        if self._key is not None:
            return self._pick(values, self._key)
        return values_by_output(self._model, self._loss, values)

    def output_shape(self, x: Any) -> Any:
        """The shape of what the terms read, ``(None, ...)``; a dict of them for several outputs.

        Args:
            x: Inputs, for a model that is a class of its own.
        """
        outputs = self.of_terms(symbolic_outputs(self._model, x))
        return tree.map_structure(lambda output: tuple(output.shape), outputs)

    def of_other(self, name: str, values: Any) -> Any:
        """Of targets, outputs or weights by output, what another loss reads."""
        return self._pick(values, self._other_leaves[name][0])

    @property
    def losses_taken(self) -> frozenset[str]:
        """The losses that the model adds itself and that are terms."""
        return losses_read(self._loss.terms.values())

    def gathering(self) -> AbstractContextManager[Any]:
        """Within it the model is called and its terms are computed, of what it adds as well."""
        return gathered(self.losses_taken)

    def components(self, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """The unweighted mean of each term and of each other loss, as scalars."""
        read = [self.of_terms(values) for values in (y, y_pred, sample_weight)]
        means = self._loss.components(*read)
        for name in self._other_leaves:
            picked = [self.of_other(name, values) for values in (y, y_pred, sample_weight)]
            means[name] = self.others[name](*picked)
        return means

    def weights(self) -> dict[str, float]:
        """What multiplies each term and each other loss now, ``loss_weights`` included."""
        factors = dict.fromkeys(self._loss.terms, 1.0)
        for key, (leaf, weight) in self._leaves.items():
            if leaf is self._loss and key == self._key:
                factors = dict.fromkeys(factors, number(weight))
            elif isinstance(leaf, OutputLoss) and leaf.loss is self._loss:
                factors.update(dict.fromkeys(leaf.terms, number(weight)))
        effective = self._loss.effective_weights
        others = {name: number(weight) for name, (_, weight) in self._other_leaves.items()}
        return {**{name: factors[name] * w for name, w in effective.items()}, **others}

    def _pick(self, values: Any, key: Key) -> Any:
        """What belongs to one output of targets, outputs or weights."""
        if key is None or values is None:
            return values
        if isinstance(values, Mapping):
            return values[self._named(key) if isinstance(key, int) else key]
        if isinstance(values, list | tuple):
            return values[key if isinstance(key, int) else self._names.index(key)]
        return values  # one for all: a weight, or the only output


def compiled_losses(model: keras.Model) -> dict[Key, Leaf]:
    """The losses that a model is compiled with, by output, each with its ``loss_weights``."""
    losses, weights = getattr(model, "loss", None), _loss_weights(model)
    if losses is None or not getattr(model, "compiled", False):
        return {}
    if weights is not None and tree.is_nested(losses):
        flat = tree.flatten(weights) if tree.is_nested(weights) else [weights]
        if not (isinstance(losses, Mapping) and isinstance(weights, Mapping)):
            weights = tree.pack_sequence_as(losses, flat)
    elif weights is not None and tree.is_nested(weights):
        weights = tree.flatten(weights)[0]
    if isinstance(losses, Mapping):
        return {k: (leaf, None if weights is None else weights[k]) for k, leaf in losses.items()}
    if isinstance(losses, list | tuple):
        names = list(getattr(model, "output_names", None) or [])
        keys: Sequence[Key] = names if len(names) == len(losses) else range(len(losses))
        if len(losses) == 1:
            keys = [None]
        factors = [None] * len(losses) if weights is None else weights
        return dict(zip(keys, zip(losses, factors, strict=True), strict=True))
    names = list(getattr(model, "output_names", None) or [])
    if len(names) > 1:  # Keras trains every output on it
        return dict.fromkeys(names, (losses, weights))
    return {None: (losses, weights)}


def _loss_weights(model: keras.Model) -> Any:
    return compiled_loss_weights(model)


def combined_loss_of(model: keras.Model) -> CombinedLoss:
    """The one combined loss that a model is compiled with.

    Raises:
        ModelError: There is none, or there are several.
    """
    leaves = [leaf for leaf, _ in compiled_losses(model).values()]
    parts = [leaf.loss if isinstance(leaf, OutputLoss) else leaf for leaf in leaves]
    found = {id(part): part for part in parts if isinstance(part, CombinedLoss)}
    if len(found) != 1:
        raise ModelError(
            f"Expected a model compiled with one CombinedLoss. Found {len(found)}. Compile it with "
            f"loss=lw.CombinedLoss(...), or pass the loss."
        )
    return next(iter(found.values()))


def as_loss(given: Any) -> Callable[..., Any]:
    """A loss as ``compile`` takes it, as a function of targets, outputs and weights."""
    loss = keras.losses.get(given)
    return loss if isinstance(loss, keras.losses.Loss) else _Function(loss)


class _Function(keras.losses.Loss):
    """A loss function under Keras' usual reduction."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(name=getattr(function, "__name__", "function"))
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._function(y_true, y_pred)


def number(weight: Any) -> float:
    """A weight of ``compile``, which may be a variable that moves; 1 where none was given."""
    return 1.0 if weight is None else float(ops.convert_to_numpy(weight))


def values_by_output(model: keras.Model, loss: CombinedLoss, values: Any) -> Any:
    """Targets, outputs or weights as the terms read them: a dict if they name their outputs.

    ``fit`` takes the targets of several outputs as a list too, and functional models give their
    outputs as one. One weight for all outputs stays what it is.
    """
    if isinstance(values, Mapping) or values is None:
        return values
    read = outputs_read(loss.terms)
    names = getattr(model, "output_names", None) or read  # a Sequential has no names
    if not read and len(names) < 2:
        return values
    listed = list(values) if isinstance(values, list | tuple) else [values]
    if len(names) > len(listed) == 1:
        return values
    return dict(zip(names, listed, strict=True))
