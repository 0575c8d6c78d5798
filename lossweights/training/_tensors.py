"""Arrays as tensors, without a copy where that is safe."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from lossweights.data.shared import is_shared


def as_tensor(array: NDArray[Any]) -> tf.Tensor:
    """An array as a tensor.

    TensorFlow copies what it is given, since an array may change. One in shared memory, which is
    ours alone and begins where TensorFlow wants it, is read where it is; not where a GPU computes,
    which would get it anew in every call.
    """
    if is_shared(array) and array.dtype.kind in "fiu" and array.dtype.isnative and not _gpu():
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.convert_to_tensor(array)


def _gpu() -> bool:
    return bool(tf.config.get_visible_devices("GPU"))
