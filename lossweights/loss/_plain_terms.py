"""Every built-in term as a function of plain Keras: what `plain_code` prints, word for word.

Nothing here may use anything but Keras and what stands in this file. Tests hold each function to
the values of its term.
"""

from typing import Any

import keras
from keras import ops


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """The mean of e**2."""
    y_true, y_pred = _floats(y_true, y_pred)
    return _mean(ops.square(y_true - y_pred))


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """The mean of |e|."""
    y_true, y_pred = _floats(y_true, y_pred)
    return _mean(_absolute(y_true - y_pred))


def huber(y_true: Any, y_pred: Any, delta: Any = 1.0) -> Any:
    """Half the squared error up to delta, linear beyond."""
    y_true, y_pred = _floats(y_true, y_pred)
    size = _absolute(y_true - y_pred)
    near = ops.minimum(size, delta)
    return _mean(0.5 * near * near + delta * (size - near))


def underestimation(y_true: Any, y_pred: Any, factor: Any = 2.0, power: Any = 1) -> Any:
    """The mean of factor * relu(e)**power."""
    y_true, y_pred = _floats(y_true, y_pred)
    excess = ops.relu(y_true - y_pred)
    return _mean(factor * (excess if power == 1 else ops.square(excess)))


def overestimation(y_true: Any, y_pred: Any, factor: Any = 2.0, power: Any = 1) -> Any:
    """The mean of factor * relu(-e)**power."""
    return underestimation(-ops.convert_to_tensor(y_true), -y_pred, factor, power)


def pinball(y_true: Any, y_pred: Any, tau: Any) -> Any:
    """The mean of max(tau e, (tau - 1) e)."""
    return newsvendor(y_true, y_pred, tau, 1.0 - tau)


def newsvendor(y_true: Any, y_pred: Any, under_cost: Any, over_cost: Any) -> Any:
    """The mean of under_cost * relu(e) + over_cost * relu(-e)."""
    y_true, y_pred = _floats(y_true, y_pred)
    error = y_true - y_pred
    return _mean(under_cost * ops.relu(error) + over_cost * ops.relu(-error))


def expectile(y_true: Any, y_pred: Any, tau: Any) -> Any:
    """The mean of |tau - [e < 0]| * e**2."""
    y_true, y_pred = _floats(y_true, y_pred)
    error = y_true - y_pred
    return _mean(error * (tau * ops.relu(error) - (1.0 - tau) * ops.relu(-error)))


def linex(y_true: Any, y_pred: Any, alpha: Any) -> Any:
    """The mean of exp(t) - t - 1 of t = alpha e, along its tangent beyond t = 30."""
    y_true, y_pred = _floats(y_true, y_pred)
    t = alpha * (y_true - y_pred)
    near = ops.clip(t, -0.5, 0.5)
    series = 1.0
    for n in range(8, 2, -1):
        series = 1.0 + near / n * series
    series = 0.5 * near * near * series
    bounded = ops.minimum(t, 30.0)
    slope = ops.expm1(bounded)
    exact = slope - bounded + slope * (t - bounded)
    return _mean(ops.where(ops.abs(t) < 0.5, series, exact))


def boundary(y_true: Any, y_pred: Any, axes: Any, kernel: Any = "difference") -> Any:
    """The total variation of the error along the axes."""
    y_true, y_pred = _floats(y_true, y_pred)
    return _variation(y_true - y_pred, axes, kernel)


def total_variation(y_true: Any, y_pred: Any, axes: Any) -> Any:
    """The total variation of the prediction along the axes."""
    return _variation(_float(y_pred), axes, "difference")


def soft_boundary_dice(y_true: Any, y_pred: Any, axes: Any = (1, 2)) -> Any:
    """One minus the Dice overlap of the inner rings of two masks, the mean over channels."""
    y_true, y_pred = _floats(y_true, y_pred)
    axes = _axes(axes, y_true)
    true_ring, pred_ring = _ring(y_true, axes, 1), _ring(y_pred, axes, 1)
    common = ops.sum(true_ring * pred_ring, axis=axes)
    either = ops.sum(true_ring + pred_ring, axis=axes)
    return _mean(1.0 - _ratio(2.0 * common, either, 1.0))


