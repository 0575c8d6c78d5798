"""What is trained: a model, its data, the terms and metrics, and the training recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import tree
from numpy.typing import NDArray

from lossweights.early_stopping import EarlyStopping
from lossweights.errors import DataError, LossweightsError, ModelError, RecipeError
from lossweights.loss import CombinedLoss
from lossweights.metrics import Metric
from lossweights.probe import by_output
from lossweights.terms import Term

Arrays: TypeAlias = Any  # one array, or a dict, list or tuple of arrays of equal length


@dataclass(frozen=True)
class Split:
    """One part of the data: inputs, targets and, if any, a weight for each sample."""

    x: Arrays
    y: Arrays
    sample_weight: NDArray[Any] | None = None

    def __len__(self) -> int:
        return int(tree.flatten(self.y)[0].shape[0])

    def head(self, rows: int) -> Split:
        """The first rows, or all if there are fewer."""
        return self._at(np.arange(min(rows, len(self))))

    def spread(self, rows: int) -> Split:
        """At most so many rows, evenly spaced over the data, so that a time order is covered."""
        if rows >= len(self):
            return self
        at = np.linspace(0, len(self) - 1, rows).round().astype(np.int64)
        return self._at(at)

    def _at(self, rows: NDArray[np.int64]) -> Split:
        def take(array: NDArray[Any]) -> NDArray[Any]:
            return array[rows]

        weight = None if self.sample_weight is None else take(self.sample_weight)
        return Split(tree.map_structure(take, self.x), tree.map_structure(take, self.y), weight)


@dataclass(frozen=True)
class Data:
    """Training, validation and, if any, test data as arrays.

    Args:
        train: ``(x, y)`` or ``(x, y, sample_weight)``; ``x`` and ``y`` are arrays, or dicts, lists
            or tuples of arrays, all of one length.
        val: The same; objectives are measured on it.
        test: The same, kept for the end, or ``None``.

    Raises:
        DataError: A part is missing, empty, has arrays of differing lengths, of a type other than
            numbers, or with NaN or infinite values; or sample weights that are not one number for
            each row, negative, or all 0.

    >>> import numpy as np
    >>> x, y = np.zeros((10, 2)), np.zeros((10, 1))
    >>> data = Data(train=(x[:8], y[:8]), val=(x[8:], y[8:]))
    >>> len(data.train)
    8
    """

    train: Any
    val: Any
    test: Any = None

    def __post_init__(self) -> None:
        for name in ("train", "val", "test"):
            part = getattr(self, name)
            if part is not None or name != "test":
                object.__setattr__(self, name, _checked_split(name, part))

    def fingerprint(self) -> str:
        """A hash of all values, shapes and types: equal data, equal fingerprint."""
        digest = hashlib.sha256()
        for name in ("train", "val", "test"):
            split = getattr(self, name)
            parts = [] if split is None else [split.x, split.y, split.sample_weight]
            for path, array in tree.flatten_with_path(parts):
                if array is not None:
                    digest.update(f"{name}{path}{array.dtype.str}{array.shape}".encode())
                    digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def _checked_split(name: str, part: Any) -> Split:
    if isinstance(part, Split):
        return part
    if not isinstance(part, tuple) or len(part) not in (2, 3):
        raise DataError(
            f"Expected {name}=(x, y) or (x, y, sample_weight). Found {type(part).__name__}"
            f"{f' of length {len(part)}' if isinstance(part, tuple | list) else ''}. "
            f"Return lw.Data(train=(x, y), val=(x, y)) from load_data."
        )
    part = part[:2] if part[-1] is None else part
    arrays = tree.map_structure(np.asarray, tuple(part))
    for path, array in tree.flatten_with_path(arrays):
        _check_array(f"{name}.{_spelled(path)}", array)
    lengths = {f"{name}.{_spelled(p)}": len(a) for p, a in tree.flatten_with_path(arrays)}
    if len(set(lengths.values())) != 1:
        raise DataError(
            f"Expected arrays of one length in {name}. Found {lengths}. "
            f"Align x, y and sample_weight row by row."
        )
    if next(iter(lengths.values())) == 0:
        raise DataError(f"Expected at least one row in {name}. Found none. Check the split.")
    if len(arrays) == 3:
        arrays = (*arrays[:2], _checked_sample_weight(name, arrays[2]))
    return Split(*(_narrow(value) for value in arrays))


def _checked_sample_weight(name: str, weight: Any) -> NDArray[Any]:
    if isinstance(weight, np.ndarray) and weight.shape[1:] in ((), (1,)):
        flat = weight.reshape(-1)
        if flat.min() >= 0 and flat.max() > 0:
            return flat
        found = f"weights from {flat.min()} to {flat.max()}"
    else:
        found = f"shapes {tree.map_structure(lambda a: a.shape, weight)}"
    raise DataError(
        f"Expected {name}.sample_weight as one number for each row, none negative and not all 0. "
        f"Found {found}. Weigh whole samples; leave it out to weigh them all alike."
    )


def _check_array(where: str, array: NDArray[Any]) -> None:
    if array.ndim == 0 or array.dtype.kind not in "fiub":
        raise DataError(
            f"Expected an array of numbers with a batch axis as {where}. Found shape "
            f"{array.shape}, type {array.dtype}. Encode categories as numbers first."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        raise DataError(
            f"Expected finite numbers in {where}. Found {len(bad)} NaN or infinite values, the "
            f"first at index {tuple(int(i) for i in bad[0])}. Drop or fill them in load_data."
        )


def _narrow(value: Any) -> Any:
    """Float64 as Keras' float type, once, instead of in every batch of every trial."""
    floatx = keras.config.floatx()
    return tree.map_structure(lambda a: a.astype(floatx) if a.dtype == np.float64 else a, value)


