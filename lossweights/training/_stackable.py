"""What can be stacked: the forms of graph to try for a model, and why some models have none."""

from __future__ import annotations

import keras

from lossweights.base.errors import ModelError
from lossweights.foreign.keras_names import is_random_state, layers_of
from lossweights.foreign.known import missing
from lossweights.training._callbacks import NEED_FIT
from lossweights.training._stacked_gradients import Form
from lossweights.training._stacked_optimizers import unsupported
from lossweights.training.problem import Problem

# What a model class may override to train in a way of its own.
_TRAINING = ("fit", "train_step", "make_train_function", "compute_loss")
_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
# What TensorFlow has kernels of its own for, which a stack has to do without.
_OWN_KERNELS = (*_CONVOLUTIONS, keras.layers.RNN)
_PRECISE = ("float32", "float64")


class NotStackable(ModelError):
    """A model that would not be trained in a stack as `model.fit` trains it.

    Attributes:
        reason: Why, as the end of a sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Expected a model that can be stacked. Found that {reason}. Train with "
            f"trainer='fit', or leave the choice to trainer='auto'."
        )
        self.reason = reason


def why_not_stackable(problem: Problem, model: keras.Model) -> str | None:
    """Why only `model.fit` can train a model, as far as it can be told by looking.

    Args:
        problem: What is to be trained.
        model: A built model of it.

    Returns:
        The reason, or ``None``.
    """
    for moved in missing(in_stacks=True):
        return str(moved)
    if problem.callbacks is not None:
        return NEED_FIT
    if problem.models:
        return "its models differ from trial to trial, by hyper="
    for name in _TRAINING:
        if getattr(type(model), name) is not getattr(keras.Model, name):
            return f"the model has a {name} of its own"
    imprecise = {
        str(layer.compute_dtype)
        for layer in layers_of(model)
        if layer.compute_dtype not in _PRECISE
    }
    if imprecise:
        return f"the model computes in {', '.join(sorted(imprecise))}"
    return unsupported(problem.make_optimizer())


def forms(model: keras.Model, size: int) -> list[Form]:
    """The forms of graph that may train a model, the fastest first.

    Args:
        model: A built model.
        size: Members of a stack.
    """
    layers = layers_of(model)
    if size == 1 and any(isinstance(layer, _OWN_KERNELS) for layer in layers):
        # TensorFlow's own kernels are faster than XLA's, but not what follows them.
        return [Form("member", xla=False, xla_after=True), Form("member", xla=False)]
    if any(isinstance(layer, keras.layers.RNN) for layer in layers):
        # Once they are vectorised, loops over time are differentiated as a whole, and not by XLA.
        return [Form("stack", xla=False)]
    plain = [Form("member", xla=False), Form("stack", xla=False)]
    # XLA has a random generator of its own: dropout would differ from that of `model.fit`.
    random = any(map(is_random_state, model.non_trainable_variables))
    return plain if random else [Form("member", xla=True), *plain]
