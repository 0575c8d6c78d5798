"""What is trained: a model, its terms and metrics, and the training recipe."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import tree

from lossweights.base.errors import LossweightsError, ModelError, RecipeError
from lossweights.base.sampled import HYPER, Choice, Sampled, Value
from lossweights.data import Arrays, Data, Split, Stream
from lossweights.foreign.keras_names import layers_of
from lossweights.loss.combined import CombinedLoss
from lossweights.metrics import Metric
from lossweights.search.distributions import Ramp
from lossweights.terms import Term
from lossweights.terms.model_losses import check_added, losses_read
from lossweights.training._callbacks import (
    MakeCallbacks,
    check_callbacks,
    check_function,
    made_callbacks,
)
from lossweights.training._element_weights import refuse_unread_weights
from lossweights.training._shared import refuse_shared
from lossweights.training.early_stopping import EarlyStopping
from lossweights.training.optimizer import fresh_optimizer
from lossweights.watch.inference import (
    OwnLosses,
    output_masks,
    outputs_of,
    own_training,
    refuse_carried_state,
)
from lossweights.watch.reading import values_by_output

_ROWS_AT_ONCE = 1024  # when a model is tried on all rows


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
        callbacks: Makes the Keras callbacks of one training, or ``None`` for none.
        hyper: The numbers of the optimizer that each member may have for itself, and their usual
            values.
        models: What `build_model` is given that members choose, if it takes an argument.
        hp: The values of these that it is given now; ``None`` for a function without an argument.
        ramps: How weights change over the epochs, by term; those of others stay. A method of
            adaptive weighting moves them in its own way instead.

    Raises:
        RecipeError: Early stopping watches what is no metric, or has no better end, or in the wrong
            direction; or the optimizer ends with moving averages of the parameters; or callbacks
            are given that no function makes.
    """

    build_model: Callable[..., keras.Model]
    terms: Mapping[str, Term]
    metrics: Mapping[str, Metric]
    optimizer: str | keras.optimizers.Optimizer = "adam"
    epochs: int = 20
    batch_size: int = 64
    probe_size: int = 1024
    early_stopping: EarlyStopping | None = None
    callbacks: MakeCallbacks | None = None
    hyper: Mapping[str, float] = field(default_factory=dict)
    ramps: Mapping[str, Ramp] = field(default_factory=dict)
    models: Mapping[str, Sampled] = field(default_factory=dict)
    hp: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_function(self.callbacks)
        if self.early_stopping is None:
            return
        if getattr(self.optimizer, "use_ema", False):
            raise RecipeError(
                "Expected an optimizer whose parameters are those of the model at each epoch, as "
                "early stopping keeps the best. Found use_ema=True, whose moving averages become "
                "the model's at the end alone. Use one of the two."
            )
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
        better = getattr(self.metrics[name], "direction", None)
        if better is None:
            raise RecipeError(
                f"Expected early stopping on a metric that is better the smaller it is, or the "
                f"larger. Found {name!r}: neither end of {type(self.metrics[name]).__name__} is."
            )
        if better != direction:
            raise RecipeError(f"Expected early stopping to {better} {name!r}. Found {direction!r}.")

    def make_model(self, seed: int, x: Arrays = None) -> keras.Model:
        """A new model, initialised from the seed.

        Args:
            seed: Seed of the initialisation, and of the random states of layers such as Dropout.
            x: A few inputs, from which a model that does not know their shape yet is built.

        Raises:
            ModelError: `build_model` gave something else, or a compiled model.
        """
        keras.utils.set_random_seed(seed)
        model = self.build_model() if self.hp is None else self.build_model(dict(self.hp))
        if not isinstance(model, keras.Model):
            raise ModelError(
                f"Expected build_model() to return a keras.Model. Found {type(model).__name__}. "
                f"Return the model, uncompiled."
            )
        if model.compiled:
            raise ModelError(
                "Expected build_model() to return a model that is not compiled. Found one compiled "
                f"with {type(model.optimizer).__name__} and a loss of its own, which a sweep would "
                f"not train with. Leave out model.compile(...), give the sweep optimizer=, and "
                f"load saved models with compile=False."
            )
        if not model.built and x is not None:
            model(x)
        return model

    def of(self, chosen: Mapping[str, Value]) -> Problem:
        """The problem with the model that a member chose."""
        if not self.models:
            return self
        hp = {}
        for name, part in self.models.items():
            value = chosen.get(f"{HYPER}{name}")
            if value is None:
                hp[name] = dict(self.hp or {})[name]
            else:
                hp[name] = part.options[str(value)] if isinstance(part, Choice) else float(value)
        return self if hp == self.hp else replace(self, hp=hp)

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """A fresh optimizer, set as the problem's, with the usual value of what members choose."""
        made = fresh_optimizer(self.optimizer)
        for name, value in self.hyper.items():
            setattr(made, name, value)
        return made

    def make_callbacks(self) -> list[keras.callbacks.Callback]:
        """New callbacks of the user's own for one training."""
        return made_callbacks(self.callbacks)

    def make_loss(self) -> CombinedLoss:
        """A combined loss of the terms, with all weights 1 until a trial sets them."""
        return CombinedLoss(terms=dict(self.terms))

    def steps_per_epoch(self, rows: int) -> int:
        """Optimizer steps in a pass over so many rows; the last batch may be smaller."""
        return -(-rows // self.batch_size)


@dataclass(frozen=True)
class Rehearsal:
    """What trying every part of a problem once showed of its model.

    Attributes:
        output_shape: Shape of the model's output, ``(None, ...)``, or a dict of them for several.
        has_own_losses: Whether the model adds losses by itself, such as regularisers.
        masks: Gives for inputs which elements of the outputs count; see
            `lossweights.watch.inference.output_masks`.
        has_own_training: Whether its class computes or lowers a loss in a way of its own.
    """

    output_shape: Any
    has_own_losses: bool
    masks: Callable[[Any], Any] = lambda x: None
    has_own_training: bool = False

    @property
    def sees_more(self) -> bool:
        """Whether the model is, or may be, trained on more than the terms."""
        return self.has_own_losses or self.has_own_training


def rehearse(problem: Problem, data: Data, seed: int, off: Collection[str] = ()) -> Rehearsal:
    """Run model, terms and metrics on two rows of each split, so that mistakes show at once.

    Args:
        problem: What is trained.
        data: The data.
        seed: Seed of the model.
        off: Terms that every trial switches off: they may be undefined.

    Raises:
        ModelError: The model cannot be built or called, carries state from batch to batch, shares
            what changes in training with the next one, or its output does not fit the targets.
        TermError: A term does not give one finite value per sample.
        MetricError: A metric cannot be computed on the validation or test data.
        RecipeError: The callbacks are not made anew, or would do nothing.
    """
    check_callbacks(problem.callbacks)
    model = problem.make_model(seed)
    shape: Any = None
    for name in ("train", "val", "test"):
        split: Split | Stream | None = getattr(data, name)
        if split is not None:
            y_pred = _rehearse_split(problem, model, name, split.sample, off)
            if isinstance(split, Split) and _looks_up(model):
                _try_all_rows(model, name, split)
            shape = tree.map_structure(lambda t: (None, *t.shape[1:]), y_pred)
    if not model.trainable_variables:
        raise ModelError(
            "Expected a model with trainable parameters. Found none. Check build_model()."
        )
    refuse_carried_state(model)
    refuse_shared(model, problem.make_model(seed), data.train.sample.head(2).x)
    taken = losses_read(problem.terms.values())
    own = OwnLosses(model, data.train.sample.head(2).x, taken)
    return Rehearsal(shape, own.exist, partial(output_masks, model), bool(own_training(model)))


def _looks_up(model: keras.Model) -> bool:
    """Whether a model looks rows up by number, so that a number may be out of its table."""
    return any(isinstance(layer, keras.layers.Embedding) for layer in layers_of(model))


def _try_all_rows(model: keras.Model, name: str, split: Split) -> None:
    """Call a model on all rows as `model.fit` would: in a stack no number is out of a table."""
    for start in range(0, len(split), _ROWS_AT_ONCE):
        x = tree.map_structure(lambda a, at=start: a[at : at + _ROWS_AT_ONCE], split.x)
        try:
            with keras.device("cpu:0"):  # a GPU would look nothing up, and say nothing
                outputs_of(model, x)
        except Exception as error:
            text = " ".join(line.strip() for line in str(error).splitlines()[:4] if line.strip())
            raise ModelError(
                f"Expected a model that takes all inputs of {name}. Found a row from {start} on "
                f"that it does not: {text} Check the numbers of words and classes in load_data() "
                f"against the tables of build_model()."
            ) from error


def _rehearse_split(
    problem: Problem, model: keras.Model, name: str, split: Split, off: Collection[str]
) -> Any:
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
    check_added(model, loss.terms.values())
    y_pred = values_by_output(model, loss, y_pred)
    try:
        values = loss.per_sample_terms(values_by_output(model, loss, rows.y), y_pred)
    except Exception as error:
        targets = tree.map_structure(lambda a: tuple(a.shape[1:]), split.y)
        outputs = tree.map_structure(lambda a: tuple(a.shape[1:]), y_pred)
        raise ModelError(
            f"Expected a model output that fits the targets of {name}. Found targets of shape "
            f"{targets} and outputs of shape {outputs} per sample. Change the last layer of "
            f"build_model() or the targets of load_data(). In detail: {error}"
        ) from error
    y, weight = (values_by_output(model, loss, each) for each in (rows.y, rows.sample_weight))
    refuse_unread_weights(loss, y, y_pred, weight, off)
    for term, value in values.items():
        array = keras.ops.convert_to_numpy(value)
        if not np.isfinite(array).all() and term not in off:
            raise ModelError(
                f"Expected finite values of the term {term!r} on the untrained model. Found "
                f"{array.tolist()} on two rows of {name}. Check the scale of data and model, and "
                f"the domain of the term."
            )
    # On all targets, since a metric may have no meaning on two of them: no demand, an empty mask.
    guesses = tree.map_structure(
        lambda p: np.resize(keras.ops.convert_to_numpy(p), (len(split), *p.shape[1:])), y_pred
    )
    y, weight = (values_by_output(model, loss, part) for part in (split.y, split.sample_weight))
    # Metrics are measured on validation and test data: on the targets of training one may have no
    # meaning, as a fill rate has none where demand was corrected downwards.
    for metric, function in problem.metrics.items() if name != "train" else ():
        try:
            function.evaluate(y, guesses, weight)
        except LossweightsError as error:
            raise type(error)(f"Metric {metric!r} on {name}: {error}") from error
    return y_pred