def _spelled(path: tuple[Any, ...]) -> str:
    names = ("x", "y", "sample_weight")
    return ".".join([names[path[0]], *(str(key) for key in path[1:])])


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Everything that stays the same from trial to trial; only weights and seed change.

    Attributes:
        build_model: Gives a new, uncompiled Keras model.
        terms: Terms of the loss by name.
        metrics: Weight-independent metrics by name, measured on validation data.
        optimizer: Name or instance of a Keras optimizer; each trial gets a fresh copy.
        epochs: Passes over the training data.
        batch_size: Rows a step.
        probe_size: Most rows of the training data on which magnitudes are measured.
        early_stopping: When a training ends before its last epoch, or ``None`` for never.

    Raises:
        RecipeError: Early stopping watches what is no metric, or in the wrong direction.
    """

    build_model: Callable[[], keras.Model]
    terms: Mapping[str, Term]
    metrics: Mapping[str, Metric]
    optimizer: str | keras.optimizers.Optimizer = "adam"
    epochs: int = 20
    batch_size: int = 64
    probe_size: int = 1024
    early_stopping: EarlyStopping | None = None

    def __post_init__(self) -> None:
        if self.early_stopping is None:
            return
        if not isinstance(self.early_stopping, EarlyStopping):
            raise RecipeError(
                f"Expected early_stopping as lw.EarlyStopping(metric, ...). Found "
                f"{self.early_stopping!r}. Keras' callback would watch a loss, which changes with "
                f"the weights."
            )
        name, direction = self.early_stopping.metric, self.early_stopping.direction
        if name not in self.metrics:
            raise RecipeError(
                f"Expected early stopping on one of the metrics {list(self.metrics)}. Found "
                f"{name!r}. A loss cannot be watched: it changes with the weights."
            )
        if self.metrics[name].direction not in (None, direction):
            raise RecipeError(
                f"Expected early stopping to {self.metrics[name].direction} {name!r}. Found "
                f"{direction!r}."
            )

    def make_model(self, seed: int, x: Arrays = None) -> keras.Model:
        """A new model, initialised from the seed.

        Args:
            seed: Seed of the initialisation, and of the random states of layers such as Dropout.
            x: A few inputs, from which a model that does not know their shape yet is built.

        Raises:
            ModelError: `build_model` gave something else, or a model without parameters.
        """
        keras.utils.set_random_seed(seed)
        model = self.build_model()
        if not isinstance(model, keras.Model):
            raise ModelError(
                f"Expected build_model() to return a keras.Model. Found {type(model).__name__}. "
                f"Return the model, uncompiled."
            )
        if not model.built and x is not None:
            model(x)
        return model

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """A fresh optimizer with the configuration of the problem's.

        Raises:
            RecipeError: Keras knows no such optimizer.
        """
        try:
            optimizer = keras.optimizers.get(self.optimizer)
        except (TypeError, ValueError) as error:
            raise RecipeError(
                f"Expected an optimizer of Keras, or its name. Found {self.optimizer!r}. In "
                f"detail: {error}"
            ) from None
        return type(optimizer).from_config(optimizer.get_config())

    def make_loss(self) -> CombinedLoss:
        """A combined loss of the terms, with all weights 1 until a trial sets them."""
        return CombinedLoss(terms=dict(self.terms))

    def steps_per_epoch(self, rows: int) -> int:
        """Optimizer steps in a pass over so many rows; the last batch may be smaller."""
        return -(-rows // self.batch_size)


def rehearse(problem: Problem, data: Data, seed: int) -> Any:
    """Run model, terms and metrics on two rows of each split, so that mistakes show at once.

    Returns:
        The shape of the model's output, ``(None, ...)``, or a dict of them for several outputs.

    Raises:
        ModelError: The model cannot be built or called, or its output does not fit the targets.
        TermError: A term does not give one finite value per sample.
        MetricError: A metric cannot be computed on the validation data.
    """
    model = problem.make_model(seed)
    shape: Any = None
    for name in ("train", "val", "test"):
        split: Split | None = getattr(data, name)
        if split is not None:
            y_pred = _rehearse_split(problem, model, name, split)
            shape = tree.map_structure(lambda t: (None, *t.shape[1:]), y_pred)
    if not model.trainable_variables:
        raise ModelError(
            "Expected a model with trainable parameters. Found none. Check build_model()."
        )
    return shape


def _rehearse_split(problem: Problem, model: keras.Model, name: str, split: Split) -> Any:
    rows = split.head(2)
    try:
        y_pred = model(rows.x, training=False)
    except Exception as error:
        shapes = tree.map_structure(lambda a: a.shape, split.x)
        raise ModelError(
            f"Expected a model that takes the inputs of {name}, of shape {shapes}. Found: {error} "
            f"Adjust build_model() or load_data()."
        ) from error
    loss = problem.make_loss()
    y_pred = by_output(model, loss, y_pred)
    try:
        values = loss.per_sample_terms(by_output(model, loss, rows.y), y_pred)
    except Exception as error:
        targets = tree.map_structure(lambda a: tuple(a.shape[1:]), split.y)
        outputs = tree.map_structure(lambda a: tuple(a.shape[1:]), y_pred)
        raise ModelError(
            f"Expected a model output that fits the targets of {name}. Found targets of shape "
            f"{targets} and outputs of shape {outputs} per sample. Change the last layer of "
            f"build_model() or the targets of load_data(). In detail: {error}"
        ) from error
    for term, value in values.items():
        array = keras.ops.convert_to_numpy(value)
        if not np.isfinite(array).all():
            raise ModelError(
                f"Expected finite values of the term {term!r} on the untrained model. Found "
                f"{array.tolist()} on two rows of {name}. Check the scale of data and model, and "
                f"the domain of the term."
            )
    # On all targets, since a metric may have no meaning on two of them: no demand, an empty mask.
    guesses = tree.map_structure(
        lambda p: np.resize(keras.ops.convert_to_numpy(p), (len(split), *p.shape[1:])), y_pred
    )
    y, weight = (by_output(model, loss, part) for part in (split.y, split.sample_weight))
    for metric, function in problem.metrics.items():
        try:
            function.evaluate(y, guesses, weight)
        except LossweightsError as error:
            raise type(error)(f"Metric {metric!r} on {name}: {error}") from error
    return y_pred
