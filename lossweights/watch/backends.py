"""What needs the TensorFlow backend, refused on the others with what works there."""

from __future__ import annotations

import keras

from lossweights.base.errors import LossweightsError, ModelError

WHAT_WORKS = (
    "Losses, metrics, lw.TermMonitor(gradients=None) and weight sets work on every backend: the "
    "table in docs/coming_from.md"
)


def require_tensorflow(
    why: str = "which gradients of single terms are measured with",
    otherwise: str = "Pass gradients=None: magnitudes and verdict need no gradients.",
) -> None:
    """Refuse other backends.

    Args:
        why: What the backend is needed for, as an end of "Expected the TensorFlow backend, ".
        otherwise: What to do without it, in whole sentences.

    Raises:
        LossweightsError: The Keras backend is not TensorFlow.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise LossweightsError(
            f"Expected the TensorFlow backend, {why}. Found {backend!r}. {otherwise}"
        )


def require_tensorflow_to_train() -> None:
    """Refuse other backends, where a trainer of ours is to train.

    Raises:
        LossweightsError: The Keras backend is not TensorFlow.
    """
    require_tensorflow(
        "which the trainers of sweeps are written for",
        f"Set the environment variable KERAS_BACKEND=tensorflow for the sweep. {WHAT_WORKS}.",
    )


def refuse_compiled_weights(model: keras.Model) -> None:
    """Refuse a model in whose training the weights of its loss cannot change.

    Raises:
        ModelError: JAX compiles the weights in as they are when the first step is compiled.
    """
    if keras.backend.backend() == "jax" and not model.run_eagerly:
        raise ModelError(
            "Expected a model that runs eagerly, as weights change while it trains, and code that "
            "JAX has compiled keeps those it began with. Found one that is compiled. Write "
            "model.compile(..., run_eagerly=True), or train on another backend."
        )
