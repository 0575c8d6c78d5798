"""The layer that gives a name to a loss which a model adds itself, and where its term finds it.

Keras hands a loss the targets and the predictions, and what a layer adds goes past it. So the layer
leaves its values here, by its name and thread, and the term of that name takes them: out of the
model's own losses, so that nothing counts twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from lossweights.base.errors import TermError
from lossweights.base.names import check_name
from lossweights.foreign.keras_names import clear_losses, is_symbolic
from lossweights.terms._tensors import Tensor, as_float, mean_per_sample


@dataclass(frozen=True)
class _Waiting:
    """Values that a layer has added to its model's losses, and that no term has taken yet."""

    layer: AddedLoss
    values: Tensor


class _Here(threading.local):
    """What this thread's models have added: replicas of a training are traced by a thread each."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[_Waiting]] = {}
        self.gathered: list[tuple[frozenset[str], dict[str, Tensor]]] = []


_here = _Here()


@keras.saving.register_keras_serializable(package="lossweights")
class AddedLoss(keras.layers.Layer):
    """A loss that the model adds itself, under a name: ``x = AddedLoss("kl")(x, values)``.

    It hands on its first input as it is, and adds the mean of the values to the losses of the
    model, as ``self.add_loss(ops.mean(values))`` would, with weight 1. If the model is trained on a
    loss with the term `added` of that name, it is that term instead, with the term's weight.

    A saved model keeps it; load it where ``lossweights`` is imported.

    Args:
        loss: The name, as terms have them. A model has each name once, and calls it once.
        name, trainable, dtype: As for every Keras layer.

    Shapes: the first input anything, the values ``(batch, ...)``. The value of a sample is the mean
    over all axes but the first: what is to be summed, such as the KL of each latent number, sum.

    Raises:
        InvalidName: The name is not a plain one.
        TermError: When it is called: the values are one number for the whole batch, or it is called
            twice.

    >>> z, kl = ops.ones((2, 3)), ops.convert_to_tensor([1.0, 3.0])
    >>> layer = AddedLoss("kl")
    >>> tuple(layer(z, kl).shape), [float(loss) for loss in layer.losses]
    ((2, 3), [2.0])
    """

    def __init__(self, loss: str, **layer: Any) -> None:
        super().__init__(autocast=False, **layer)  # half precision is too coarse for means
        self.loss = check_name(loss, "added loss")
        self.supports_masking = True

    def call(self, inputs: Any, values: Tensor) -> Any:
        """The inputs; the values are added to the model's losses, or gathered for a term."""
        _refuse_number(self.loss, values)
        by_sample = mean_per_sample(as_float(values))
        gathered = _gathered(self.loss)
        if self.losses:
            raise TermError(
                f"Expected each loss that a model adds to be added once. Found {self.loss!r} "
                f"again in the same call of the model. Give each place an AddedLoss of its own "
                f"name, or add the values up first."
            )
        if gathered is not None:
            gathered[self.loss] = by_sample
            return inputs
        self.add_loss(ops.mean(by_sample))
        if not is_symbolic():
            _leave(self, by_sample)
        return inputs

    def compute_output_spec(self, inputs: Any, values: Any) -> Any:
        """The inputs' shapes and types."""
        _refuse_number(self.loss, values)
        return keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), inputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "loss": self.loss}


@contextmanager
def gathering(values: Mapping[str, Tensor], names: frozenset[str]) -> Iterator[dict[str, Tensor]]:
    """Let layers of these names leave their values in a dict, where terms read them meanwhile."""
    gathered = dict(values)
    _here.gathered.append((names, gathered))
    try:
        yield gathered
    finally:
        _here.gathered.pop()


def values_added(name: str, y_pred: Tensor) -> Tensor:
    """What the model that gave these predictions added under a name, shape ``(batch,)``.

    Raises:
        TermError: It added nothing, or nobody has called it just before; or Keras has counted it
            already.
    """
    gathered = _gathered(name)
    if gathered is not None:
        if name in gathered:
            return gathered[name]
        raise _nothing(name)
    if is_symbolic():  # Keras asks what shape the loss has
        return ops.zeros(ops.shape(y_pred)[:1], "float32")
    if keras.backend.backend() == "jax":
        raise TermError(
            f"Expected a backend whose training lets a loss take what the model adds, as the term "
            f"{name!r} does. Found JAX, where Keras counts it before. Train on TensorFlow, or make "
            f"the values an output of the model, with a term on that output."
        )
    waiting = [w for w in _here.waiting.pop(name, []) if _graph(w.values) is _graph(y_pred)]
    if not waiting:
        raise _nothing(name)
    if len(waiting) > 1:
        raise several(name, len(waiting))
    clear_losses(waiting[0].layer)
    return waiting[0].values


def several(name: str, count: int) -> TermError:
    """What to say of a model that adds more than one loss under a name."""
    return TermError(
        f"Expected one loss that the model adds under the name {name!r}. Found {count} AddedLoss "
        f"layers of that name. Give each its own, and a term to each."
    )


def _nothing(name: str) -> TermError:
    return TermError(
        f"Expected a model that adds the loss {name!r}, called just before its loss is computed. "
        f"Found nothing under that name. Write x = lw.terms.AddedLoss({name!r})(x, values) in the "
        f"model, and compute the loss right after each call."
    )


def _leave(layer: AddedLoss, values: Tensor) -> None:
    """Leave values for a term: beside those of other layers of the same graph alone."""
    graph = _graph(values)
    others = [
        waiting
        for waiting in _here.waiting.get(layer.loss, [])
        if graph is not None and _graph(waiting.values) is graph and waiting.layer is not layer
    ]
    _here.waiting[layer.loss] = [*others, _Waiting(layer, values)]


def _gathered(name: str) -> dict[str, Tensor] | None:
    """Where values of that name are gathered now, if anywhere."""
    found = (values for names, values in reversed(_here.gathered) if name in names)
    return next(found, None)


def _graph(tensor: Tensor) -> Any:
    """The graph of TensorFlow that a tensor is a part of; ``None`` for tensors with values."""
    return getattr(tensor, "graph", None)


def _refuse_number(name: str, values: Any) -> None:
    if len(values.shape) == 0:
        raise TermError(
            f"Expected the values of the added loss {name!r} by sample, of shape (batch, ...). "
            f"Found one number for the whole batch. Leave out the mean over the batch."
        )
