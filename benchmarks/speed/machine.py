"""What the machine could do: its rate at batched matrix products, and what training needs of it."""

import json
import math
import sys
import time

import keras
import tensorflow as tf
from problems import problem

MEMBERS, ROWS, INPUTS, OUTPUTS = 64, 64, 192, 64  # the first layer of a stack of bike demand
PRODUCTS, TRIES = 100, 7


def main() -> None:
    """Print both as JSON: GFLOP/s, and GFLOP of a trial."""
    print(json.dumps({"gflops": matmul_rate(), "gflop_a_trial": gflop_a_trial(sys.argv[1])}))


def matmul_rate() -> float:
    """GFLOP/s of products ``[K, 64, 192] x [K, 192, 64]``, the best of a few tries."""
    x = tf.random.normal((MEMBERS, ROWS, INPUTS))
    kernel = tf.random.normal((MEMBERS, INPUTS, OUTPUTS))

    @tf.function(autograph=False)
    def products():
        def once(index, total):
            product = tf.linalg.matmul(x, kernel + tf.cast(index, kernel.dtype) * 0.0)
            return index + 1, total + product[0, 0, 0]

        return tf.while_loop(
            lambda index, _: index < PRODUCTS, once, (0, 0.0), parallel_iterations=1
        )[1]

    float(products())
    seconds = []
    for _ in range(TRIES):
        started = time.perf_counter()
        float(products())
        seconds.append(time.perf_counter() - started)
    return 2e-9 * MEMBERS * ROWS * INPUTS * OUTPUTS * PRODUCTS / min(seconds)


def gflop_a_trial(name: str) -> float | None:
    """The products of training alone: forward, and the gradients of kernels and of inputs.

    The inputs of the first layer need no gradient. Measuring, optimizer and activations are not
    counted, though they are what a sweep does too. Of nets with other layers than dense ones and
    convolutions it is not known.
    """
    recipe = problem(name)
    rows = len(recipe.load_data().train)
    layers = [layer for layer in recipe.build_model().layers if layer.weights]
    if not all(isinstance(each, (keras.layers.Dense, keras.layers.Conv2D)) for each in layers):
        return None
    products = sum(multiplications(layer) * (2 if layer is layers[0] else 3) for layer in layers)
    return 2e-9 * products * rows * recipe.epochs


def multiplications(layer: keras.layers.Layer) -> int:
    """Multiplications of one forward pass of a row through a dense layer or a convolution."""
    places = math.prod(layer.output.shape[1:-1])
    return places * math.prod(layer.kernel.shape)


if __name__ == "__main__":
    main()