def boundary_f1(
    y_true: Any, y_pred: Any, axes: Any = (1, 2), theta: Any = 5, theta0: Any = 3
) -> Any:
    """One minus the F1 score of the outlines of two masks, the mean over channels."""
    y_true, y_pred = _floats(y_true, y_pred)
    axes = _axes(axes, y_true)
    true_ring, pred_ring = _ring(y_true, axes, theta0 // 2), _ring(y_pred, axes, theta0 // 2)
    predicted, outlined = ops.sum(pred_ring, axis=axes), ops.sum(true_ring, axis=axes)
    near_true = ops.sum(pred_ring * _dilated(true_ring, axes, theta // 2), axis=axes)
    near_pred = ops.sum(true_ring * _dilated(pred_ring, axes, theta // 2), axis=axes)
    precision, recall = _ratio(near_true, predicted, 0.0), _ratio(near_pred, outlined, 0.0)
    f1 = _ratio(2.0 * precision * recall, precision + recall, 0.0)
    anything = predicted + outlined > keras.config.epsilon()
    return _mean(ops.where(anything, 1.0 - f1, 0.0))


def distance_boundary(y_true: Any, y_pred: Any, axes: Any = (1, 2)) -> Any:
    """The mean of |e| times the distance from the contour; y_true has the map behind its masks."""
    error, distance = _error_and_distance(y_true, y_pred)
    return _mean(_absolute(error) * distance)


def hausdorff_distance(y_true: Any, y_pred: Any, axes: Any = (1, 2), alpha: Any = 2.0) -> Any:
    """The mean of e**2 times a power of the distance from the contour."""
    error, distance = _error_and_distance(y_true, y_pred)
    return _mean(ops.square(error) * ops.power(distance, alpha))


def dice(y_true: Any, y_pred: Any) -> Any:
    """One minus the overlap of two masks."""
    y_true, y_pred = _floats(y_true, y_pred)
    return _missed(2.0 * _total(y_true * y_pred), _total(y_true + y_pred))


def tversky(y_true: Any, y_pred: Any, alpha: Any = 0.5, beta: Any = 0.5) -> Any:
    """Dice with the price alpha of a false positive and the price beta of a miss."""
    y_true, y_pred = _floats(y_true, y_pred)
    found = _total(y_true * y_pred)
    made_up = _total((1.0 - y_true) * y_pred)
    missed = _total(y_true * (1.0 - y_pred))
    return _missed(found, found + alpha * made_up + beta * missed)


def focal(
    y_true: Any, y_pred: Any, gamma: Any = 2.0, alpha: Any = None, from_logits: Any = False
) -> Any:
    """Binary cross-entropy that fades for what is already right."""
    y_true, y_pred = _floats(y_true, y_pred)
    entropy = ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits)
    p = ops.sigmoid(y_pred) if from_logits else y_pred
    wrong = y_true * (1.0 - p) + (1.0 - y_true) * p
    values = entropy * ops.power(ops.maximum(wrong, keras.config.epsilon()), gamma)
    if alpha is not None:
        values = values * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return _mean(values)


def of_keras(y_true: Any, y_pred: Any, loss: Any) -> Any:
    """A loss of Keras, the mean over all axes but the first."""
    y_true, y_pred = _floats(y_true, y_pred)
    if len(y_pred.shape) == 1:
        y_true, y_pred = ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1)
    return _mean(_float(loss.call(y_true, y_pred)))


def of_class_numbers(y_true: Any, y_pred: Any, loss: Any, ignored: Any = None) -> Any:
    """A loss of Keras whose targets are class numbers; the others stand for ignored elements."""
    y_true, y_pred = _float(y_true), _float(y_pred)
    if len(y_true.shape) == len(y_pred.shape):
        y_true = ops.squeeze(y_true, -1)
    values = _float(loss.call(y_true, y_pred))
    if ignored is not None:
        valid = ops.cast(ops.not_equal(y_true, ignored), values.dtype)
        values = values * ops.divide_no_nan(valid, ops.mean(valid))
    return _mean(values)


def of_sequences(y_true: Any, y_pred: Any, loss: Any) -> Any:
    """A loss of Keras whose targets are of another shape than its predictions."""
    return _mean(_float(loss.call(_float(y_true), _float(y_pred))))


def refuse_masks(y_pred: Any) -> None:
    """Refuse masks of elements, which Keras would multiply with values of samples."""
    for each in keras.tree.flatten(y_pred):
        mask = getattr(each, "_keras_mask", None)
        if mask is not None and len(mask.shape) > 1:
            raise ValueError("Expected no mask of Keras. Found one. Use weights.loss() instead.")


def plain_masks(y_true: Any, y_pred: Any) -> Any:
    """The masks in y_true without what stands behind them, such as distance maps."""
    channels = 1 if len(y_pred.shape) == len(y_true.shape) - 1 else y_pred.shape[-1]
    return y_true[..., :channels]


def of_classes(y_true: Any, y_pred: Any, ignore: Any = None, classes: Any = None) -> Any:
    """The masks of the classes that count, with the maps behind those of y_true if it has any."""
    count = y_pred.shape[-1]
    named = ignore if classes is None else classes
    named = [named] if isinstance(named, int) else list(named)
    kept = sorted(named) if ignore is None else [i for i in range(count) if i not in named]
    behind = [i + count for i in kept] if y_true.shape[-1] == 2 * count else []
    return ops.take(_float(y_true), kept + behind, axis=-1), ops.take(_float(y_pred), kept, axis=-1)


def _float(x: Any) -> Any:
    """X as float32, or as float64 where Keras is set so."""
    return ops.cast(x, "float64" if keras.config.floatx() == "float64" else "float32")


def _floats(y_true: Any, y_pred: Any) -> Any:
    """Targets and predictions as floats of one shape; a last axis of size 1 may be missing."""
    y_true, y_pred = _float(y_true), _float(y_pred)
    rank, other = len(y_true.shape), len(y_pred.shape)
    if rank == other + 1 and y_true.shape[-1] == 1:
        if other == 1:
            y_pred = ops.expand_dims(y_pred, -1)
        else:
            y_true = ops.squeeze(y_true, -1)
    elif other == rank + 1 and y_pred.shape[-1] == 1:
        if rank == 1:
            y_true = ops.expand_dims(y_true, -1)
        else:
            y_pred = ops.squeeze(y_pred, -1)
    sizes = list(zip(y_true.shape, y_pred.shape))  # noqa: B905
    if len(y_true.shape) != len(y_pred.shape) or any(
        m is not None and n is not None and m != n for m, n in sizes
    ):
        raise ValueError(f"Targets of shape {y_true.shape}, predictions of {y_pred.shape}.")
    return y_true, y_pred


def _absolute(x: Any) -> Any:
    """|x| with the slope 0 at 0 on every backend."""
    return x * ops.sign(x) if keras.config.backend() == "jax" else ops.abs(x)


def _mean(values: Any) -> Any:
    """The mean over all axes but the first."""
    if len(values.shape) == 1:
        return values
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))


def _total(values: Any) -> Any:
    """The sum over all axes but the first."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


def _missed(part: Any, whole: Any) -> Any:
    """1 - part / whole, and 0 where there is nothing to find and nothing was claimed."""
    epsilon = keras.config.epsilon()
    return ops.where(whole > epsilon, 1.0 - part / (whole + epsilon), 0.0)


def _ratio(part: Any, whole: Any, otherwise: Any) -> Any:
    """Part / whole, and otherwise where the whole is nothing."""
    there = whole > keras.config.epsilon()
    return ops.where(there, part / ops.where(there, whole, 1.0), otherwise)


def _axes(axes: Any, x: Any) -> Any:
    """Axes counted from the front."""
    return tuple(axis % len(x.shape) for axis in axes)


def _cut(x: Any, axis: Any, start: Any, stop: Any) -> Any:
    """x[start:stop] along one axis."""
    index = [slice(None)] * len(x.shape)
    index[axis] = slice(start, stop)
    return x[tuple(index)]


def _variation(x: Any, axes: Any, kernel: Any) -> Any:
    """The sum over the axes of the mean absolute gradient of each sample."""
    axes, total = _axes(axes, x), 0.0
    for axis in axes:
        if kernel == "sobel":
            smooth = x
            for other in axes:
                if other != axis:
                    smooth = (
                        0.25 * _cut(smooth, other, None, -2)
                        + 0.5 * _cut(smooth, other, 1, -1)
                        + 0.25 * _cut(smooth, other, 2, None)
                    )
            gradient = 0.5 * (_cut(smooth, axis, 2, None) - _cut(smooth, axis, None, -2))
        else:
            gradient = _cut(x, axis, 1, None) - _cut(x, axis, None, -1)
        total = total + _mean(_absolute(gradient))
    return total


def _dilated(x: Any, axes: Any, radius: Any) -> Any:
    """The largest value within the radius along each of the axes."""
    for axis in axes:
        for _ in range(radius):
            after = ops.concatenate([_cut(x, axis, 1, None), _cut(x, axis, -1, None)], axis=axis)
            before = ops.concatenate([_cut(x, axis, None, 1), _cut(x, axis, None, -1)], axis=axis)
            x = ops.maximum(ops.maximum(x, after), before)
    return x


def _ring(mask: Any, axes: Any, radius: Any) -> Any:
    """The part of each element that an erosion takes away."""
    return mask + _dilated(-mask, axes, radius)


def _error_and_distance(y_true: Any, y_pred: Any) -> Any:
    """The error of the masks, and the distance from their contours, which stands behind them."""
    y_true, y_pred = _float(y_true), _float(y_pred)
    if len(y_pred.shape) == len(y_true.shape) - 1:
        y_pred = ops.expand_dims(y_pred, -1)
    channels = y_pred.shape[-1]
    return y_pred - y_true[..., :channels], ops.abs(y_true[..., channels:])
