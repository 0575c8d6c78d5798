"""One look before a sweep: what a loss and a model are like, in seconds and without a trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import tree

from lossweights.base.errors import DataError, LossweightsError, ModelError, RecipeError, TermError
from lossweights.base.names import MODEL
from lossweights.base.numbers import whole_number
from lossweights.data import Data
from lossweights.dominance.gram import gradient_norms
from lossweights.foreign.random_states import kept_random_states
from lossweights.loss.combined import CombinedLoss
from lossweights.loss.masks import with_masks
from lossweights.loss.scales import reference_scales
from lossweights.search.space import Fixed, Space, SpaceLike
from lossweights.search.suggest import suggested_space
from lossweights.sweep._factor import redundancy
from lossweights.sweep._plan import Plan
from lossweights.terms import Huber, KerasLoss, MeanAbsoluteError, MeanSquaredError, Term
from lossweights.training.aside import Aside, put_back
from lossweights.training.estimate import TimeEstimate
from lossweights.training.timing import seconds_a_step
from lossweights.watch.backends import WHAT_WORKS, require_tensorflow
from lossweights.watch.inference import output_masks, outputs_of, own_training
from lossweights.watch.look import Look
from lossweights.watch.probe import as_arrays, count_rows, placed, rows, spread
from lossweights.watch.reading import Reading

STEPS = 10  # between the two measurements
# Rows and elements of the targets that reference scales are taken from: seconds at most.
FEWEST_SCALED, MOST_SCALED = 1024, 1 << 24
_ACCURACY = (MeanSquaredError, MeanAbsoluteError, Huber, KerasLoss)

Rows = tuple[Any, Any, Any]  # x, y, sample_weight


def plan(
    loss: CombinedLoss,
    model: keras.Model,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    optimizer: str | keras.optimizers.Optimizer | None = None,
    batch_size: int = 32,
    steps: int = STEPS,
    space: SpaceLike | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
) -> Plan:
    """Look at a loss and a model, in seconds and without a sweep.

    It measures the unweighted magnitude of each term, its reference scale, and the length and angle
    of the gradients, with the model as it is and after a few training steps with the weights of
    today; says which term would drive; and suggests ranges for a sweep. What the first steps show
    need not be what the whole training does.

    The model, its optimizer, what it is compiled with, and all random generators are as they were
    afterwards, to the bit: the steps are made by a copy of the optimizer, and all variables put
    back. Losses that the model adds by itself, and those of other outputs, are parts like the
    terms.

    Args:
        loss: The combined loss with today's weights.
        model: The model, built; compiled with this loss, or not compiled.
        x: Inputs, arrays as ``fit`` takes them; or `Data`, whose training data are looked at, of a
            stream the first rows.
        y: Targets.
        sample_weight: Weights as given to ``fit``, or ``None``.
        optimizer: What the steps are made with; by default the model's, or else ``"adam"``.
        batch_size: Rows a step.
        steps: Training steps between the two measurements.
        space: The space of a sweep, to be told if one of its dimensions does nothing.
        trials: With ``epochs``, how long so many trials would train one after another.
        epochs: Passes over the rows in each trial.
        seed: Of the order in which the rows are visited.

    Raises:
        TermError: ``loss`` is not a combined loss, or waits for ``adapt``.
        ModelError: The model is not built, has nothing to train, carries state from batch to batch,
            is compiled with another combined loss, or does not fit the data.
        DataError: The arrays are empty or of different lengths.
        RecipeError: A number or the optimizer cannot be.
        LossweightsError: The Keras backend is not TensorFlow.

    >>> import lossweights as lw
    >>> x, y = np.linspace(0, 1, 64)[:, None], np.linspace(1, 3, 64)[:, None]
    >>> loss = lw.CombinedLoss({"mse": "mse", "under": lw.terms.Underestimation()})
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> found = lw.plan(loss, model, x, y, optimizer="sgd", trials=32, epochs=10)
    >>> list(found.space), found.time.steps_per_epoch
    (['mse', 'under'], 2)
    """
    if not isinstance(loss, CombinedLoss):
        raise TermError(
            f"Expected a CombinedLoss to look at. Found {type(loss).__name__}. Make one with "
            f"lw.CombinedLoss(terms=..., weights=...)."
        )
    require_tensorflow(otherwise=WHAT_WORKS + ".")
    _refuse_unbuilt(model)
    if (trials is None) != (epochs is None):
        raise RecipeError(
            f"Expected trials= and epochs= together, as the time follows from both. Found "
            f"trials={trials!r}, epochs={epochs!r}."
        )
    given = optimizer or getattr(model, "optimizer", None) or "adam"
    view = View(
        loss=loss,
        model=model,
        data=_arrays(x, y, sample_weight),
        optimizer=given,
        batch_size=whole_number("batch_size", batch_size, 1),
        steps=whole_number("steps", steps, 1),
        space=None if space is None else Space(list(loss.terms), space),
        seed=seed,
    )
    if trials is None or epochs is None:
        return view.plan()
    return view.plan(
        lambda aside: TimeEstimate(
            trials=whole_number("trials", trials, 1),
            epochs=whole_number("epochs", epochs, 1),
            steps_per_epoch=-(-count_rows(view.data[0]) // view.batch_size),
            seconds_a_step=seconds_a_step(aside.seconds_a_step),
            how="one after another in one compiled graph",
        )
    )


@dataclass(frozen=True, kw_only=True)
class View:
    """What is looked at, and how; see `plan`.

    Attributes:
        units: What the weights of the sweep's space are divided by: ``None`` leaves it to us, an
            empty mapping means by nothing.
        notes: Sentences that the plan begins its notes with.
    """

    loss: CombinedLoss
    model: keras.Model
    data: Rows
    optimizer: str | keras.optimizers.Optimizer
    batch_size: int
    steps: int = STEPS
    space: Space | None = None
    units: Mapping[str, float] | None = None
    seed: int = 0
    notes: Sequence[str] = ()

    def plan(self, timed: Callable[[Aside], TimeEstimate] | None = None) -> Plan:
        """Measure, train aside, measure again, put back.

        Args:
            timed: Gives the time of a sweep from what makes the steps, or ``None``.
        """
        model, data = self.model, self.data
        with kept_random_states(), put_back(model):
            look = Look(model, self.loss, *data, batch_rows=self.batch_size)
            scales, notes = self._scales(look.reading)
            start = look.measure()
            aside = Aside(
                model,
                look.reading,
                self.optimizer,
                data,
                self.batch_size,
                self.seed,
                summed=self.loss.reduction == "sum",
            )
            aside.train(self.steps)
            after = look.measure(self.steps)
            time = None if timed is None else timed(aside)
        names = list(look.weights)
        grams = [report.gram_matrix(names) for report in (start, after)]
        first, second = (np.asarray(gram, dtype=np.float64) for gram in grams)
        for report, when in ((start, "at the start"), (after, f"after {self.steps} steps")):
            if report.bad is not None:
                notes.append(f"{report.bad} is not finite {when}.")
        optimizer = getattr(aside.optimizer, "inner_optimizer", aside.optimizer)
        notes = [*self.notes, *notes, *self._notes(MODEL in names, aside.optimizer)]
        found = Plan(
            weights=look.weights,
            magnitudes={name: (start.train[name], after.train[name]) for name in names},
            grams=(first, second),
            scales=scales,
            optimizer=type(optimizer).__name__,
            batch_size=min(self.batch_size, count_rows(data[0])),
            steps=self.steps,
            rows=count_rows(data[0]),
            space={},
            time=time,
            notes=tuple(notes),
        )
        return self._with_ranges(found)

    def _scales(self, reading: Reading) -> tuple[dict[str, float], list[str]]:
        """The reference scales that there are, and why others are not."""
        elements = sum(math.prod(array.shape[1:]) for array in tree.flatten(self.data[1]))
        most = max(FEWEST_SCALED, MOST_SCALED // max(elements, 1))
        terms, (x, y, weight) = dict(self.loss.terms), spread(self.data, most)
        outputs = reading.of_terms(outputs_of(self.model, placed(rows(x, slice(2)))))
        masks = output_masks(self.model, x)
        weights = with_masks(
            reading.of_terms(weight), None if masks is None else reading.of_terms(masks)
        )
        shape = tree.map_structure(lambda output: (None, *output.shape[1:]), outputs)
        targets = reading.of_terms(y)
        found: dict[str, float] = {}
        notes = []
        try:
            return reference_scales(terms, targets, weights, output_shape=shape), []
        except LossweightsError as error:
            if len(terms) == 1:
                return {}, [f"No reference scale: {error}"]
        for name, term in terms.items():
            try:
                found |= reference_scales({name: term}, targets, weights, output_shape=shape)
            except LossweightsError as error:
                notes.append(f"{name} has no reference scale: {error}")
        return found, notes

    def _notes(self, has_own: bool, optimizer: keras.optimizers.Optimizer) -> list[str]:
        own = own_training(self.model)
        notes = []
        if own:
            notes.append(
                f"The model has a {' and '.join(own)} of its own, which is not what made the steps."
            )
        if self.space is not None:
            notes.append(redundancy(self.space, optimizer, sees_more=has_own or bool(own)))
        return [note for note in notes if note]

    def _with_ranges(self, found: Plan) -> Plan:
        """The plan with ranges for the weights; see `suggested_space`."""
        scales = found.scales
        off = [name for name in self.loss.terms if not math.isfinite(found.magnitudes[name][0])]
        names = [name for name in self.loss.terms if name not in off]
        if len(names) < 2:
            return found
        every = set(names) <= set(scales)
        units = self.units if self.units is not None else scales if every else {}
        lengths = [
            dict(zip(found.weights, gradient_norms(gram).tolist(), strict=True))
            for gram in found.grams
        ]
        terms = {name: self.loss.terms[name] for name in names}
        anchor = _anchor(terms, self.loss.weights, self.space)

        def even(sizes: Mapping[str, float]) -> dict[str, float]:
            """The weights at which what has these sizes counts as much as the anchor at 1."""
            relative = {name: sizes[name] / units.get(name, 1.0) for name in names if name in sizes}
            one = relative.get(anchor, 0.0)
            return {name: one / size for name, size in relative.items() if one > 0 and size > 0}

        by_length = [even(each) for each in lengths]
        balances = {name: [each[name] for each in by_length if name in each] for name in names}
        ranges = suggested_space(names, anchor, even(scales), balances)
        space = {name: ranges.get(name, Fixed(0.0)) for name in self.loss.terms}
        return replace(found, space=space, unscaled=not units)


def _refuse_unbuilt(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"Expected a keras.Model. Found {type(model).__name__}. Write lw.plan(loss, model, x, "
            f"y)."
        )
    if not model.built:
        raise ModelError(
            "Expected a built model, whose parameters are what is looked at. Found one that does "
            "not know the shape of its inputs. Begin it with keras.Input, or call it once: "
            "model(x[:1])."
        )


def _arrays(x: Any, y: Any, sample_weight: Any) -> Rows:
    """Inputs, targets and weights, as they were given or as the training data have them."""
    if isinstance(x, Data):
        if y is not None or sample_weight is not None:
            raise DataError(
                "Expected lw.Data alone, which has targets and weights. Found y or sample_weight "
                "beside it. Leave them out."
            )
        sample = x.train.sample
        return sample.x, sample.y, sample.sample_weight
    if y is None:
        raise DataError(
            f"Expected inputs x and targets y as arrays, or lw.Data. Found {type(x).__name__} "
            f"without y. From a tf.data.Dataset take some rows: "
            f"x, y = next(iter(dataset.unbatch().batch(1024)))."
        )
    return as_arrays("data", (x, y) if sample_weight is None else (x, y, sample_weight))


def _anchor(terms: Mapping[str, Term], weights: Mapping[str, float], space: Space | None) -> str:
    """The term that the others are measured against: the one that is fixed, or the accuracy.

    Accuracy is the first squared or absolute error or loss of Keras' own; or the first term.
    """
    on = [name for name in terms if weights[name] > 0] or list(terms)
    if space is not None and space.simplex is None:
        fixed = [name for name in terms if name not in space.parameters]
        on = [name for name in fixed if name not in space.switched_off] or on
    for name in on:
        term = terms[name]
        while isinstance(inner := getattr(term, "term", None), Term):  # on an output, on a mask
            term = inner
        if isinstance(term, _ACCURACY):
            return name
    return on[0]
