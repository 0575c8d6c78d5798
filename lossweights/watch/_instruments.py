"""The instruments of a watched training: probes on fixed rows, used as often as a budget allows."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from lossweights.base.names import MODEL, part_name
from lossweights.dominance.gram import gram_table
from lossweights.loss.combined import CombinedLoss
from lossweights.loss.masks import with_masks
from lossweights.loss.mean_prediction import mean_magnitudes
from lossweights.records import EpochReport
from lossweights.terms.model_losses import check_added
from lossweights.watch._budget import Meter, Overhead
from lossweights.watch.gradients import GradientProbe, Wrt, calibration_residual
from lossweights.watch.inference import STATISTICS_ROWS, OwnLosses, output_masks
from lossweights.watch.probe import OwnProbe, Probe, count_rows, rows, spread
from lossweights.watch.reading import Reading

log = logging.getLogger("lossweights")

FEWEST_ROWS, MOST_ROWS = 256, 1024  # of a probe whose size is picked
FEWEST_GRADIENT_ROWS, MOST_GRADIENT_ROWS = 64, 256
GRADIENT_PART = 1 / 32  # of the rows given: with three terms a fourteenth of the cost of an epoch
CALIBRATION_ROWS = 4096  # measured once, and its standard error is one over the root of the rows
FOR_GRADIENTS = 1 / 3  # of the budget, if gradients are measured


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is measured and how often; see `lossweights.watch.monitor.TermMonitor`."""

    gradients: Wrt | None
    budget: float | None
    every: int | None
    rows: int | None


