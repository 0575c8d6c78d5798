"""XLA for what follows a model's outputs, where TensorFlow's own kernels serve the model better.

Terms and metrics of images are many small operations on large arrays with a short last axis, which
take longer one by one than the convolutions before them; XLA makes one loop of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree

from lossweights.foreign.keras_names import logits_of, set_logits
from lossweights.training._purity import operations

Tensor = Any


def compiled_after(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a model's outputs, first, and other tensors, compiled by XLA; in a graph.

    The logits that Keras remembers of a softmax or a sigmoid go along: its cross-entropies are
    computed from them.

    Args:
        function: Takes and gives nested tensors. One that draws random numbers is not compiled.
    """

    def call(outputs: Any, *others: Any) -> Any:
        logits = [logits_of(output) for output in tree.flatten(outputs)]
        if any(map(_is_read_back, tree.flatten(outputs), logits)):
            return function(outputs, *others)
        known = [each for each in logits if each is not None]

        def inside(outputs: Any, known: list[Tensor], *others: Any) -> Any:
            each = iter(known)
            for output, logit in zip(tree.flatten(outputs), logits, strict=True):
                if logit is not None:
                    set_logits(output, next(each))
            return function(outputs, *others)

        compiled = tf.function(inside, autograph=False, jit_compile=True)
        kinds = operations(compiled.get_concrete_function(outputs, known, *others).graph)
        if any("Random" in kind for kind in kinds):  # XLA draws them in another way than Keras
            return function(outputs, *others)
        return compiled(outputs, known, *others)

    return call


def _is_read_back(output: Tensor, logits: Tensor | None) -> bool:
    """Whether Keras would look for the logits of an output at the operation that it comes from."""
    return logits is None and output.op.type in ("Softmax", "Sigmoid")
