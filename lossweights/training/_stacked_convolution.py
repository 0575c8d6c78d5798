"""Convolutions as matrix products, which can be vectorised over members with filters of their own.

TensorFlow's convolutions take one set of filters. A convolution is also a matrix product: of the
patches under the filter, laid side by side, with the filters ("im2col", Chellapilla, Puri and
Simard 2006, High Performance Convolutional Neural Networks for Document Processing).
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from lossweights.foreign.keras_names import layers_of, set_call

Tensor = Any

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def convolutions(model: keras.Model) -> list[Any]:
    """The layers that `vectorize_convolutions` changes: plain convolutions, channels last."""
    return [
        layer
        for layer in layers_of(model, include_self=False)
        if type(layer) in _CONVOLUTIONS
        and layer.groups == 1
        and layer.data_format == "channels_last"
    ]


def vectorize_convolutions(model: keras.Model) -> None:
    """Let the plain convolutions of a model compute matrix products from now on.

    What the model computes stays the same, up to rounding.

    Args:
        model: A model that nobody else uses.
    """
    for layer in convolutions(model):
        set_call(layer, _MatrixConvolution(layer))


def patch_bytes(model: keras.Model, batch_size: int) -> float:
    """The size of the largest matrix of patches of a batch; infinite if it cannot be told.

    Args:
        model: A built model.
        batch_size: Rows of a batch.
    """
    sizes = [0.0]
    for layer in convolutions(model):
        try:
            places = math.prod(layer.output.shape[1:-1])
        except (AttributeError, TypeError):  # in a subclassed model, or of unknown length
            return math.inf
        taps = math.prod(layer.kernel.shape[:-1])  # times channels
        sizes.append(batch_size * places * taps * np.dtype(layer.kernel.dtype).itemsize)
    return max(sizes)


class _MatrixConvolution:
    """What a convolutional layer computes, as a matrix product.

    Args:
        layer: One of `convolutions`.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def __call__(self, inputs: Tensor) -> Tensor:
        layer = self._layer
        columns = self._patches(ops.pad(inputs, self._padding(inputs.shape[1:-1])))
        kernel = ops.reshape(layer.kernel, (-1, layer.filters))
        outputs = ops.matmul(columns, kernel)
        if layer.use_bias:
            outputs = outputs + ops.cast(layer.bias, outputs.dtype)
        return outputs if layer.activation is None else layer.activation(outputs)

    def _padding(self, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
        """What is added before and after each axis."""
        layer = self._layer
        spatial = []
        for size, kernel, stride, dilation in zip(
            sizes, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
        ):
            extent = dilation * (kernel - 1) + 1
            if layer.padding == "causal":
                spatial.append((extent - 1, 0))
            elif layer.padding == "same":
                missing = max((-(-size // stride) - 1) * stride + extent - size, 0)
                spatial.append((missing // 2, missing - missing // 2))
            else:
                spatial.append((0, 0))
        return [(0, 0), *spatial, (0, 0)]

    def _patches(self, padded: Tensor) -> Tensor:
        """The values under the filter at each of its places, ``(batch, ..., taps * channels)``."""
        layer = self._layer
        sizes = [
            (size - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, dilation in zip(
                padded.shape[1:-1],
                layer.kernel_size,
                layer.strides,
                layer.dilation_rate,
                strict=True,
            )
        ]
        taps = itertools.product(*(range(kernel) for kernel in layer.kernel_size))
        columns = []
        for tap in taps:
            cuts = [
                slice(t * dilation, t * dilation + (size - 1) * stride + 1, stride)
                for t, dilation, size, stride in zip(
                    tap, layer.dilation_rate, sizes, layer.strides, strict=True
                )
            ]
            columns.append(padded[(slice(None), *cuts)])
        return columns[0] if len(columns) == 1 else ops.concatenate(columns, axis=-1)