class Instruments:
    """Probes of one model during one training, and the time they take.

    The rows are picked from what is given, never from how fast the machine is: what is measured
    is the same on every machine, and only how often depends on the clock.

    Args:
        model: The model, built.
        loss: The combined loss whose terms are measured.
        train: ``(x, y, sample_weight)`` from the training data.
        val: The same from validation data, or ``None``.
        settings: What is measured and how often.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: CombinedLoss,
        train: tuple[Any, Any, Any],
        val: tuple[Any, Any, Any] | None,
        settings: Settings,
    ) -> None:
        self._model, self._loss, self._train, self._settings = model, loss, train, settings
        self._trainable = list(model.trainable_variables)
        check_added(model, loss.terms.values())
        self._reading = Reading(model, loss)
        self.batch_rows: int | None = None  # of a training batch, as soon as one has been seen
        self.overhead = self._unspent()
        with self.overhead.setting_up():
            self._build(val)

    def fits(self, model: keras.Model) -> bool:
        """Whether these are for a model: the one they were made with, the same layers frozen."""
        if model is not self._model:
            return False
        trainable = [id(variable) for variable in model.trainable_variables]
        is_same = Reading(model, self._loss).reads_like(self._reading)
        return is_same and trainable == [id(kept) for kept in self._trainable]

    def restart(self) -> None:
        """Begin another training, with the graphs that there are."""
        self.batch_rows = None
        rows, gradient_rows = self.overhead.rows, self.overhead.gradient_rows
        self.overhead = self._unspent()
        self.overhead.rows, self.overhead.gradient_rows = rows, gradient_rows

    def _unspent(self) -> Overhead:
        whole, part = self._settings.budget, FOR_GRADIENTS if self._settings.gradients else 0.0
        every = self._settings.every
        return Overhead(
            magnitudes=Meter(None if whole is None else whole * (1 - part)),
            gradients=Meter(None if whole is None or every else whole * part),
        )

    def _build(self, val: tuple[Any, Any, Any] | None) -> None:
        self._chosen = spread(self._train, self._pick_rows(count_rows(self._train)))
        self._probe = Probe(
            self._model, self._loss, *self._chosen, as_trained=True, reading=self._reading
        )
        self.overhead.rows = count_rows(self._chosen)
        self._val: Probe | None = None
        self._own: OwnProbe | None = None
        self._own_val: OwnProbe | None = None
        x = spread(self._chosen[0], STATISTICS_ROWS)
        own = OwnLosses(self._model, rows(x, slice(2)), self._reading.losses_taken)
        if own.exist:
            self._own = OwnProbe(own, x, as_trained=True)
        if val is not None:
            chosen = spread(val, self._pick_rows(count_rows(val)))
            self._val = Probe(self._model, self._loss, *chosen, reading=self._reading)
            if own.exist:
                self._own_val = OwnProbe(own, spread(chosen[0], STATISTICS_ROWS))
        self._gradients: GradientProbe | None = None
        if self._settings.gradients is not None:
            most = GRADIENT_PART * count_rows(self._train)
            most = int(np.clip(most, FEWEST_GRADIENT_ROWS, MOST_GRADIENT_ROWS))
            part = spread(self._chosen, most)
            self._gradients = GradientProbe(
                self._model,
                self._loss,
                *part,
                wrt=self._settings.gradients,
                reading=self._reading,
                own=own,
            )
            self.overhead.gradient_rows = count_rows(part)

    def _pick_rows(self, given: int) -> int:
        if self._settings.rows is not None:
            return self._settings.rows
        if self._settings.budget is None:
            return MOST_ROWS
        return int(np.clip(self._settings.budget * given, FEWEST_ROWS, MOST_ROWS))

    def measure(self, epoch: int, *, gradients: bool) -> EpochReport:
        """Measure outside of the budget: what is done once, before the first epoch or at an end."""
        with self.overhead.setting_up():
            return self._report(epoch, self._sizes(), self._pulls() if gradients else None)

    def measure_if_due(self, epoch: int, *, force: bool) -> EpochReport | None:
        """Measure at the end of an epoch, if the budget allows it or it is forced."""
        overhead = self.overhead
        if not force and not overhead.magnitudes.allows(overhead.training):
            return None
        with overhead.magnitudes.running():
            sizes = self._sizes()
        gram = None
        if self._gradients is not None and self._gradients_due(epoch):
            with overhead.gradients.running():
                gram = self._pulls()
        return self._report(epoch, sizes, gram)

    def _gradients_due(self, epoch: int) -> bool:
        meter = self.overhead.gradients
        if meter.times == 0:
            # Unknown as yet. One forward pass and a backward pass a term, which is twice as long.
            passes = 1 + 2 * len(self._loss.terms)
            rows = self.overhead.gradient_rows / self.overhead.rows
            meter.expected = passes * rows * self.overhead.magnitudes.expected
        return epoch % (self._settings.every or 1) == 0 and meter.allows(self.overhead.training)

    def weights(self) -> dict[str, float]:
        """What multiplies each part of the loss now: terms, other losses, the model's own."""
        own = {} if self._own is None else {MODEL: 1.0}
        return {**self._reading.weights(), **own}

    def refuse_sums(self) -> None:
        """Refuse reductions that are no means beside other parts; see `Reading.refuse_sums`."""
        self._reading.refuse_sums(beside=self._own is not None)

    @property
    def needs_batch_rows(self) -> bool:
        """Whether what was measured so far depends on how many rows a batch has, not yet known."""
        return self.batch_rows is None and self._own is not None and self._own.depends_on_rows

    def own_losses(self) -> tuple[dict[str, float], dict[str, float]]:
        """The model's own losses when last measured, on training and on validation data.

        Of a batch of all the rows measured, until it is known how many a training batch has.
        """
        train, val = (
            {} if own is None else {MODEL: own.of_batch(self.batch_rows)}
            for own in (self._own, self._own_val)
        )
        return train, val

    def _sizes(self) -> tuple[dict[str, float], dict[str, float]]:
        """Magnitudes on training and on validation data."""
        train = self._probe.measure().magnitudes
        val = self._val.measure().magnitudes if self._val else {}
        for own in (self._own, self._own_val):
            if own is not None:
                own.measure()
        own_train, own_val = self.own_losses()
        return {**train, **own_train}, {**val, **own_val}

    def _pulls(self) -> dict[str, dict[str, float]] | None:
        """The Gram matrix by names, if gradients are measured at all."""
        if self._gradients is None:
            return None
        rows_of_batch = self.batch_rows or self.overhead.gradient_rows
        return gram_table(list(self.weights()), self._gradients.measure(rows_of_batch))

    def _report(
        self,
        epoch: int,
        sizes: tuple[dict[str, float], dict[str, float]],
        gram: dict[str, dict[str, float]] | None,
    ) -> EpochReport:
        bad = self._first_bad(*sizes, gram or {})
        return EpochReport(epoch, *sizes, {}, bad=bad, gram=gram)

    def _first_bad(
        self,
        train: Mapping[str, float],
        val: Mapping[str, float],
        gram: Mapping[str, Mapping[str, float]],
    ) -> str | None:
        """What is not finite. If all terms went at once, what they share went: the parameters.

        A term of weight 0 is switched off, and may be undefined.
        """
        on = [name for name, weight in self.weights().items() if weight]
        gone = [name for name in on if not math.isfinite(train[name])]
        if gone and len(gone) == len(on) and not self._parameters_finite():
            return "a parameter of the model"
        found = [part_name(name) for name in gone]
        found += [
            f"{part_name(name)} on validation data"
            for name in on
            if not math.isfinite(val.get(name, 0))
        ]
        found += [
            f"gradient of {part_name(name)}"
            for name in on
            if gram and not math.isfinite(gram[name][name])
        ]
        return found[0] if found else None

    def _parameters_finite(self) -> bool:
        return all(
            bool(keras.ops.all(keras.ops.isfinite(variable)))
            for variable in self._model.trainable_variables
        )

    def calibration(self) -> float | None:
        """Whether the offset of the output is trained; see `calibration_residual`."""
        with self.overhead.setting_up():
            part = spread(self._train, CALIBRATION_ROWS)
            return calibration_residual(self._model, self._loss, *part)

    def baseline(self) -> dict[str, float] | None:
        """Magnitudes for the mean of the probe's targets, where that is a prediction."""
        if self._reading.others:
            return None  # what a constant would cost them is not known
        x, *targets = self._chosen
        y, sample_weight = map(self._reading.of_terms, targets)
        try:
            masks = output_masks(self._model, x)
            return mean_magnitudes(
                self._loss.terms,
                y,
                with_masks(sample_weight, None if masks is None else self._reading.of_terms(masks)),
                output_shape=self._reading.output_shape(x),
            )
        except Exception as error:
            # A term that reads no constant, or a function that fails for one: the verdict on the
            # training stands without.
            log.debug("No magnitudes for a constant prediction: %s", error)
            return None
